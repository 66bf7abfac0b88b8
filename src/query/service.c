// SPDX-License-Identifier: BSD-2-Clause
#include "query/service.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SERVERS_MAX (SERVICE_TARGETS_MAX * SERVICE_ADDRESSES_MAX * 2)

struct target {
    struct dns_srv srv;
    struct addresses {
        size_t count;
        struct address items[SERVICE_ADDRESSES_MAX];
    } families[2]; // A, AAAA
};

struct targets {
    size_t count;
    struct target items[SERVICE_TARGETS_MAX];
};

struct service {
    char name[DNS_NAME_TEXT_MAX];
    struct targets known; // what the servers were made of
    struct targets next;  // the round under way
    size_t step;          // 0: SRV; then two for each target
    bool open;
    bool unsigned_taken;
    bool ended;  // some round has
    bool failed; // some question of this round had no good answer
    uint32_t ttl;
    unsigned failures;
    struct instant due;
    size_t server_count;
    struct service_server servers[SERVERS_MAX];
};

const char *dns_outcome_name(enum dns_outcome outcome)
{
    static const char *const names[DNS_OUTCOMES] = {"secure", "nothing", "insecure", "bogus",
                                                    "failed"};
    assert(outcome < DNS_OUTCOMES);
    return names[outcome];
}

struct duration dns_back_off(unsigned failures)
{
    uint64_t ms = DNS_RETRY_MS_FIRST;
    for (unsigned i = 1; i < failures && ms < DNS_RETRY_MS_MAX; i++)
        ms *= 2;
    return duration_ms(ms < DNS_RETRY_MS_MAX ? ms : DNS_RETRY_MS_MAX);
}

struct duration dns_refresh(uint32_t ttl)
{
    uint64_t ms = ttl * UINT64_C(1000);
    if (ms < DNS_REFRESH_MS_MIN)
        ms = DNS_REFRESH_MS_MIN;
    return duration_ms(ms < DNS_REFRESH_MS_MAX ? ms : DNS_REFRESH_MS_MAX);
}

struct service *service_new(const char *name, struct instant now)
{
    struct service *service = memory_new(sizeof(*service));
    (void)snprintf(service->name, sizeof(service->name), "%s", name);
    service->due = now;
    return service;
}

void service_take_unsigned(struct service *service)
{
    service->unsigned_taken = true;
}

enum service_state service_state(const struct service *service)
{
    if (!service->ended)
        return SERVICE_UNKNOWN;
    return service->failures > 0 ? SERVICE_DOUBTED : SERVICE_SURE;
}

void service_free(struct service *service)
{
    memory_free(service);
}

struct instant service_deadline(const struct service *service)
{
    return service->open ? INSTANT_NEVER : service->due;
}

// The question of a step: for the SRV records, or for addresses of a target.
static struct dns_question question_of(const struct service *service, const struct targets *targets,
                                       size_t step)
{
    struct dns_question question = {.type = DNS_SRV};
    const char *name = service->name;
    if (step > 0) {
        name = targets->items[(step - 1) / 2].srv.target;
        question.type = (step - 1) % 2 == 0 ? DNS_A : DNS_AAAA;
    }
    memcpy(question.name, name, sizeof(question.name));
    return question;
}

static struct dns_question current_question(const struct service *service)
{
    return question_of(service, &service->next, service->step);
}

bool service_question(const struct service *service, size_t i, struct dns_question *question)
{
    if (i > 2 * service->known.count)
        return false;
    *question = question_of(service, &service->known, i);
    return true;
}

void service_ask_again(struct service *service, struct instant now)
{
    assert(!service->open);
    service->step = 0;
    service->due = now;
}

bool service_next_question(struct service *service, struct instant now,
                           struct dns_question *question)
{
    if (service->open || instant_before(now, service->due))
        return false;
    service->open = true;
    if (service->step == 0) {
        service->failed = false;
        service->ttl = UINT32_MAX;
    }
    *question = current_question(service);
    return true;
}

bool service_awaits(const struct service *service, const struct dns_question *question)
{
    struct dns_question current = current_question(service);
    return service->open && current.type == question->type &&
           strcmp(current.name, question->name) == 0;
}

// Answers

// Notes a target in the order of priority; of too many the last go.
static void add_target(struct targets *targets, const struct dns_srv *srv)
{
    size_t place = targets->count;
    while (place > 0 && targets->items[place - 1].srv.priority > srv->priority)
        place--;
    if (place == SERVICE_TARGETS_MAX)
        return;
    if (targets->count < SERVICE_TARGETS_MAX)
        targets->count++;
    memmove(&targets->items[place + 1], &targets->items[place],
            (targets->count - place - 1) * sizeof(targets->items[0]));
    targets->items[place] = (struct target){.srv = *srv};
}

// What an answer counts as here.
static enum dns_outcome outcome_for(const struct service *service, const struct dns_answer *answer)
{
    if (answer->outcome != DNS_INSECURE || !service->unsigned_taken)
        return answer->outcome;
    return answer->count > 0 ? DNS_SECURE : DNS_NOTHING;
}

static void take_targets(struct service *service, const struct dns_answer *answer)
{
    service->next.count = 0;
    if (outcome_for(service, answer) != DNS_SECURE)
        return;
    for (size_t i = 0; i < answer->count; i++) {
        struct dns_srv srv;
        memset(&srv, 0, sizeof(srv));
        const struct dns_record *record = &answer->records[i];
        if (dns_srv_decode(record->bytes, record->length, &srv) && srv.target[0] != '\0' &&
            srv.port != 0)
            add_target(&service->next, &srv);
    }
}

static void take_addresses(struct service *service, const struct dns_answer *answer)
{
    size_t family = (service->step - 1) % 2;
    enum dns_type type = family == 0 ? DNS_A : DNS_AAAA;
    struct target *target = &service->next.items[(service->step - 1) / 2];
    struct addresses *addresses = &target->families[family];
    enum dns_outcome outcome = outcome_for(service, answer);
    for (size_t i = 0; outcome == DNS_SECURE && i < answer->count; i++)
        if (addresses->count < SERVICE_ADDRESSES_MAX &&
            dns_address_decode(type, answer->records[i].bytes, answer->records[i].length,
                               &addresses->items[addresses->count]))
            addresses->count++;
    if (outcome == DNS_SECURE || outcome == DNS_NOTHING)
        return;
    service->failed = true;
    for (size_t i = 0; i < service->known.count; i++) // as before, then
        if (strcasecmp(service->known.items[i].srv.target, target->srv.target) == 0)
            *addresses = service->known.items[i].families[family];
}

// The end of a round, good or not.
static void end_round(struct service *service, struct instant now, bool failed)
{
    service->step = 0;
    service->ended = true;
    service->failures = failed ? service->failures + 1 : 0;
    service->due =
        instant_add(now, failed ? dns_back_off(service->failures) : dns_refresh(service->ttl));
}

static bool is_listed(const struct service_server *servers, size_t count,
                      const struct endpoint *endpoint)
{
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&servers[i].endpoint, endpoint))
            return true;
    return false;
}

static size_t list_servers(const struct targets *targets, struct service_server *servers)
{
    size_t count = 0;
    memset(servers, 0, SERVERS_MAX * sizeof(*servers));
    for (size_t i = 0; i < targets->count; i++) {
        const struct target *target = &targets->items[i];
        for (size_t family = 0; family < 2; family++)
            for (size_t n = 0; n < target->families[family].count; n++) {
                struct endpoint endpoint = {target->families[family].items[n], target->srv.port};
                if (!is_listed(servers, count, &endpoint))
                    servers[count++] = (struct service_server){endpoint, target->srv.priority};
            }
    }
    return count;
}

// DNS gives records in any order.
static int compare_servers(const void *a, const void *b)
{
    const struct service_server *left = a;
    const struct service_server *right = b;
    if (left->priority != right->priority)
        return left->priority < right->priority ? -1 : 1;
    int order = address_compare(&left->endpoint.address, &right->endpoint.address);
    return order != 0 ? order : (int)left->endpoint.port - (int)right->endpoint.port;
}

static bool same_servers(const struct service *service, const struct service_server *servers,
                         size_t count)
{
    if (count != service->server_count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (compare_servers(&servers[i], &service->servers[i]) != 0)
            return false;
    return true;
}

static bool take_over(struct service *service, struct instant now)
{
    struct service_server servers[SERVERS_MAX];
    service->known = service->next;
    size_t count = list_servers(&service->next, servers);
    qsort(servers, count, sizeof(servers[0]), compare_servers);
    bool changed = !same_servers(service, servers, count);
    memcpy(service->servers, servers, sizeof(servers));
    service->server_count = count;
    end_round(service, now, service->failed);
    return changed;
}

bool service_answer(struct service *service, struct instant now, const struct dns_answer *answer)
{
    assert(service->open);
    enum dns_outcome outcome = outcome_for(service, answer);
    service->open = false;
    service->due = now;
    if (answer->ttl < service->ttl)
        service->ttl = answer->ttl;
    if (service->step > 0) {
        take_addresses(service, answer);
    } else if (outcome == DNS_SECURE || outcome == DNS_NOTHING) {
        take_targets(service, answer);
    } else {
        end_round(service, now, true);
        return false;
    }
    service->step++;
    return service->step > 2 * service->next.count && take_over(service, now);
}

const struct service_server *service_servers(const struct service *service, size_t *count)
{
    *count = service->server_count;
    return service->servers;
}
