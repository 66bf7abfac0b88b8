// SPDX-License-Identifier: BSD-2-Clause
#include "query/discovery.h"

#include "base/memory.h"
#include "query/discovery_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct discovery *discovery_new(const char *domain, struct random_seed seed, struct instant now)
{
    struct discovery *discovery = memory_new(sizeof(*discovery));
    struct random_source random;
    assert(strlen(domain) < DOMAIN_TEXT_MAX);
    (void)snprintf(discovery->domain, sizeof(discovery->domain), "%s", domain);
    random_init(&random, seed);
    random_bytes(&random, discovery->key.bytes, sizeof(discovery->key.bytes));
    table_init(&discovery->labels);
    mab_index_init(&discovery->index, discovery->key);
    discovery->mabs = mab_table_new();
    discovery->root_due = now;
    return discovery;
}

void discovery_free(struct discovery *discovery)
{
    if (discovery == NULL)
        return;
    discovery_release_dsocs(discovery);
    table_release(&discovery->labels);
    mab_index_release(&discovery->index);
    mab_table_free(discovery->mabs);
    memory_free(discovery->entries.items);
    memory_free(discovery->refused);
    memory_free(discovery->changes);
    memory_free(discovery);
}

// The root

static void root_failed(struct discovery *discovery, struct instant now)
{
    discovery->failures++;
    discovery->gathering = false;
    discovery->root_due = instant_add(now, dns_back_off(discovery->failures));
}

static void root_done(struct discovery *discovery, struct instant now)
{
    discovery->failures = 0;
    discovery->gathering = false;
    discovery->counters.confirmed++;
    discovery->root_due = instant_add(now, dns_refresh(discovery->root_ttl));
}

// All pages are there.
static void finish(struct discovery *discovery, struct instant now)
{
    struct mab_entries entries;
    if (!mab_index_gather(&discovery->index, &discovery->wanted, &entries) ||
        !discovery_take_version(discovery, now, &entries)) {
        discovery->counters.refused++;
        root_failed(discovery, now);
        return;
    }
    root_done(discovery, now);
}

static void answer_root(struct discovery *discovery, struct instant now,
                        const struct dns_answer *answer)
{
    struct mab_root root;
    discovery->root_open = false;
    if (answer->outcome != DNS_SECURE || answer->count != 1 ||
        !mab_root_decode(answer->records[0].bytes, answer->records[0].length, &root)) {
        if (answer->outcome == DNS_SECURE)
            discovery->counters.damaged++;
        root_failed(discovery, now);
        return;
    }
    discovery->root_ttl = answer->ttl;
    discovery->wanted = root;
    if (strcmp(root.page, discovery->current.page) == 0) {
        root_done(discovery, now);
        return;
    }
    discovery->gathering = true;
    mab_index_begin(&discovery->index, &root);
    if (mab_index_idle(&discovery->index))
        finish(discovery, now);
}

static void answer_page(struct discovery *discovery, struct instant now, const char *name,
                        const struct dns_answer *answer)
{
    char page[MAB_PAGE_NAME_TEXT_MAX];
    memcpy(page, name, MAB_PAGE_NAME_CHARACTERS);
    page[MAB_PAGE_NAME_CHARACTERS] = '\0';
    bool good = answer->outcome == DNS_SECURE && answer->count == 1;
    if (!good) {
        mab_index_give_up(&discovery->index, page);
    } else if (!mab_index_take(&discovery->index, page, answer->records[0].bytes,
                               answer->records[0].length)) {
        discovery->counters.damaged++;
        good = false;
    }
    if (!discovery->gathering)
        return;
    if (!good)
        root_failed(discovery, now);
    else if (mab_index_idle(&discovery->index))
        finish(discovery, now);
}

// Questions

static void root_question(const struct discovery *discovery, struct dns_question *question)
{
    *question = (struct dns_question){.type = DNS_TXT};
    (void)snprintf(question->name, sizeof(question->name), "%s.%s", MAB_PAGE_LABEL,
                   discovery->domain);
}

static void page_question(const struct discovery *discovery, const char *page,
                          struct dns_question *question)
{
    *question = (struct dns_question){.type = DNS_TXT};
    (void)snprintf(question->name, sizeof(question->name), "%s.%s.%s", page, MAB_PAGE_LABEL,
                   discovery->domain);
}

static bool ask_root(struct discovery *discovery, struct instant now, struct dns_question *question)
{
    if (discovery->root_open || discovery->gathering || !mab_index_idle(&discovery->index) ||
        instant_before(now, discovery->root_due))
        return false;
    root_question(discovery, question);
    discovery->root_open = true;
    return true;
}

static bool ask_page(struct discovery *discovery, struct dns_question *question)
{
    char name[MAB_PAGE_NAME_TEXT_MAX];
    if (!mab_index_next(&discovery->index, name))
        return false;
    page_question(discovery, name, question);
    return true;
}

static bool ask_service(struct discovery *discovery, struct instant now,
                        struct dns_question *question)
{
    for (size_t i = 0; i < discovery->dsocs_end; i++) {
        struct dsoc *dsoc = discovery->dsocs[i];
        if (dsoc == NULL || !service_next_question(dsoc->service, now, question))
            continue;
        question->owner = (uint32_t)i;
        question->of_service = true;
        return true;
    }
    return false;
}

bool discovery_next_question(struct discovery *discovery, struct instant now,
                             struct dns_question *question)
{
    if (discovery->open >= DISCOVERY_OPEN_MAX)
        return false;
    if (!ask_root(discovery, now, question) && !ask_page(discovery, question) &&
        !ask_service(discovery, now, question))
        return false;
    discovery->open++;
    discovery->counters.asked++;
    return true;
}

static void answer_service(struct discovery *discovery, struct instant now,
                           const struct dns_question *question, const struct dns_answer *answer)
{
    // A DSOC may have gone meanwhile, and another have its number.
    struct dsoc *dsoc = discovery->dsocs[question->owner];
    if (dsoc != NULL && service_awaits(dsoc->service, question) &&
        service_answer(dsoc->service, now, answer))
        dsoc->changed = true;
}

void discovery_answer(struct discovery *discovery, struct instant now,
                      const struct dns_question *question, const struct dns_answer *answer)
{
    assert(discovery->open > 0 && answer->outcome < DNS_OUTCOMES);
    discovery->open--;
    discovery->counters.answers[answer->outcome]++;
    if (question->of_service)
        answer_service(discovery, now, question, answer);
    else if (strncmp(question->name, MAB_PAGE_LABEL ".", sizeof(MAB_PAGE_LABEL)) == 0)
        answer_root(discovery, now, answer);
    else
        answer_page(discovery, now, question->name, answer);
}

struct instant discovery_deadline(const struct discovery *discovery)
{
    struct instant deadline = INSTANT_NEVER;
    if (discovery->open >= DISCOVERY_OPEN_MAX)
        return deadline;
    if (!discovery->root_open && !discovery->gathering && mab_index_idle(&discovery->index))
        deadline = discovery->root_due;
    for (size_t i = 0; i < discovery->dsocs_end; i++)
        if (discovery->dsocs[i] != NULL)
            deadline = instant_earlier(deadline, service_deadline(discovery->dsocs[i]->service));
    return deadline;
}

// What to keep

static bool next_used_of_dsocs(const struct discovery *discovery, struct discovery_place *place,
                               struct dns_question *question)
{
    for (; place->dsoc < discovery->dsocs_end; place->dsoc++, place->step = 0) {
        const struct dsoc *dsoc = discovery->dsocs[place->dsoc];
        if (dsoc != NULL && service_question(dsoc->service, place->step, question)) {
            place->step++;
            return true;
        }
    }
    return false;
}

bool discovery_next_used(const struct discovery *discovery, struct discovery_place *place,
                         struct dns_question *question)
{
    char page[MAB_PAGE_NAME_TEXT_MAX];
    if (!place->root_told) {
        place->root_told = true;
        root_question(discovery, question);
        return true;
    }
    if (!place->pages_told && mab_index_next_held(&discovery->index, &place->page, page)) {
        page_question(discovery, page, question);
        return true;
    }
    place->pages_told = true;
    return next_used_of_dsocs(discovery, place, question);
}

void discovery_ask_again(struct discovery *discovery, struct instant now)
{
    assert(discovery->open == 0);
    discovery->failures = 0;
    discovery->root_due = now;
    for (size_t i = 0; i < discovery->dsocs_end; i++)
        if (discovery->dsocs[i] != NULL)
            service_ask_again(discovery->dsocs[i]->service, now);
    discovery->counters = (struct discovery_counters){0};
}

// What it found

bool discovery_next_event(struct discovery *discovery, struct discovery_event *event)
{
    if (discovery->change_next < discovery->change_count) {
        *event = discovery->changes[discovery->change_next++];
        return true;
    }
    for (size_t i = 0; i < discovery->dsocs_end; i++) {
        struct dsoc *dsoc = discovery->dsocs[i];
        if (dsoc == NULL || !dsoc->changed)
            continue;
        dsoc->changed = false;
        *event = (struct discovery_event){.kind = DISCOVERY_SERVERS, .dsoc = (uint32_t)i};
        return true;
    }
    return false;
}

const struct mab_table *discovery_mabs(const struct discovery *discovery)
{
    return discovery->mabs;
}

const struct service_server *discovery_servers(const struct discovery *discovery, uint32_t dsoc,
                                               size_t *count)
{
    *count = 0;
    if (dsoc >= DISCOVERY_DSOCS_MAX || discovery->dsocs[dsoc] == NULL)
        return NULL;
    return service_servers(discovery->dsocs[dsoc]->service, count);
}

const char *discovery_label(const struct discovery *discovery, uint32_t dsoc)
{
    if (dsoc >= DISCOVERY_DSOCS_MAX || discovery->dsocs[dsoc] == NULL)
        return NULL;
    return discovery->dsocs[dsoc]->label;
}

const char *discovery_page(const struct discovery *discovery)
{
    return discovery->current.page;
}

struct page_shelf *discovery_shelf(struct discovery *discovery)
{
    return page_shelf_of_index(&discovery->index, &discovery->current);
}

const struct prefix *discovery_refused(const struct discovery *discovery, size_t *count)
{
    *count = discovery->refused_count;
    return discovery->refused;
}

const struct discovery_counters *discovery_counters(const struct discovery *discovery)
{
    return &discovery->counters;
}
