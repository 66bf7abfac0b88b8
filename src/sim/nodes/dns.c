// SPDX-License-Identifier: BSD-2-Clause
// The DNS of the world, and the shells of QSRs that find their QSAs through it, and of ITRs and
// QSCs that find their QSCs or QSRs, which do as the real ones (src/node/query/finder.c,
// upstream_finder.c).
//
//     zone -> primary -> secondaries, each at a time of its own -> resolver -> discovery -> QSR
//
// Every question goes to any of the secondaries. Answers are late or get lost; now and then DNS is
// silent altogether, or an attacker has his own answers in place of true ones, which validation
// then calls insecure or bogus.
#include "sim/checks/checks.h"

#include "base/memory.h"
#include "query/choice.h"

#include <assert.h>
#include <string.h>

#define TIMEOUT_MS      5000 // of the resolver
#define TRIES_OF_LOOKUP 3    // questions that the resolver asks for one of ours, at most
#define MILLION         1000000

struct lookup {
    struct list_node place;
    struct world *world;
    struct world_qsr *qsr;       // who asks: a QSR, or
    struct world_finder *finder; // an ITR or a QSC
    unsigned life;
    struct dns_question question;
    size_t version; // of the zone, as the server that was asked has it
    enum dns_outcome outcome;
};

static void free_lookup(struct lookup *lookup)
{
    list_remove(&lookup->place);
    memory_free(lookup);
}

void world_free_lookups(struct world *world)
{
    while (!list_empty(&world->dns.lookups))
        free_lookup(container_of(world->dns.lookups.next, struct lookup, place));
    zone_release(&world->dns.zone);
}

// The zone

struct transfer {
    struct list_node place;
    struct world *world;
    size_t secondary, version;
};

static void transferred(void *state, struct instant now)
{
    struct transfer *transfer = state;
    size_t *has = &transfer->world->dns.secondaries[transfer->secondary];
    (void)now;
    if (transfer->version > *has)
        *has = transfer->version;
    list_remove(&transfer->place);
    memory_free(transfer);
}

void world_publish_zone(struct world *world)
{
    struct world_dns *dns = &world->dns;
    struct random_source *random = engine_random(world->engine);
    engine_note(world->engine, "version %zu of the zone is published", dns->zone.version_count - 1);
    world->report.zones++;
    for (size_t i = 0; i < WORLD_SECONDARIES; i++) {
        struct transfer *transfer = memory_new(sizeof(*transfer));
        struct duration lag = {random_below(random, world->config.dns.lag.ns + 1)};
        transfer->world = world;
        transfer->secondary = i;
        transfer->version = dns->zone.version_count - 1;
        list_append(&dns->transfers, &transfer->place);
        engine_schedule(world->engine, instant_add(engine_now(world->engine), lag), transferred,
                        transfer);
    }
}

void world_dns_init(struct world *world)
{
    struct endpoint qsas[WORLD_SERVERS_MAX];
    size_t count = world_count(&world->config, WORLD_QSA);
    for (size_t i = 0; i < count; i++)
        qsas[i] = world_endpoint(i);
    zone_init(&world->dns.zone, qsas, count);
    for (size_t i = 0; i < world->config.node_count; i++) {
        enum world_role role = world->config.nodes[i].role;
        struct endpoint endpoint = world_endpoint(i);
        if (role == WORLD_QSR || role == WORLD_QSC)
            zone_add_caching_server(&world->dns.zone, &endpoint, role == WORLD_QSC);
    }
    list_init(&world->dns.lookups);
    list_init(&world->dns.transfers);
    world->dns.trouble = DNS_SECURE;
}

void world_free_transfers(struct world *world)
{
    struct list_node *node;
    while ((node = list_first(&world->dns.transfers)) != NULL) {
        list_remove(node);
        memory_free(container_of(node, struct transfer, place));
    }
}

// What was found

static void set_servers(struct world_qsr *qsr, struct instant now, uint32_t dsoc)
{
    struct querier_server servers[CHOICE_MEMBERS_MAX];
    size_t count;
    const struct service_server *found = discovery_servers(qsr->discovery, dsoc, &count);
    if (count > CHOICE_MEMBERS_MAX)
        count = CHOICE_MEMBERS_MAX;
    for (size_t i = 0; i < count; i++)
        servers[i] = (struct querier_server){found[i].endpoint, found[i].priority};
    qsr_set_group(qsr->qsr, now, dsoc, servers, count);
}

static void forget_mab(struct world_qsr *qsr, struct instant now, const struct prefix *mab)
{
    struct range units;
    if (mab_check(mab, &units, NULL))
        qsr_forget(qsr->qsr, now, &units);
}

static void set_pages(struct world_qsr *qsr)
{
    struct page_shelf *shelf = discovery_shelf(qsr->discovery);
    qsr_set_pages(qsr->qsr, shelf);
    world_pages_set(qsr->world, &qsr->pages, shelf);
    page_shelf_release(shelf);
}

static void take_events(struct world_qsr *qsr, struct instant now)
{
    struct discovery_event event;
    while (discovery_next_event(qsr->discovery, &event)) {
        switch (event.kind) {
        case DISCOVERY_MAB_ADDED:
        case DISCOVERY_MAB_REMOVED:
            forget_mab(qsr, now, &event.mab);
            break;
        case DISCOVERY_SERVERS:
            set_servers(qsr, now, event.dsoc);
            break;
        case DISCOVERY_VERSION:
            qsr_set_mabs(qsr->qsr, discovery_mabs(qsr->discovery));
            set_pages(qsr);
            qsr->world->report.versions++;
            world_check_version(qsr);
            break;
        }
    }
}

// Looking up

// What an attacker says in place of the truth: all is his.
static void forge(struct world *world, const struct dns_question *question,
                  struct zone_reply *reply)
{
    (void)zone_answer(&world->dns.zone, 0, question, reply); // an old version
    if (question->type == DNS_A) {
        struct endpoint victim = world_victim();
        reply->count = 1;
        reply->records[0] = (struct dns_record){reply->bytes[0], 4};
        memcpy(reply->bytes[0], victim.address.octets, 4);
    }
}

// Those that the finder found are asked from now on.
static void take_servers(struct world_finder *finder)
{
    struct querier_server servers[LOCATOR_SERVERS_MAX];
    struct endpoint endpoints[LOCATOR_SERVERS_MAX];
    struct world_list *list = world_list_of(finder->world, finder->node);
    size_t count = 0;
    const struct service_server *found = locator_servers(finder->locator, &count);
    for (size_t i = 0; i < count; i++) {
        servers[i] = (struct querier_server){found[i].endpoint, found[i].priority};
        endpoints[i] = found[i].endpoint;
    }
    if (list != NULL)
        world_list_set_servers(list, endpoints, count);
    if (finder->of_itr)
        world_itr_take_servers(container_of(finder, struct world_itr, finder), servers, count);
    else
        world_qsr_take_servers(container_of(finder, struct world_qsr, finder), servers, count);
}

// Hands an answer to who asked, if that is still the same process.
static void deliver(const struct lookup *lookup, const struct dns_answer *answer)
{
    struct world *world = lookup->world;
    if (lookup->qsr != NULL && lookup->qsr->discovery != NULL &&
        lookup->qsr->life == lookup->life) {
        struct world_qsr *qsr = lookup->qsr;
        world_note_dns(qsr, &lookup->question, answer, lookup->version);
        discovery_answer(qsr->discovery, engine_node_now(world->engine, qsr->node),
                         &lookup->question, answer);
        world_discover(qsr);
        engine_touched(world->engine, qsr->node);
    }
    struct world_finder *finder = lookup->finder;
    if (finder != NULL && finder->locator != NULL && finder->life == lookup->life) {
        struct instant now = engine_node_now(world->engine, finder->node);
        world_note_found(finder, &lookup->question, answer, lookup->version);
        if (locator_answer(finder->locator, now, &lookup->question, answer))
            take_servers(finder);
        world_find(finder);
        engine_touched(world->engine, finder->node);
    }
}

static void arrive(void *state, struct instant now)
{
    static struct zone_reply reply; // large; nothing in it outlives this call
    struct lookup *lookup = state;
    struct world *world = lookup->world;
    struct dns_answer answer = {.outcome = lookup->outcome,
                                .ttl = (uint32_t)(world->config.dns.ttl.ns / duration_s(1).ns)};
    (void)now;
    if (answer.outcome == DNS_SECURE)
        answer.outcome = zone_answer(&world->dns.zone, lookup->version, &lookup->question, &reply);
    else
        forge(world, &lookup->question, &reply);
    answer.count = reply.count;
    answer.records = reply.records;
    world->report.dns_answers++;
    world->report.dns_failures += answer.outcome > DNS_NOTHING;
    deliver(lookup, &answer);
    free_lookup(lookup);
}

static struct lookup *look_up(struct world *world, const struct dns_question *question,
                              unsigned life)
{
    struct random_source *random = engine_random(world->engine);
    struct lookup *lookup = memory_new(sizeof(*lookup));
    lookup->world = world;
    lookup->life = life;
    lookup->question = *question;
    lookup->version = world->dns.secondaries[random_below(random, WORLD_SECONDARIES)];
    lookup->outcome = world->dns.trouble;
    struct duration delay = {1 + random_below(random, world->config.dns.delay.ns + 1)};
    delay.ns *= 1 + random_below(random, TRIES_OF_LOOKUP);
    if (!world->quiet && random_below(random, MILLION) < world->config.dns.lost)
        lookup->outcome = DNS_FAILED;
    if (lookup->outcome == DNS_FAILED)
        delay = duration_ms(TIMEOUT_MS);
    list_append(&world->dns.lookups, &lookup->place);
    engine_schedule(world->engine, instant_add(engine_now(world->engine), delay), arrive, lookup);
    return lookup;
}

void world_discover(struct world_qsr *qsr)
{
    struct dns_question question;
    struct instant now = engine_node_now(qsr->world->engine, qsr->node);
    take_events(qsr, now);
    while (discovery_next_question(qsr->discovery, now, &question))
        look_up(qsr->world, &question, qsr->life)->qsr = qsr;
}

void world_discovery_start(struct world_qsr *qsr)
{
    struct world *world = qsr->world;
    struct instant now = engine_node_now(world->engine, qsr->node);
    qsr->discovery = discovery_new(ZONE_DOMAIN, world_fresh_seed(world), now);
    world_discover(qsr);
}

void world_discovery_stop(struct world_qsr *qsr)
{
    if (qsr->discovery == NULL)
        return;
    discovery_free(qsr->discovery);
    qsr->discovery = NULL;
}

// ITRs and QSCs

void world_find(struct world_finder *finder)
{
    struct dns_question question;
    if (finder->locator == NULL)
        return;
    struct instant now = engine_node_now(finder->world->engine, finder->node);
    while (locator_next_question(finder->locator, now, &question))
        look_up(finder->world, &question, finder->life)->finder = finder;
}

void world_finder_start(struct world_finder *finder, struct world *world, size_t node,
                        const char *name, bool of_itr)
{
    struct locator_config config = {.domain = ZONE_ISP, .asks_qscs = of_itr};
    finder->world = world;
    finder->node = node;
    finder->name = name;
    finder->of_itr = of_itr;
    finder->life++;
    memset(finder->named, 0, sizeof(finder->named));
    finder->locator = locator_new(&config, engine_node_now(world->engine, node));
    world_find(finder);
}

void world_finder_stop(struct world_finder *finder)
{
    locator_free(finder->locator);
    finder->locator = NULL;
}

struct instant world_finder_deadline(const struct world_finder *finder)
{
    return finder->locator == NULL ? INSTANT_NEVER : locator_deadline(finder->locator);
}
