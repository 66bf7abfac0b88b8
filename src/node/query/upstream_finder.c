// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/upstream_finder.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/deadline.h"
#include "node/kept_file.h"
#include "node/query/dns_watch.h"
#include "node/query/resolver.h"
#include "node/query/upstream_store.h"
#include "query/discovery.h"

#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HOST_FILE         "/etc/resolv.conf"
#define HOST_FILE_SECONDS 5 // between looks at it

struct upstream_finder {
    struct node *node;
    const char *role;
    struct upstream_finder_config config;
    void (*changed)(void *state, const struct querier_server *servers, size_t count);
    void *state;
    char domain[DISCOVERY_DOMAIN_MAX + 1];
    struct locator *locator;
    struct resolver *resolver;
    struct kept_file *file;
    uv_timer_t timer;
    uv_timer_t watch;      // looks whether HOST_FILE changed, where it is used
    struct stat host_file; // as it was read last; all 0: it was not there
    bool behind;           // what it says now could not be taken over yet
    bool started;
    struct dns_watch dns;
};

// The domain of the host, as its resolver has it: "search" or "domain" in HOST_FILE, or what
// follows the first dot of its name. What a network says there need not be a domain.
static bool find_host_domain(char domain[DISCOVERY_DOMAIN_MAX + 1])
{
    struct __res_state resolver;
    memset(&resolver, 0, sizeof(resolver));
    if (res_ninit(&resolver) != 0)
        return false;
    const char *found = resolver.dnsrch[0] != NULL ? resolver.dnsrch[0] : "";
    size_t length = strlen(found);
    length -= length > 0 && found[length - 1] == '.';
    bool fits = length <= DISCOVERY_DOMAIN_MAX;
    if (fits) {
        memcpy(domain, found, length);
        domain[length] = '\0';
    }
    res_nclose(&resolver);
    return fits && dns_name_valid(domain);
}

// Telling

static void tell(const struct upstream_finder *finder)
{
    size_t count;
    const struct service_server *found = locator_servers(finder->locator, &count);
    struct querier_server servers[LOCATOR_SERVERS_MAX];
    for (size_t i = 0; i < count; i++)
        servers[i] = (struct querier_server){found[i].endpoint, found[i].priority};
    log_info(finder->role, "%zu query servers of %s to ask (%s)", count, finder->domain,
             locator_source_name(locator_source(finder->locator)));
    finder->changed(finder->state, servers, count);
}

static void keep(const struct upstream_finder *finder)
{
    size_t count;
    size_t length;
    const struct service_server *found = locator_servers(finder->locator, &count);
    uint8_t *text = upstream_store_encode(finder->domain, found, count, &length);
    kept_file_write_bytes(finder->file, text, length);
}

// Asking

static void on_timer(uv_timer_t *timer);

static void ask(struct upstream_finder *finder)
{
    struct dns_question question;
    struct instant now = node_now(finder->node);
    while (locator_next_question(finder->locator, now, &question))
        resolver_ask(finder->resolver, &question);
    deadline_arm(&finder->timer, now, locator_deadline(finder->locator), on_timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct upstream_finder *finder = timer->data;
    if (!finder->started && locator_source(finder->locator) == LOCATOR_REMEMBERED)
        tell(finder);
    finder->started = true;
    ask(finder);
}

static void on_answer(void *state, const struct dns_question *question,
                      const struct dns_answer *answer)
{
    struct upstream_finder *finder = state;
    dns_watch_note(&finder->dns, node_now(finder->node), question, answer->outcome);
    bool changed = locator_answer(finder->locator, node_now(finder->node), question, answer);
    if (changed)
        tell(finder);
    if (changed || kept_file_failed(finder->file))
        keep(finder);
    ask(finder);
}

// Opening

static bool find_domain(struct upstream_finder *finder, const char *configured, struct error *error)
{
    if (configured[0] != '\0')
        (void)snprintf(finder->domain, sizeof(finder->domain), "%s", configured);
    else if (!find_host_domain(finder->domain))
        return error_set(error, ERROR_INPUT, "no-domain",
                         "this host knows no domain of its own (\"search\" in /etc/resolv.conf); "
                         "name one with \"domain\", or the servers to ask with \"upstreams\"");
    return true;
}

static void remember(struct upstream_finder *finder)
{
    struct service_server servers[LOCATOR_SERVERS_MAX];
    size_t length = 0;
    uint8_t *text = kept_file_read(finder->file, UPSTREAM_STORE_BYTES_MAX, &length);
    if (text == NULL)
        return;
    size_t count =
        upstream_store_decode(text, length, finder->domain, servers, LOCATOR_SERVERS_MAX);
    memory_free(text);
    if (count > 0)
        locator_remember(finder->locator, servers, count);
}

static void open_file(struct upstream_finder *finder)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "upstreams-%s.json", finder->role);
    finder->file =
        kept_file_open(finder->node, finder->role, "the set of query servers found", name);
}

static struct resolver_config resolver_config(const struct upstream_finder *finder)
{
    bool validates = finder->config.dnssec == CONFIG_DNSSEC_REQUIRED;
    return (struct resolver_config){
        .trust_anchor = validates ? finder->config.trust_anchor : NULL,
        .servers = finder->config.dns,
        .of_system = true,
    };
}

static bool open_resolver(struct upstream_finder *finder, struct error *error)
{
    const struct resolver_config dns = resolver_config(finder);
    finder->resolver = resolver_open(finder->node, &dns, on_answer, finder, error);
    return finder->resolver != NULL;
}

static void open_locator(struct upstream_finder *finder)
{
    const struct locator_config core = {
        .domain = finder->domain,
        .asks_qscs = finder->config.asks_qscs,
        .take_unsigned = finder->config.dnssec == CONFIG_DNSSEC_OFF,
    };
    finder->locator = locator_new(&core, node_now(finder->node));
    remember(finder);
}

// The host's file

static bool uses_host_file(const struct upstream_finder *finder)
{
    return finder->config.domain[0] == '\0' || finder->config.dns->count == 0;
}

// Whether it is another one than when it was looked at last.
static bool host_file_changed(struct upstream_finder *finder)
{
    struct stat now;
    if (stat(HOST_FILE, &now) != 0)
        return false; // it is being replaced; what was in it holds
    const struct stat *before = &finder->host_file;
    bool same = now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
                now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
    finder->host_file = now;
    return !same;
}

// The host has come to another network, so other servers are looked for. Those known are asked
// until there are some.
static void change_domain(struct upstream_finder *finder, const char *domain)
{
    log_info(finder->role, "the domain of this host is %s now", domain);
    (void)snprintf(finder->domain, sizeof(finder->domain), "%s", domain);
    locator_free(finder->locator);
    open_locator(finder);
    finder->started = false; // those of an earlier time there are told
}

static void follow_host_file(struct upstream_finder *finder)
{
    char domain[sizeof(finder->domain)];
    struct error error;
    const struct resolver_config dns = resolver_config(finder);
    bool moved = finder->config.domain[0] == '\0' && find_host_domain(domain) &&
                 strcmp(domain, finder->domain) != 0;
    if (!resolver_reopen(finder->resolver, &dns, moved, &error)) {
        if (!finder->behind)
            log_warning(finder->role, "%s has changed and cannot be used yet: %s", HOST_FILE,
                        error.text);
        finder->behind = true;
        return;
    }
    finder->behind = false;
    log_info(finder->role, "%s has changed: DNS is asked as it says now", HOST_FILE);
    if (moved)
        change_domain(finder, domain);
    (void)uv_timer_start(&finder->timer, on_timer, 0, 0);
}

static void on_watch(uv_timer_t *timer)
{
    struct upstream_finder *finder = timer->data;
    if (host_file_changed(finder) || finder->behind)
        follow_host_file(finder);
}

static void start_timers(struct upstream_finder *finder)
{
    uint64_t every = HOST_FILE_SECONDS * UINT64_C(1000);
    (void)uv_timer_init(node_loop(finder->node), &finder->timer);
    (void)uv_timer_init(node_loop(finder->node), &finder->watch);
    finder->timer.data = finder;
    finder->watch.data = finder;
    // After privileges were dropped: libunbound's thread starts with the first question.
    (void)uv_timer_start(&finder->timer, on_timer, 0, 0);
    if (uses_host_file(finder))
        (void)uv_timer_start(&finder->watch, on_watch, every, every);
}

struct upstream_finder *upstream_finder_open(
    struct node *node, const struct upstream_finder_config *config,
    void (*changed)(void *state, const struct querier_server *servers, size_t count), void *state,
    struct error *error)
{
    struct upstream_finder *finder = memory_new(sizeof(*finder));
    finder->node = node;
    finder->role = config->role;
    finder->config = *config;
    finder->dns.part = config->role;
    finder->dns.takes_unsigned = config->dnssec == CONFIG_DNSSEC_OFF;
    finder->changed = changed;
    finder->state = state;
    (void)host_file_changed(finder); // before it is read
    if (!find_domain(finder, config->domain, error) || !open_resolver(finder, error)) {
        memory_free(finder);
        return NULL;
    }
    open_file(finder);
    open_locator(finder);
    start_timers(finder);
    return finder;
}

static void on_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct upstream_finder *finder = handle->data;
    uv_close((uv_handle_t *)&finder->timer, on_closed);
}

void upstream_finder_close(struct upstream_finder *finder)
{
    if (finder == NULL)
        return;
    resolver_close(finder->resolver);
    kept_file_close(finder->file);
    locator_free(finder->locator);
    finder->locator = NULL;
    (void)uv_timer_stop(&finder->timer);
    uv_close((uv_handle_t *)&finder->watch, on_watch_closed);
}

// Reports

bool upstream_finder_healthy(const struct upstream_finder *finder, char *why, size_t size)
{
    size_t count;
    (void)locator_servers(finder->locator, &count);
    if (count > 0)
        return true;
    (void)snprintf(why, size, "DNS names no query servers of %s; its last answer: %s",
                   finder->domain, dns_watch_last(&finder->dns));
    return false;
}

void upstream_finder_write_metrics(const struct upstream_finder *finder, struct metrics_page *page)
{
    const struct locator_counters *counters = locator_counters(finder->locator);
    static const char servers[] = "ivip_upstream_servers";
    char labels[64];
    size_t count;
    (void)locator_servers(finder->locator, &count);
    dns_watch_write(counters->answers, "ivip_upstream_answers_total",
                    "Answers of DNS about query servers to ask, by what validation made of them",
                    finder->role, page);
    metrics_describe(page, servers, "gauge", "Query servers to ask, by where they are known from");
    (void)snprintf(labels, sizeof(labels), "role=\"%s\",source=\"%s\"", finder->role,
                   locator_source_name(locator_source(finder->locator)));
    metrics_value(page, servers, labels, (double)count);
}

json_t *upstream_finder_status(const struct upstream_finder *finder)
{
    const struct locator_counters *counters = locator_counters(finder->locator);
    size_t count;
    (void)locator_servers(finder->locator, &count);
    return json_pack("{s:s, s:s, s:I, s:o}", "domain", finder->domain, "source",
                     locator_source_name(locator_source(finder->locator)), "servers",
                     (json_int_t)count, "answers", dns_watch_status(counters->answers));
}
