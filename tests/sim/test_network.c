// SPDX-License-Identifier: BSD-2-Clause
// The simulated network does what its conditions say: without that, worlds would hold for want of
// trouble.
#include "../check.h"
#include "sim/engine/network.h"

#define NODES  3
#define TRIES  10000
#define OCTETS 100

struct bench {
    struct network *network;
    struct random_source random;
};

static struct bench bench_new(const struct path_conditions *conditions)
{
    struct bench bench = {.network = network_new(NODES)};
    random_init(&bench.random, random_seed_from_number(1));
    network_set_all(bench.network, conditions);
    return bench;
}

static size_t carry(struct bench *bench, uint64_t ms, size_t from, size_t to, size_t length,
                    struct instant arrivals[NETWORK_COPIES_MAX])
{
    struct instant now = {duration_ms(ms).ns};
    return network_carry(bench->network, &bench->random, now, from, to, length, arrivals);
}

// How many of TRIES datagrams arrive that often.
static size_t count_copies(struct bench *bench, size_t copies)
{
    struct instant arrivals[NETWORK_COPIES_MAX];
    size_t count = 0;
    for (uint64_t i = 0; i < TRIES; i++)
        count += carry(bench, i, 0, 1, OCTETS, arrivals) == copies;
    return count;
}

static void test_loss_and_copies_have_their_shares(void **state)
{
    (void)state;
    struct bench lossy = bench_new(&(struct path_conditions){.loss = 200000});
    assert_in_range(count_copies(&lossy, 0), TRIES * 19 / 100, TRIES * 21 / 100);
    struct bench doubling = bench_new(&(struct path_conditions){.duplicated = 100000});
    assert_in_range(count_copies(&doubling, 2), TRIES * 9 / 100, TRIES * 11 / 100);
    struct bench calm = bench_new(&(struct path_conditions){.delay = duration_ms(1)});
    assert_int_equal(count_copies(&calm, 1), TRIES);
    network_free(lossy.network);
    network_free(doubling.network);
    network_free(calm.network);
}

static void test_jitter_reorders_within_its_bounds(void **state)
{
    (void)state;
    struct bench bench =
        bench_new(&(struct path_conditions){.delay = duration_ms(20), .jitter = duration_ms(10)});
    struct instant before = {0};
    size_t overtaken = 0;
    for (uint64_t ms = 0; ms < TRIES; ms++) {
        struct instant arrivals[NETWORK_COPIES_MAX];
        assert_int_equal(carry(&bench, ms, 0, 1, OCTETS, arrivals), 1);
        assert_in_range(arrivals[0].ns, duration_ms(ms + 20).ns, duration_ms(ms + 30).ns);
        overtaken += instant_before(arrivals[0], before);
        before = arrivals[0];
    }
    assert_true(overtaken > TRIES / 10);
    network_free(bench.network);
}

static void test_some_are_late_and_some_are_played_again(void **state)
{
    (void)state;
    struct bench bench = bench_new(&(struct path_conditions){.delayed = 50000,
                                                             .delayed_by = duration_s(3),
                                                             .replayed = 50000,
                                                             .replayed_by = duration_s(30)});
    uint64_t latest = 0;
    uint64_t replay = 0;
    for (uint64_t i = 0; i < TRIES; i++) {
        struct instant arrivals[NETWORK_COPIES_MAX];
        size_t count = carry(&bench, 0, 0, 1, OCTETS, arrivals);
        latest = arrivals[0].ns > latest ? arrivals[0].ns : latest;
        assert_in_range(count, 1, 2);
        if (count == 2) {
            assert_in_range(arrivals[1].ns, arrivals[0].ns, arrivals[0].ns + duration_s(30).ns);
            replay = arrivals[1].ns > replay ? arrivals[1].ns : replay;
        }
    }
    assert_in_range(latest, duration_ms(2500).ns, duration_s(3).ns);
    assert_in_range(replay, duration_s(25).ns, duration_s(33).ns);
    network_free(bench.network);
}

// A hundred datagrams at once where ten a second pass: each a tenth of a second behind the one
// before, and what finds more than a second queued is lost.
static void test_a_rate_queues_and_drops(void **state)
{
    (void)state;
    struct bench bench = bench_new(&(struct path_conditions){.rate = 10 * OCTETS});
    size_t passed = 0;
    for (int i = 0; i < 100; i++) {
        struct instant arrivals[NETWORK_COPIES_MAX];
        if (carry(&bench, 0, 0, 1, OCTETS, arrivals) == 0)
            continue;
        passed++;
        assert_int_equal(arrivals[0].ns, duration_ms(passed * 100).ns);
    }
    assert_int_equal(passed, 11);
    network_free(bench.network);
}

static void test_cuts_and_conditions_are_of_one_direction(void **state)
{
    (void)state;
    struct instant arrivals[NETWORK_COPIES_MAX];
    struct bench bench = bench_new(&(struct path_conditions){0});
    network_cut(bench.network, 0, 1, true);
    assert_true(network_is_cut(bench.network, 0, 1) && !network_is_cut(bench.network, 1, 0));
    assert_int_equal(carry(&bench, 0, 0, 1, OCTETS, arrivals), 0);
    assert_int_equal(carry(&bench, 0, 1, 0, OCTETS, arrivals), 1);
    assert_int_equal(carry(&bench, 0, 0, 2, OCTETS, arrivals), 1);
    network_mend(bench.network);
    assert_int_equal(carry(&bench, 0, 0, 1, OCTETS, arrivals), 1);
    struct path_conditions far = {.delay = duration_ms(50)};
    network_set(bench.network, 0, 2, &far);
    assert_int_equal(carry(&bench, 0, 0, 2, OCTETS, arrivals), 1);
    assert_int_equal(arrivals[0].ns, far.delay.ns);
    assert_int_equal(carry(&bench, 0, 2, 0, OCTETS, arrivals), 1);
    assert_int_equal(arrivals[0].ns, 0);
    network_free(bench.network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_and_copies_have_their_shares),
        cmocka_unit_test(test_jitter_reorders_within_its_bounds),
        cmocka_unit_test(test_some_are_late_and_some_are_played_again),
        cmocka_unit_test(test_a_rate_queues_and_drops),
        cmocka_unit_test(test_cuts_and_conditions_are_of_one_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
