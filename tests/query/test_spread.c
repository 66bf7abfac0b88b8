// SPDX-License-Identifier: BSD-2-Clause
// Queriers and three QSAs in virtual time: what the servers say of their load spreads the questions
// over them, without sending them to and fro. The cores are the real ones; only the load is the
// model's: what a server has to do, each querier's questions and work from elsewhere, over what it
// can do, smoothed as the node does it.
#include "query/qsa.h"
#include "query/querier.h"
#include "wire_tap.h"

#define SERVERS    3
#define QUERIERS   40
#define STEP_MS    10
#define CAPACITY   20.0 // questions a server can answer in a step
#define DEMAND     30   // that all queriers ask in a step
#define SAMPLE     10   // steps to a sample of the load
#define MAB        "20.0.0.0/14"
#define SECOND     (1000 / STEP_MS)
#define SETTLE_S   40 // until all shares have come to rest
#define MEASURED_S 20

struct server {
    struct endpoint endpoint;
    struct qsa *qsa;
    double elsewhere;                         // part of its capacity that other work takes
    double smoothed;                          // load
    unsigned asked;                           // since the last sample
    unsigned answered[SETTLE_S + MEASURED_S]; // in each second
};

struct world {
    struct mapping *mapping;
    struct server servers[SERVERS];
    struct querier *queriers[QUERIERS];
    struct endpoint addresses[QUERIERS];
    struct random_source random;
    struct instant now;
    unsigned steps; // of this run
};

static void open_server(struct world *world, size_t i)
{
    struct server *server = &world->servers[i];
    struct prefix mab = prefix_of(MAB);
    const struct qsa_config config = {.teller = {.queriers_max = 1000,
                                                 .unproven_max = 1000,
                                                 .told_max = 100000,
                                                 .told_per_querier_max = 10000},
                                      .caching_time = duration_s(2)};
    server->endpoint =
        (struct endpoint){address_from_ipv4(0xc0000201u + (uint32_t)i), 4746}; // 192.0.2.1 on
    server->qsa = qsa_new(&config, random_seed_from_number(10 + i), world->now);
    assert_true(qsa_mab_add(server->qsa, &mab, NULL));
    qsa_mab_reloaded(server->qsa, world->now, &mab, world->mapping, 1);
    qsa_mab_ready(server->qsa, &mab);
    qsa_set_complete(server->qsa, true);
}

static struct world start(bool measured)
{
    struct world world = {.now = at_ms(0)};
    struct prefix mab = prefix_of(MAB);
    struct update update = {
        UPDATE_DEFINE, range_of("20.0.0.0+262144"), address_of("198.18.3.1"), {0}};
    world.mapping = mapping_new(&mab, NULL);
    assert_true(mapping_apply(world.mapping, &update, 1, NULL, NULL));
    random_init(&world.random, random_seed_from_number(1));
    struct querier_config config = {.open_max = 1000, .cached_max = 10};
    struct querier_server servers[SERVERS] = {0};
    for (size_t i = 0; i < SERVERS; i++) {
        open_server(&world, i);
        servers[i].endpoint = world.servers[i].endpoint;
        config.upstreams[i] = servers[i].endpoint;
    }
    config.upstream_count = measured ? 0 : SERVERS;
    for (size_t i = 0; i < QUERIERS; i++) {
        world.addresses[i] = (struct endpoint){address_from_ipv4(0xc6336401u + (uint32_t)i), 4746};
        world.queriers[i] = querier_new(&config, random_seed_from_number(100 + i), world.now);
        if (measured)
            querier_set_group(world.queriers[i], world.now, 0, servers, SERVERS);
    }
    return world;
}

static void stop(struct world *world)
{
    for (size_t i = 0; i < QUERIERS; i++)
        querier_free(world->queriers[i]);
    for (size_t i = 0; i < SERVERS; i++)
        qsa_free(world->servers[i].qsa);
    mapping_free(world->mapping);
}

// Messages take no time.

static void carry_down(struct world *world, struct server *server)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint to;
    size_t length = 0;
    while ((length = qsa_next_output(server->qsa, world->now, &to, bytes)) > 0)
        for (size_t i = 0; i < QUERIERS; i++)
            if (endpoint_equal(&world->addresses[i], &to))
                querier_input(world->queriers[i], world->now, &server->endpoint, bytes, length);
}

static void carry_up(struct world *world, size_t querier)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint to;
    size_t length = 0;
    struct querier_event event;
    while ((length = querier_next_output(world->queriers[querier], world->now, &to, bytes)) > 0)
        for (size_t i = 0; i < SERVERS; i++) {
            struct server *server = &world->servers[i];
            if (!endpoint_equal(&server->endpoint, &to))
                continue;
            bool question = message_of(bytes, length).type == MESSAGE_MAP_REQUEST;
            server->asked += question;
            server->answered[world->steps / SECOND] += question;
            qsa_input(server->qsa, world->now, &world->addresses[querier], bytes, length);
            carry_down(world, server);
        }
    while (querier_next_event(world->queriers[querier], &event)) {
    }
}

static void sample_load(struct server *server)
{
    double load = (server->asked / (CAPACITY * SAMPLE) + server->elsewhere) * 255;
    server->smoothed += ((load < 255 ? load : 255) - server->smoothed) / 8;
    server->asked = 0;
    teller_set_load(qsa_teller(server->qsa), (uint8_t)(server->smoothed + 0.5));
}

static void run(struct world *world, unsigned seconds)
{
    for (size_t i = 0; i < SERVERS; i++)
        memset(world->servers[i].answered, 0, sizeof(world->servers[i].answered));
    for (world->steps = 0; world->steps < seconds * SECOND; world->steps++) {
        world->now = instant_add(world->now, duration_ms(STEP_MS));
        for (unsigned n = 0; n < DEMAND; n++) {
            size_t querier = (size_t)random_below(&world->random, QUERIERS);
            struct address question =
                address_from_ipv4(0x14000000u + (uint32_t)random_below(&world->random, 1u << 18));
            assert_true(querier_ask(world->queriers[querier], world->now, &question));
            carry_up(world, querier);
        }
        for (size_t i = 0; i < QUERIERS; i++) {
            if (instant_before(world->now, querier_next_deadline(world->queriers[i])))
                continue;
            querier_tick(world->queriers[i], world->now);
            carry_up(world, i);
        }
        for (size_t i = 0; i < SERVERS; i++) {
            qsa_tick(world->servers[i].qsa, world->now);
            if (world->steps % SAMPLE == 0)
                sample_load(&world->servers[i]);
        }
    }
}

// The part of all questions that went to a server in the last MEASURED_S seconds.
static double part_of(const struct world *world, size_t server)
{
    double count = 0;
    for (unsigned i = SETTLE_S; i < SETTLE_S + MEASURED_S; i++)
        count += world->servers[server].answered[i];
    return count / (DEMAND * SECOND * MEASURED_S);
}

// No second of these may differ much from the others: nothing swings.
static void assert_steady(const struct world *world)
{
    for (size_t n = 0; n < SERVERS; n++) {
        double mean = part_of(world, n) * DEMAND * SECOND;
        for (unsigned i = SETTLE_S; i < SETTLE_S + MEASURED_S; i++) {
            double count = world->servers[n].answered[i];
            if (count < mean * 0.8 - 50 || count > mean * 1.2 + 50)
                fail_msg("server %zu: %.0f questions in second %u, %.0f on average", n, count, i,
                         mean);
        }
    }
}

static void assert_part(const struct world *world, size_t server, double least, double most)
{
    double part = part_of(world, server);
    if (part < least || part > most)
        fail_msg("server %zu got %.3f of all questions, not %.3f to %.3f", server, part, least,
                 most);
}

static void test_equal_servers_share(void **state)
{
    (void)state;
    struct world world = start(true);
    run(&world, SETTLE_S + MEASURED_S);
    for (size_t i = 0; i < SERVERS; i++)
        assert_part(&world, i, 0.30, 0.37);
    assert_steady(&world);
    stop(&world);
}

// One has other work to do: it is asked less, until it is loaded no more than it can bear; the
// others share the rest. When the work is done it is asked as before.
static void test_loaded_one_is_relieved(void **state)
{
    (void)state;
    struct world world = start(true);
    run(&world, SETTLE_S + MEASURED_S);
    world.servers[1].elsewhere = 0.6;
    run(&world, SETTLE_S + MEASURED_S);
    assert_part(&world, 1, 0.02, 0.24);
    assert_true(world.servers[1].smoothed < QUERY_LOAD_SHED + 8);
    assert_true(part_of(&world, 0) / part_of(&world, 2) > 0.85);
    assert_true(part_of(&world, 0) / part_of(&world, 2) < 1.18);
    assert_steady(&world);
    world.servers[1].elsewhere = 0;
    run(&world, SETTLE_S + MEASURED_S);
    assert_part(&world, 1, 0.25, 0.37);
    assert_steady(&world);
    stop(&world);
}

// Work that fills it whole: all but what it takes to hear of its load goes elsewhere.
static void test_full_one_is_left(void **state)
{
    (void)state;
    struct world world = start(true);
    world.servers[0].elsewhere = 1;
    run(&world, SETTLE_S + MEASURED_S);
    assert_part(&world, 0, 0.005, 0.05);
    assert_steady(&world);
    world.servers[0].elsewhere = 0;
    run(&world, SETTLE_S + MEASURED_S);
    assert_part(&world, 0, 0.25, 0.37);
    stop(&world);
}

// All are loaded alike: none is better, and nothing swings.
static void test_all_are_loaded(void **state)
{
    (void)state;
    struct world world = start(true);
    for (size_t i = 0; i < SERVERS; i++)
        world.servers[i].elsewhere = 0.5;
    run(&world, SETTLE_S + MEASURED_S);
    for (size_t i = 0; i < SERVERS; i++)
        assert_part(&world, i, 0.2, 0.47);
    assert_steady(&world);
    stop(&world);
}

// Configured servers are asked in the order of preference, and the first is not asked more than it
// can bear.
static void test_preferred_one_overflows(void **state)
{
    (void)state;
    struct world world = start(false);
    run(&world, SETTLE_S + MEASURED_S); // 1.5 times what one can do
    assert_part(&world, 0, 0.3, 0.53);
    assert_true(part_of(&world, 0) > part_of(&world, 2));
    assert_true(world.servers[0].smoothed < QUERY_LOAD_SHED + 8);
    assert_steady(&world);
    stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_servers_share),
        cmocka_unit_test(test_loaded_one_is_relieved),
        cmocka_unit_test(test_full_one_is_left),
        cmocka_unit_test(test_all_are_loaded),
        cmocka_unit_test(test_preferred_one_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
