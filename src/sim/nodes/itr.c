// SPDX-License-Identifier: BSD-2-Clause
// The ITRs of the world: a querier and the forwarding core, put together as the shell of a real
// node does (src/node/tunnel/role_itr.c), and packets from the networks behind them.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define HOLD_PACKETS 64
#define HOLD_MS      2000
#define ETRS_MAX     64
#define PACKET_BYTES 60
#define PATH_MTU     1500
#define HOP_LIMIT    64

// What no ITR may tunnel to, though the RUAS allows it: a prefix that is refused, and the MAB of
// another RUAS, of which this one knows nothing (people.c maps to both now and then).
static const char refused_text[] = "198.18.9.0/24";
static const char foreign_text[] = "20.9.0.0/24";

static bool is_in(const char *text, const struct address *address)
{
    struct prefix prefix;
    return prefix_parse(text, &prefix, NULL) && prefix_contains(&prefix, address);
}

static bool contain(const struct prefix *prefixes, size_t count, const struct address *address)
{
    for (size_t i = 0; i < count; i++)
        if (prefix_contains(&prefixes[i], address))
            return true;
    return false;
}

bool world_itr_serves(const struct world_itr *itr, const struct address *address)
{
    const struct mab_set *set = mab_list_set(itr->list.list);
    if (itr->configured)
        return is_in(foreign_text, address) ||
               contain(itr->world->master.prefixes, MASTER_MABS, address);
    return contain(set->mabs, set->mab_count, address);
}

bool world_itr_has_mab(const struct world_itr *itr, const struct address *address)
{
    const struct mab_set *set = mab_list_set(itr->list.list);
    return contain(set->mabs, set->mab_count, address) || world_itr_serves(itr, address);
}

bool world_itr_refuses(const struct world_itr *itr, const struct address *address)
{
    const struct mab_set *set = mab_list_set(itr->list.list);
    return contain(set->refused, set->refused_count, address) ||
           (itr->configured && is_in(refused_text, address));
}

// Beliefs

static void believe(struct world_itr *itr, const struct querier_event *event)
{
    size_t mab = event->range.family == FAMILY_IPV6;
    struct engine *engine = itr->world->engine;
    const struct range *units = mapping_units(itr->world->master.mappings[mab]);
    uint64_t clock = engine_node_now(engine, itr->node).ns - engine_now(engine).ns;
    struct belief belief = {.known = event->kind == QUERIER_LEARNED, .etr = event->etr};
    belief.until.ns = event->expires.ns > clock ? event->expires.ns - clock : 0;
    if (belief.known) {
        belief.server = world_node_at(itr->world, &event->upstream);
        assert(belief.server != ENGINE_NOBODY);
        world_check_learned(itr, &event->range, &belief.etr, belief.until);
    }
    for (size_t i = 0; i < MASTER_UNITS; i++)
        if (range_contains_unit(&event->range, units->family,
                                (struct unit){units->start.index + i}))
            itr->beliefs[mab][i] = belief;
}

static void take_event(struct world_itr *itr, const struct querier_event *event)
{
    struct world *world = itr->world;
    struct instant now = engine_node_now(world->engine, itr->node);
    bool update = event->kind != QUERIER_FAILED && event->question.family == FAMILY_NONE;
    if (update && world->config.fault_for_test && world->report.cuts > 0)
        return;
    if (event->kind == QUERIER_FAILED) {
        world_check_failed_question(world, itr->name, &event->question);
        if (event->status == QUERY_NOT_IN_MAB) {
            world_check_not_in_mab(itr, event);
            mab_list_hurry(itr->list.list, now);
        }
        itr_failed(itr->itr, now, &event->question);
        return;
    }
    believe(itr, event);
    if (event->kind == QUERIER_FORGET)
        itr_forget(itr->itr, &event->range);
    else {
        assert(event->status != QUERY_NOT_IN_MAB); // an ITR knows the MABs
        struct address etr = event->status == QUERY_MAPPED ? event->etr : ADDRESS_ZERO;
        itr_learn(itr->itr, now, &event->range, &etr, event->expires);
    }
    if (!update && event->kind == QUERIER_LEARNED) {
        world->report.answered++;
        if (address_equal(&event->question, &itr->wanted))
            itr->last_answer = *event; // and not that to a renewal meanwhile
    }
}

// Packets

// A datagram with nothing in it, from outside of all MABs.
static uint32_t make_packet(const struct address *to, uint8_t bytes[PACKET_BYTES])
{
    static const uint8_t source4[4] = {198, 51, 100, 200};
    static const uint8_t source6[16] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1};
    memset(bytes, 0, PACKET_BYTES);
    if (to->family == FAMILY_IPV6) {
        bytes[0] = 0x60;
        store_u16(bytes + 4, PACKET_BYTES - IPV6_HEADER_BYTES);
        bytes[6] = PROTOCOL_DESTINATION_OPTIONS;
        bytes[7] = HOP_LIMIT;
        memcpy(bytes + 8, source6, sizeof(source6));
        memcpy(bytes + 24, to->octets, 16);
        return PACKET_BYTES;
    }
    bytes[0] = 0x45;
    store_u16(bytes + 2, PACKET_BYTES);
    bytes[8] = HOP_LIMIT;
    bytes[9] = PROTOCOL_UDP;
    memcpy(bytes + 12, source4, sizeof(source4));
    memcpy(bytes + 16, to->octets, 4);
    ipv4_finish_header(bytes, IPV4_HEADER_BYTES);
    return PACKET_BYTES;
}

// Where a packet that leaves says it is to go.
static struct address outer_destination(const struct piece *piece)
{
    struct address address = {.family = FAMILY_IPV4};
    assert(piece->header_length >= IPV4_HEADER_BYTES);
    if (piece->header[0] >> 4 == 6) {
        address.family = FAMILY_IPV6;
        memcpy(address.octets, piece->header + 24, 16);
    } else
        memcpy(address.octets, piece->header + 16, 4);
    return address;
}

static void forward(struct world_itr *itr, uint8_t *bytes, uint32_t length)
{
    static struct itr_result result; // large; nothing in it outlives this call
    struct instant now = engine_node_now(itr->world->engine, itr->node);
    struct offload offload = {0};
    struct packet packet;
    enum packet_fault fault = packet_parse(bytes, length, &packet);
    assert(fault == PACKET_OK);
    (void)fault;
    enum itr_verdict verdict = itr_input(itr->itr, now, bytes, length, &offload, &result);
    if (verdict == ITR_PATH) {
        struct address source = address_from_ipv4(0xc63364c8); // 198.51.100.200
        itr_set_path(itr->itr, now, &result.etr, PATH_MTU, &source);
        verdict = itr_input(itr->itr, now, bytes, length, &offload, &result);
    }
    if (verdict == ITR_PASS)
        world_check_passed(itr, &packet.destination);
    if (verdict != ITR_TUNNEL)
        return;
    struct piece piece;
    while (segmenter_next(&result.segments, &piece)) {
        struct address etr = outer_destination(&piece);
        itr->world->report.tunnelled++;
        itr->usage.tunnelled++;
        itr->usage.tunnelled_octets += packet.length;
        world_check_forwarding(itr, &packet.destination, &etr);
    }
}

// MABs, as the shell takes them over (src/node/tunnel/role_itr_upstreams.c)

// No MAB of others, and nothing that is refused there or here, may be tunnelled to.
static void set_refused(struct world_itr *itr, const struct mab_set *set)
{
    struct prefix *all = memory_new_array(set->refused_count + set->mab_count + 1, sizeof(*all));
    size_t count = 0;
    if (itr->configured)
        (void)prefix_parse(refused_text, &all[count++], NULL);
    for (size_t i = 0; i < set->refused_count; i++)
        all[count++] = set->refused[i];
    for (size_t i = 0; itr->configured && i < set->mab_count; i++)
        if (!contain(itr->world->master.prefixes, MASTER_MABS, &set->mabs[i].address))
            all[count++] = set->mabs[i];
    itr_set_refused(itr->itr, all, count);
    memory_free(all);
}

static void remove_mab(struct world_itr *itr, const struct prefix *mab)
{
    struct range units;
    (void)itr_remove_mab(itr->itr, mab);
    if (!mab_check(mab, &units, NULL))
        return;
    querier_forget_range(itr->querier, engine_node_now(itr->world->engine, itr->node), &units);
    itr_forget(itr->itr, &units);
}

static void take_version(struct world_itr *itr)
{
    const struct mab_set *set = mab_list_set(itr->list.list);
    const struct mab_set *before = mab_list_set_before(itr->list.list);
    const struct prefix *mab;
    bool good = true;
    set_refused(itr, set);
    if (itr->configured)
        return;
    for (size_t at = 0; (mab = mab_set_next_only(before, set, &at)) != NULL;)
        remove_mab(itr, mab);
    for (size_t at = 0; (mab = mab_set_next_only(set, before, &at)) != NULL;)
        good = good && itr_add_mab(itr->itr, mab, NULL);
    assert(good);
    (void)good;
}

// Passes things between the cores until nothing moves.
static void drive(struct world_itr *itr)
{
    static uint8_t bytes[PACKET_BYTES_MAX];
    struct instant now = engine_node_now(itr->world->engine, itr->node);
    for (bool moved = true; moved;) {
        struct querier_event event;
        struct offload offload;
        struct address address;
        uint32_t length;
        moved = false;
        for (; world_list_next_version(&itr->list); moved = true)
            take_version(itr);
        for (; querier_next_event(itr->querier, &event); moved = true)
            take_event(itr, &event);
        for (; itr_next_ready(itr->itr, bytes, &length, &offload); moved = true)
            forward(itr, bytes, length);
        for (; itr_next_question(itr->itr, &address); moved = true) {
            itr->world->report.questions++;
            if (querier_group_size(itr->querier, 0) == 0 ||
                !querier_ask(itr->querier, now, &address))
                itr_failed(itr->itr, now, &address);
        }
    }
}

void world_itr_packet(struct world_itr *itr, const struct address *address)
{
    uint8_t bytes[PACKET_BYTES];
    struct querier_event found;
    if (itr->querier == NULL)
        return;
    (void)querier_find(itr->querier, address, &found); // notes that it is in use
    itr->world->report.packets++;
    forward(itr, bytes, make_packet(address, bytes));
    drive(itr);
    engine_touched(itr->world->engine, itr->node);
}

bool world_itr_passes(struct world_itr *itr, const struct address *address)
{
    uint8_t bytes[PACKET_BYTES];
    uint64_t *passed = &itr->world->report.passed;
    uint64_t before = *passed;
    forward(itr, bytes, make_packet(address, bytes));
    bool passes = *passed > before;
    *passed = before;
    drive(itr);
    engine_touched(itr->world->engine, itr->node);
    return passes;
}

void world_itr_ask(struct world_itr *itr, const struct address *address)
{
    struct engine *engine = itr->world->engine;
    itr->world->report.questions++;
    itr->wanted = *address;
    if (querier_group_size(itr->querier, 0) > 0)
        (void)querier_ask(itr->querier, engine_node_now(engine, itr->node), address);
    engine_touched(engine, itr->node);
}

static void traffic(void *state, struct instant now)
{
    struct world_itr *itr = state;
    struct world *world = itr->world;
    struct random_source *random = &itr->traffic;
    if (world->quiet)
        return;
    struct address address = master_pick_address(&world->master, random);
    world_itr_packet(itr, &address);
    struct duration pause = {random_below(random, 2 * world->config.ask_every.ns)};
    engine_schedule(world->engine, instant_add(now, pause), traffic, itr);
}

void world_itr_begin_traffic(struct world_itr *itr)
{
    uint64_t number = itr->world->config.seed;
    for (const char *letter = itr->name; *letter != '\0'; letter++)
        number = number * 31 + (uint8_t)*letter;
    random_init(&itr->traffic, random_seed_from_number(number));
    if (itr->world->config.ask_every.ns > 0)
        traffic(itr, engine_now(itr->world->engine));
}

// Life

// An ITR whose MABs are in its config.
static void configure(struct world_itr *itr)
{
    struct world *world = itr->world;
    struct prefix foreign;
    bool good = prefix_parse(foreign_text, &foreign, NULL) && itr_add_mab(itr->itr, &foreign, NULL);
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        good = good && itr_add_mab(itr->itr, &world->master.prefixes[mab], NULL);
    assert(good);
    (void)good;
}

void world_itr_start(struct world_itr *itr)
{
    struct world *world = itr->world;
    struct querier_config config = itr->upstreams;
    struct itr_config forwarding = {.hold_packets = HOLD_PACKETS,
                                    .hold_time = duration_ms(HOLD_MS),
                                    .cached_max = world->config.cached_max,
                                    .etrs_max = ETRS_MAX,
                                    .usage = world_usage_start(itr)};
    struct instant now = engine_node_now(world->engine, itr->node);
    config.open_max = 100;
    config.cached_max = world->config.cached_max;
    memset(itr->beliefs, 0, sizeof(itr->beliefs));
    itr->querier = querier_new(&config, world_fresh_seed(world), now);
    querier_set_mabs_known(itr->querier, true);
    itr->itr = itr_new(&forwarding, world_fresh_seed(world), now);
    if (itr->configured)
        configure(itr);
    world_list_start(&itr->list, world, itr->node, itr->name, &itr->upstreams);
    set_refused(itr, mab_list_set(itr->list.list));
    if (itr->discovers)
        world_finder_start(&itr->finder, world, itr->node, itr->name, true);
    engine_set_state(world->engine, itr->node, itr);
}

void world_itr_take_servers(struct world_itr *itr, const struct querier_server *servers,
                            size_t count)
{
    querier_set_group(itr->querier, engine_node_now(itr->world->engine, itr->node), 0, servers,
                      count);
    drive(itr);
}

void world_itr_stop(struct world_itr *itr)
{
    world_finder_stop(&itr->finder);
    world_list_stop(&itr->list);
    querier_free(itr->querier);
    itr_free(itr->itr);
    itr->querier = NULL;
    itr->itr = NULL;
    memset(itr->beliefs, 0, sizeof(itr->beliefs));
}

static void core_input(void *state, struct instant now, const struct endpoint *from,
                       const uint8_t *bytes, size_t length)
{
    struct world_itr *itr = state;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    bytes = world_as_heard(itr->world, itr->node, bytes, &length, buffer);
    if (!world_list_input(&itr->list, now, from, bytes, length))
        querier_input(itr->querier, now, from, bytes, length);
    drive(itr);
}

static size_t core_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    struct world_itr *itr = state;
    size_t length = querier_next_output(itr->querier, now, to, buffer);
    return length > 0 ? length : world_list_output(&itr->list, now, to, buffer);
}

static struct instant core_deadline(const void *state)
{
    const struct world_itr *itr = state;
    struct instant deadline =
        instant_earlier(querier_next_deadline(itr->querier), itr_next_deadline(itr->itr));
    deadline = instant_earlier(deadline, world_list_deadline(&itr->list));
    return instant_earlier(deadline, world_finder_deadline(&itr->finder));
}

static void core_tick(void *state, struct instant now)
{
    struct world_itr *itr = state;
    itr_tick(itr->itr, now);
    querier_tick(itr->querier, now);
    world_list_tick(&itr->list, now);
    world_find(&itr->finder);
    drive(itr);
}

const struct engine_core world_itr_core = {core_input, core_output, core_deadline, core_tick};
