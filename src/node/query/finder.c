// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/finder.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/deadline.h"
#include "node/query/dns_watch.h"
#include "node/query/query_report.h"
#include "node/query/resolver.h"
#include "node/query/zone_keeper.h"
#include "query/choice.h"
#include "query/discovery.h"

#include <stdio.h>

struct finder {
    struct node *node;
    struct qsr_threads *threads;
    const char *domain; // of the config
    struct discovery *discovery;
    bool listed;           // a version was told
    struct range *changed; // MABs that came or went, to be forgotten together
    size_t changed_count;
    struct resolver *resolver;
    struct zone_keeper *keeper;
    uv_timer_t timer;
    struct dns_watch dns;
};

// What was found

static void set_servers(struct finder *finder, uint32_t dsoc)
{
    struct querier_server servers[CHOICE_MEMBERS_MAX];
    size_t count;
    const struct service_server *found = discovery_servers(finder->discovery, dsoc, &count);
    if (count > CHOICE_MEMBERS_MAX)
        count = CHOICE_MEMBERS_MAX;
    for (size_t i = 0; i < count; i++)
        servers[i] = (struct querier_server){found[i].endpoint, found[i].priority};
    qsr_threads_set_group(finder->threads, dsoc, servers, count);
    const char *label = discovery_label(finder->discovery, dsoc);
    if (label != NULL)
        log_info("discovery", "%s.%s has %zu QSAs", label, finder->domain, count);
}

// To be forgotten when the version is told, all together.
static void note_mab(struct finder *finder, const struct prefix *mab)
{
    struct range units;
    if (!finder->listed || !mab_check(mab, &units, NULL))
        return; // before the first version nothing was said yet
    finder->changed =
        memory_resize(finder->changed, (finder->changed_count + 1) * sizeof(*finder->changed));
    finder->changed[finder->changed_count++] = units;
}

static void set_pages(struct finder *finder)
{
    struct page_shelf *shelf = discovery_shelf(finder->discovery);
    qsr_threads_set_pages(finder->threads, shelf);
    page_shelf_release(shelf);
}

static void take_version(struct finder *finder)
{
    const struct mab_table *mabs = discovery_mabs(finder->discovery);
    finder->listed = true; // from now on it is known what is outside all MABs
    // First the table: or a thread could ask the servers of before once more in between.
    qsr_threads_set_mabs(finder->threads, mabs);
    qsr_threads_forget(finder->threads, finder->changed, finder->changed_count);
    memory_free(finder->changed);
    finder->changed = NULL;
    finder->changed_count = 0;
    set_pages(finder);
    log_info("discovery", "%s lists %u MABs (page %s)", finder->domain, mab_table_count(mabs),
             discovery_page(finder->discovery));
}

// Passes on what the core found; true where there was anything.
static bool take_events(struct finder *finder)
{
    struct discovery_event event;
    bool any = false;
    for (; discovery_next_event(finder->discovery, &event); any = true) {
        switch (event.kind) {
        case DISCOVERY_MAB_ADDED:   // what was said of it when it was no MAB
        case DISCOVERY_MAB_REMOVED: // what its servers told
            note_mab(finder, &event.mab);
            break;
        case DISCOVERY_SERVERS:
            set_servers(finder, event.dsoc);
            break;
        case DISCOVERY_VERSION:
            take_version(finder);
            break;
        }
    }
    return any;
}

// Asking

static void on_timer(uv_timer_t *timer);

static void ask(struct finder *finder)
{
    struct dns_question question;
    struct instant now = node_now(finder->node);
    while (discovery_next_question(finder->discovery, now, &question))
        resolver_ask(finder->resolver, &question);
    deadline_arm(&finder->timer, now, discovery_deadline(finder->discovery), on_timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct finder *finder = timer->data;
    (void)take_events(finder); // of what was kept
    ask(finder);
}

static void on_answer(void *state, const struct dns_question *question,
                      const struct dns_answer *answer)
{
    struct finder *finder = state;
    dns_watch_note(&finder->dns, node_now(finder->node), question, answer->outcome);
    discovery_answer(finder->discovery, node_now(finder->node), question, answer);
    zone_keeper_note(finder->keeper, question, answer, take_events(finder));
    ask(finder);
}

struct finder *finder_open(struct node *node, const struct config_qsr *config,
                           struct qsr_threads *threads, struct error *error)
{
    struct finder *finder = memory_new(sizeof(*finder));
    finder->node = node;
    finder->threads = threads;
    finder->domain = config->domain;
    finder->dns.part = "discovery";
    const struct resolver_config dns = {.trust_anchor = config->trust_anchor,
                                        .servers = &config->dns};
    finder->resolver = resolver_open(node, &dns, on_answer, finder, error);
    if (finder->resolver == NULL) {
        memory_free(finder);
        return NULL;
    }
    finder->discovery = discovery_new(config->domain, node_seed(node), node_now(node));
    finder->keeper =
        zone_keeper_open(node, config->domain, config->trust_anchor, finder->discovery);
    (void)zone_keeper_restore(finder->keeper);
    (void)uv_timer_init(node_loop(node), &finder->timer);
    finder->timer.data = finder;
    // After privileges were dropped: libunbound's thread starts with the first question.
    (void)uv_timer_start(&finder->timer, on_timer, 0, 0);
    return finder;
}

static void on_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void finder_close(struct finder *finder)
{
    if (finder == NULL)
        return;
    resolver_close(finder->resolver);
    zone_keeper_close(finder->keeper);
    discovery_free(finder->discovery);
    memory_free(finder->changed);
    uv_close((uv_handle_t *)&finder->timer, on_closed);
}

// Reports

bool finder_healthy(const struct finder *finder, char *why, size_t size)
{
    if (discovery_page(finder->discovery)[0] != '\0')
        return true;
    (void)snprintf(why, size, "DNS has not told the MABs of %s yet; its last answer: %s",
                   finder->domain, dns_watch_last(&finder->dns));
    return false;
}

void finder_write_metrics(const struct finder *finder, struct metrics_page *page)
{
    const struct discovery_counters *counters = discovery_counters(finder->discovery);
    dns_watch_write(counters->answers, "ivip_discovery_answers_total",
                    "Answers of DNS, by what validation made of them", NULL, page);
    static const char versions[] = "ivip_discovery_versions_total";
    metrics_describe(page, versions, "counter",
                     "Versions of the set of MABs: taken over, refused for what they say, or with "
                     "damaged pages");
    metrics_value(page, versions, "how=\"taken\"", (double)counters->versions);
    metrics_value(page, versions, "how=\"refused\"", (double)counters->refused);
    metrics_value(page, versions, "how=\"damaged\"", (double)counters->damaged);
    metrics_gauge(page, "ivip_discovery_mabs", "MABs known",
                  (double)mab_table_count(discovery_mabs(finder->discovery)));
    metrics_gauge(page, "ivip_discovery_age_seconds",
                  "Time since DNS last confirmed the set of MABs, also before a restart; -1: never",
                  (double)zone_keeper_age_seconds(finder->keeper));
}

json_t *finder_status(const struct finder *finder)
{
    const struct discovery_counters *counters = discovery_counters(finder->discovery);
    json_t *dsocs = json_object();
    for (uint32_t i = 0; i < DISCOVERY_DSOCS_MAX; i++) {
        const char *label = discovery_label(finder->discovery, i);
        struct querier_upstream servers[CHOICE_MEMBERS_MAX];
        if (label == NULL)
            continue;
        size_t count = qsr_threads_group(finder->threads, i, servers);
        (void)json_object_set_new(dsocs, label,
                                  query_status_upstreams(servers, count, node_now(finder->node)));
    }
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:o, s:o}", "domain", finder->domain,
                     "page", discovery_page(finder->discovery), "kept",
                     zone_keeper_unconfirmed(finder->keeper), "age_seconds",
                     (json_int_t)zone_keeper_age_seconds(finder->keeper), "mabs",
                     (json_int_t)mab_table_count(discovery_mabs(finder->discovery)), "refused",
                     (json_int_t)counters->refused, "damaged", (json_int_t)counters->damaged,
                     "answers", dns_watch_status(counters->answers), "dsocs", dsocs);
}
