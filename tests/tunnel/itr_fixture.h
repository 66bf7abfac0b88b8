// SPDX-License-Identifier: BSD-2-Clause
// An ITR, and a hand that sends packets through it and answers what it asks.
#ifndef IVIP_TESTS_TUNNEL_ITR_FIXTURE_H
#define IVIP_TESTS_TUNNEL_ITR_FIXTURE_H
#include "../check.h"
#include "packets.h"
#include "tunnel/itr.h"

#include <stdlib.h>

static const struct instant start = {UINT64_C(1000000000)};

struct bench {
    struct itr *itr;
    struct instant now;
    struct itr_result result;
    uint8_t bytes[PACKET_BYTES_MAX];
};

static inline struct range range_of(const char *text)
{
    struct range range;
    assert_true(range_parse(text, &range, NULL));
    return range;
}

static inline void begin(struct bench *bench, enum itr_unmapped unmapped, bool ask_second)
{
    struct itr_config config = {.hold_packets = 64,
                                .hold_time = duration_s(2),
                                .unmapped = unmapped,
                                .fallback = address_of("198.18.9.1"),
                                .pass_mtu = 1500,
                                .ask_second = ask_second,
                                .cached_max = 4,
                                .etrs_max = 4,
                                .usage_max = 4};
    itr_free(bench->itr);
    bench->now = start;
    bench->itr = itr_new(&config, random_seed_from_number(7), start);
    struct prefix mab;
    assert_true(prefix_parse("20.0.0.0/14", &mab, NULL));
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
    assert_true(prefix_parse("2001:db8::/32", &mab, NULL));
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
}

static inline int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    begin(bench, ITR_UNMAPPED_HOLD, false);
    *state = bench;
    return 0;
}

static inline int tear_down(void **state)
{
    struct bench *bench = *state;
    itr_free(bench->itr);
    free(bench);
    return 0;
}

static inline void pass_time(struct bench *bench, struct duration time)
{
    bench->now = instant_add(bench->now, time);
    itr_tick(bench->itr, bench->now);
}

// Inputs what lies in bench->bytes, with a path of 1500 where one is wanted.
static inline enum itr_verdict input(struct bench *bench, uint32_t length)
{
    struct offload offload = {0};
    struct address ours = address_of("192.0.2.1");
    enum itr_verdict verdict =
        itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result);
    if (verdict != ITR_PATH)
        return verdict;
    itr_set_path(bench->itr, bench->now, &bench->result.etr, 1500, &ours);
    return itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result);
}

static inline enum itr_verdict send(struct bench *bench, const char *destination, uint8_t mark)
{
    struct address to = address_of(destination);
    struct address from = address_of(to.family == FAMILY_IPV6 ? "3fff:1::7" : "198.18.1.7");
    return input(bench, make_packet(bench->bytes, &from, &to, 100, true, mark));
}

static inline void learn(struct bench *bench, const char *range, const char *etr, uint64_t seconds)
{
    struct range what = range_of(range);
    struct address where = etr == NULL ? ADDRESS_ZERO : address_of(etr);
    itr_learn(bench->itr, bench->now, &what, &where, instant_add(bench->now, duration_s(seconds)));
}

// The mark of the next held packet that became ready, or -1.
static inline int next_ready(struct bench *bench)
{
    uint32_t length;
    struct offload offload;
    if (!itr_next_ready(bench->itr, bench->bytes, &length, &offload))
        return -1;
    return bench->bytes[length - 1];
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
