// SPDX-License-Identifier: BSD-2-Clause
// What ITRs report of the traffic of micronets: counters that outlive the process, a spool on the
// ITR's disk, and the ledger of the RUAS; the shells between the cores do as the real ones
// (src/node/tunnel/usage_reporter.c, src/node/authority/ruas_usage.c).
//
//     packets -> usage table -> reports -> spool --POST--> usage_accept -> ledger, each once
//                (memory)                    ^-- dropped when the RUAS said 200
#include "sim/world_state.h"

#include "authority/usage_accept.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define WATCH_MS      500
#define PERIOD_MS     10000
#define TIMEOUT_MS    30000
#define RETRY_S_MAX   60
#define LIMIT_SMALL   6  // micronets that are counted apart, in a world short of memory
#define LIMIT         96 // and in others
#define LOSS_WITH_TCP 3
#define MILLION       1000000
#define OWNER         1

// A report under way to the RUAS, or the answer under way back.
struct post {
    struct list_node place;
    struct world_itr *itr;
    unsigned life;
    uint64_t number;
    bool taken;
    size_t length;
    uint8_t bytes[];
};

static size_t limit_of(const struct world *world)
{
    return world->config.told_max < MASTER_UNITS ? LIMIT_SMALL : LIMIT;
}

// The ITR's disk

static void keep(struct world_usage *usage, const struct usage_report *report)
{
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    struct world_report_kept kept = {.number = report->number};
    kept.length = usage_report_write(report, &usage->key, bytes);
    kept.bytes = memory_copy(bytes, kept.length);
    kept.packets = report->other_packets;
    kept.octets = report->other_octets;
    for (size_t i = 0; i < report->count; i++) {
        kept.packets += report->records[i].packets;
        kept.octets += report->records[i].octets;
    }
    size_t size = (usage->kept_count + 1) * sizeof(kept);
    usage->kept = memory_resize(usage->kept, size);
    usage->kept[usage->kept_count++] = kept;
}

static void drop(struct world_usage *usage, size_t i)
{
    memory_free(usage->kept[i].bytes);
    memmove(&usage->kept[i], &usage->kept[i + 1],
            (usage->kept_count - i - 1) * sizeof(usage->kept[0]));
    usage->kept_count--;
}

// What was counted in the closed period becomes durable or nothing does; then it is dropped, unless
// the process is killed before that.
static void keep_closed(struct world_itr *itr)
{
    static struct usage_report report; // large
    struct world *world = itr->world;
    struct world_usage *usage = &itr->usage;
    uint64_t period = usage_memory_closed(usage->memory);
    size_t place = 0;
    size_t made = 0;
    if (usage->disk_full)
        return;
    while (usage_collector_report(&usage->collector, usage->memory, &place, usage->next_number,
                                  &report)) {
        keep(usage, &report);
        usage->next_number++;
        made++;
    }
    world->report.reports += made;
    if (made > 0)
        usage->reported = period;
    if (made > 0 && usage->kill_plan != NULL) {
        struct world_plan *plan = usage->kill_plan;
        usage->kill_plan = NULL;
        engine_note(world->engine, "%s is killed while it stores", itr->name);
        world_crash(world, itr->node);
        world_end_later(plan);
        return;
    }
    usage_memory_drop_closed(usage->memory);
}

// A period that ends is closed; its reports are kept with the next watch, as if by a worker that
// takes so long, and packets are counted meanwhile.
static void keep_or_close(struct world_itr *itr)
{
    struct wall_time now = world_wall_time(itr->world);
    struct usage_table *table = itr_usage(itr->itr);
    if (usage_memory_closed(itr->usage.memory) > 0)
        keep_closed(itr);
    else if (usage_collector_due(&itr->usage.collector, table, now))
        (void)usage_close(table, now);
}

// The way to the RUAS and back

static void free_post(struct post *post)
{
    list_remove(&post->place);
    memory_free(post);
}

void world_free_posts(struct world *world)
{
    while (!list_empty(&world->posts))
        free_post(container_of(world->posts.next, struct post, place));
}

static bool gets_through(struct world *world, const struct world_itr *itr)
{
    struct network *network = engine_network(world->engine);
    uint64_t loss = world->quiet ? 0 : world->config.paths.loss / LOSS_WITH_TCP;
    return random_below(engine_random(world->engine), MILLION) >= loss &&
           world->ruas.ruas != NULL && !network_is_cut(network, world->ruas.node, itr->node) &&
           !network_is_cut(network, itr->node, world->ruas.node);
}

static void answered(void *state, struct instant now)
{
    struct post *post = state;
    struct world_itr *itr = post->itr;
    struct world_usage *usage = &itr->usage;
    (void)now;
    if (itr->itr != NULL && usage->life == post->life) {
        usage->sending = false;
        if (post->taken && usage->kept_count > 0 && usage->kept[0].number == post->number) {
            drop(usage, 0);
            usage->wait_s = 1;
        } else {
            struct instant its_now = engine_now(itr->world->engine);
            usage->next_try = instant_add(its_now, duration_s(usage->wait_s));
            usage->wait_s = usage->wait_s * 2 < RETRY_S_MAX ? usage->wait_s * 2 : RETRY_S_MAX;
        }
    }
    free_post(post);
}

static bool is_in_ledger(const struct world *world, size_t itr, const struct usage_report *report)
{
    for (size_t i = 0; i < world->ledger.count; i++) {
        const struct world_ledger_line *line = &world->ledger.lines[i];
        if (line->itr == itr && line->boot == report->boot && line->number == report->number)
            return true;
    }
    return false;
}

bool world_ledger_take(struct world *world, const uint8_t *bytes, size_t length)
{
    static struct usage_report report;
    struct public_key itrs[WORLD_ITRS_MAX];
    for (size_t i = 0; i < world->itr_count; i++)
        itrs[i] = key_public(&world->itrs[i].usage.key);
    if (!usage_accept(itrs, world->itr_count, bytes, length, &report, NULL))
        return false;
    size_t itr = 0;
    while (!key_equal(&itrs[itr], &report.itr))
        itr++;
    if (is_in_ledger(world, itr, &report))
        return true;
    struct world_ledger *ledger = &world->ledger;
    struct world_ledger_line line = {.itr = itr,
                                     .boot = report.boot,
                                     .number = report.number,
                                     .packets = report.other_packets,
                                     .octets = report.other_octets};
    for (size_t i = 0; i < report.count; i++) {
        line.packets += report.records[i].packets;
        line.octets += report.records[i].octets;
    }
    ledger->lines = memory_resize(ledger->lines, (ledger->count + 1) * sizeof(line));
    ledger->lines[ledger->count++] = line;
    return true;
}

static void arrive(void *state, struct instant now)
{
    struct post *post = state;
    struct world *world = post->itr->world;
    struct duration back = duration_ms(TIMEOUT_MS);
    if (gets_through(world, post->itr)) {
        bool taken = world_ledger_take(world, post->bytes, post->length);
        if (!taken)
            world_fail(world, WORLD_CHECK_USAGE, "the RUAS refuses a report of %s",
                       post->itr->name);
        if (gets_through(world, post->itr)) { // the answer
            post->taken = taken;
            back = world->config.paths.delay;
        }
    }
    engine_schedule(world->engine, instant_add(now, back), answered, post);
}

static void send_next(struct world_itr *itr)
{
    struct world *world = itr->world;
    struct world_usage *usage = &itr->usage;
    struct instant now = engine_now(world->engine);
    if (usage->sending || usage->kept_count == 0 || !instant_reached(now, usage->next_try))
        return;
    const struct world_report_kept *first = &usage->kept[0];
    struct post *post = memory_new(sizeof(*post) + first->length);
    post->itr = itr;
    post->life = usage->life;
    post->number = first->number;
    post->length = first->length;
    memcpy(post->bytes, first->bytes, first->length);
    usage->sending = true;
    list_append(&world->posts, &post->place);
    if (world->heard_report == NULL) { // the attacker listens
        world->heard_report = memory_copy(first->bytes, first->length);
        world->heard_report_length = first->length;
    }
    engine_schedule(world->engine, instant_add(now, world->config.paths.delay), arrive, post);
}

// Life

static void watch(void *state, struct instant now)
{
    struct world_itr *itr = state;
    if (itr->itr != NULL)
        keep_or_close(itr);
    if (itr->itr != NULL)
        send_next(itr);
    engine_schedule(itr->world->engine, instant_add(now, duration_ms(WATCH_MS)), watch, itr);
}

void world_usage_begin(struct world_itr *itr)
{
    struct world *world = itr->world;
    struct world_usage *usage = &itr->usage;
    uint8_t seed[32];
    random_bytes(engine_random(world->engine), seed, sizeof(seed));
    key_from_seed(seed, &usage->key);
    usage->limit = limit_of(world);
    usage->bytes = memory_new(usage_memory_size(usage->limit));
    usage->memory =
        usage_memory_begin(usage->bytes, usage->limit, OWNER, 0, world_wall_time(world));
    usage->next_number = 1;
    engine_schedule(world->engine, engine_now(world->engine), watch, itr);
}

struct usage_memory *world_usage_start(struct world_itr *itr)
{
    struct world *world = itr->world;
    struct world_usage *usage = &itr->usage;
    size_t dropped = 0;
    struct error error = {0};
    usage->memory =
        usage_memory_resume(usage->bytes, usage_memory_size(usage->limit), usage->limit, OWNER,
                            usage->reported, world_wall_time(world), &dropped, &error);
    assert(usage->memory != NULL);
    if (dropped > 0)
        world_fail(world, WORLD_CHECK_USAGE, "%s drops %zu counters at its start", itr->name,
                   dropped);
    uint64_t boot = random_u64(engine_random(world->engine));
    usage->collector = (struct usage_collector){boot, duration_ms(PERIOD_MS)};
    usage->life++;
    usage->sending = false;
    usage->next_try = (struct instant){0};
    usage->wait_s = 1;
    return usage->memory;
}

void world_usage_end(struct world_itr *itr)
{
    struct world_usage *usage = &itr->usage;
    while (usage->kept_count > 0)
        drop(usage, usage->kept_count - 1);
    memory_free(usage->kept);
    memory_free(usage->bytes);
    key_wipe(&usage->key);
}
