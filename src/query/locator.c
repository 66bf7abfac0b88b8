// SPDX-License-Identifier: BSD-2-Clause
#include "query/locator.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum kind { KIND_QSC, KIND_QSR, KINDS };

struct locator {
    struct service *services[KINDS]; // owned; NULL where that kind is not asked
    enum locator_source source;
    size_t count;
    struct service_server servers[LOCATOR_SERVERS_MAX];
    struct locator_counters counters;
};

static struct service *open_service(const struct locator_config *config, const char *label,
                                    struct instant now)
{
    char name[DNS_NAME_TEXT_MAX];
    (void)snprintf(name, sizeof(name), "%s._udp.%s", label, config->domain);
    struct service *service = service_new(name, now);
    if (config->take_unsigned)
        service_take_unsigned(service);
    return service;
}

struct locator *locator_new(const struct locator_config *config, struct instant now)
{
    struct locator *locator = memory_new(sizeof(*locator));
    if (config->asks_qscs)
        locator->services[KIND_QSC] = open_service(config, "_ivip-qsc", now);
    locator->services[KIND_QSR] = open_service(config, "_ivip-qsr", now);
    return locator;
}

void locator_free(struct locator *locator)
{
    if (locator == NULL)
        return;
    for (size_t i = 0; i < KINDS; i++)
        service_free(locator->services[i]);
    memory_free(locator);
}

// Which servers are used

static void use(struct locator *locator, enum locator_source source,
                const struct service_server *servers, size_t count)
{
    locator->source = count > 0 ? source : LOCATOR_NONE;
    locator->count = count < LOCATOR_SERVERS_MAX ? count : LOCATOR_SERVERS_MAX;
    if (count > 0)
        memmove(locator->servers, servers, locator->count * sizeof(*servers));
}

void locator_remember(struct locator *locator, const struct service_server *servers, size_t count)
{
    assert(locator->source == LOCATOR_NONE);
    use(locator, LOCATOR_REMEMBERED, servers, count);
}

// Where QSCs are asked for, QSRs must wait until DNS said something, good or not, about QSCs: not
// to be used for a moment only.
static void choose(struct locator *locator)
{
    size_t qscs = 0;
    size_t qsrs = 0;
    enum service_state state = SERVICE_SURE;
    const struct service *service = locator->services[KIND_QSC];
    const struct service_server *servers = NULL;
    if (service != NULL) {
        servers = service_servers(service, &qscs);
        state = service_state(service);
    }
    if (qscs > 0) {
        use(locator, LOCATOR_QSC, servers, qscs);
        return;
    }
    servers = service_servers(locator->services[KIND_QSR], &qsrs);
    if (qsrs > 0 && state != SERVICE_UNKNOWN)
        use(locator, LOCATOR_QSR, servers, qsrs);
    else if (state == SERVICE_SURE && service_state(locator->services[KIND_QSR]) == SERVICE_SURE)
        use(locator, LOCATOR_NONE, NULL, 0);
    // Otherwise what is used goes on, however it was known.
}

// DNS

bool locator_next_question(struct locator *locator, struct instant now,
                           struct dns_question *question)
{
    for (uint32_t i = 0; i < KINDS; i++) {
        if (locator->services[i] == NULL ||
            !service_next_question(locator->services[i], now, question))
            continue;
        question->of_service = true;
        question->owner = i;
        locator->counters.asked++;
        return true;
    }
    return false;
}

bool locator_answer(struct locator *locator, struct instant now,
                    const struct dns_question *question, const struct dns_answer *answer)
{
    assert(question->owner < KINDS && answer->outcome < DNS_OUTCOMES);
    struct service *service = locator->services[question->owner];
    struct service_server before[LOCATOR_SERVERS_MAX];
    size_t count = locator->count;
    enum locator_source source = locator->source;
    locator->counters.answers[answer->outcome]++;
    if (service == NULL || !service_awaits(service, question))
        return false;
    (void)service_answer(service, now, answer);
    memcpy(before, locator->servers, sizeof(before));
    choose(locator);
    if (source != locator->source || count != locator->count)
        return true;
    for (size_t i = 0; i < count; i++)
        if (before[i].priority != locator->servers[i].priority ||
            !endpoint_equal(&before[i].endpoint, &locator->servers[i].endpoint))
            return true;
    return false;
}

struct instant locator_deadline(const struct locator *locator)
{
    struct instant deadline = INSTANT_NEVER;
    for (size_t i = 0; i < KINDS; i++)
        if (locator->services[i] != NULL)
            deadline = instant_earlier(deadline, service_deadline(locator->services[i]));
    return deadline;
}

// What it found

const struct service_server *locator_servers(const struct locator *locator, size_t *count)
{
    *count = locator->count;
    return locator->servers;
}

enum locator_source locator_source(const struct locator *locator)
{
    return locator->source;
}

const char *locator_source_name(enum locator_source source)
{
    switch (source) {
    case LOCATOR_NONE:
        break;
    case LOCATOR_REMEMBERED:
        return "remembered";
    case LOCATOR_QSC:
        return "qsc";
    case LOCATOR_QSR:
        return "qsr";
    }
    return "none";
}

const struct locator_counters *locator_counters(const struct locator *locator)
{
    return &locator->counters;
}
