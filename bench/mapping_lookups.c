// SPDX-License-Identifier: BSD-2-Clause
// Lookups, ours and DPDK's in turns.
//
// Each slice of keys is looked up by both, now one first, now the other, so that whatever else the
// machine does hits both; a ratio is the median over the slices. The keys of a slice are brought
// into the cache before it, where the header of a received packet is.
//
// Both give a number, and DPDK's next hop for a micronet is our number for its ETR: so the sums of
// a slice must be equal, and equal to what the micronets were defined with.
#include "base/memory.h"
#include "mapping.h"

#include <endian.h>
#include <string.h>

#define SLICE  (1 << 14) // keys
#define SLICES 320
#define BATCH  64

// The ways to look a slice of the keys up. Each gives a sum of what was found, so that none is left
// out.

static inline uint32_t first_octets(const struct address *etr)
{
    uint32_t octets = 0;
    memcpy(&octets, etr->octets, sizeof(octets));
    return be32toh(octets);
}

static uint64_t number_single(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++) {
        struct etr_number etr;
        (void)database_etr_number(bench->database, &bench->addresses[i], &etr);
        sum += etr.number;
    }
    return sum;
}

static uint64_t number_batched(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    struct etr_number etrs[BATCH];
    for (size_t i = from; i < from + SLICE; i += BATCH) {
        database_etr_number_many(bench->database, bench->addresses + i, BATCH, etrs);
        for (size_t j = 0; j < BATCH; j++)
            sum += etrs[j].number;
    }
    return sum;
}

static uint64_t etr_single(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++) {
        struct address etr;
        (void)database_etr(bench->database, &bench->addresses[i], &etr);
        sum += first_octets(&etr);
    }
    return sum;
}

static uint64_t etr_batched(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    struct address etrs[BATCH];
    for (size_t i = from; i < from + SLICE; i += BATCH) {
        database_etr_many(bench->database, bench->addresses + i, BATCH, etrs);
        for (size_t j = 0; j < BATCH; j++)
            sum += first_octets(&etrs[j]);
    }
    return sum;
}

static uint64_t micronet_single(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++) {
        const struct address *address = &bench->addresses[i];
        struct micronet found;
        (void)mapping_lookup(database_find(bench->database, address), unit_of_address(address),
                             &found);
        sum += found.range.start.index + found.range.length.units + first_octets(&found.etr);
    }
    return sum;
}

static inline uint64_t dpdk_by(const struct bench *bench, size_t from, unsigned batch)
{
    uint64_t sum = 0;
    uint64_t hops[BATCH];
    for (size_t i = from; i < from + SLICE; i += batch) {
        if (bench->fib != NULL)
            dpdk_fib_lookup(bench->fib, bench->ipv4 + i, hops, batch);
        else
            dpdk_fib6_lookup(bench->fib6, bench->ipv6 + i, hops, batch);
        for (size_t j = 0; j < batch; j++)
            sum += hops[j];
    }
    return sum;
}

static uint64_t dpdk_single(const struct bench *bench, size_t from)
{
    return dpdk_by(bench, from, 1);
}

static uint64_t dpdk_batched(const struct bench *bench, size_t from)
{
    return dpdk_by(bench, from, BATCH);
}

typedef uint64_t look_up(const struct bench *bench, size_t from);

// What a way finds for one micronet, by how it was defined.
typedef uint64_t expect(const struct bench *bench, uint64_t unit);

static uint64_t expected_number(const struct bench *bench, uint64_t unit)
{
    struct address address = unit_address(bench->which->family, (struct unit){unit});
    const struct mapping *mapping = database_find(bench->database, &address);
    size_t mab = 0;
    while (database_at(bench->database, mab) != mapping)
        mab++;
    return bench->numbers[mab * ETRS + bench_etr(unit)];
}

static uint64_t expected_etr(const struct bench *bench, uint64_t unit)
{
    (void)bench;
    struct address etr = bench_etr_address(bench_etr(unit));
    return first_octets(&etr);
}

static uint64_t expected_micronet(const struct bench *bench, uint64_t unit)
{
    return unit + 1 + expected_etr(bench, unit);
}

static const struct way {
    const char *name;
    look_up *ours;
    look_up *dpdk;
    expect *expected;
} ways[] = {
    {"number, one at a time", number_single, dpdk_single, expected_number},
    {"number, 64 at a time", number_batched, dpdk_batched, expected_number},
    {"ETR, one at a time", etr_single, dpdk_single, expected_etr},
    {"ETR, 64 at a time", etr_batched, dpdk_batched, expected_etr},
    {"micronet, one at a time", micronet_single, dpdk_single, expected_micronet},
};

static uint64_t expected_sum(const struct bench *bench, expect *expected, size_t from)
{
    uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++)
        sum += expected(bench, unit_of_address(&bench->addresses[i]).index);
    return sum;
}

// Reads the keys of a slice in each of their forms.
static void touch_keys(const struct bench *bench, size_t from)
{
    volatile uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++)
        sum += bench->addresses[i].octets[0] + bench->ipv4[i] + bench->ipv6[i][0];
}

// Million lookups a second. The sum that was found must be the expected one.
static double measure(const struct bench *bench, look_up *look, size_t from, uint64_t expected)
{
    touch_keys(bench, from);
    double start = bench_seconds();
    uint64_t sum = look(bench, from);
    double rate = SLICE / (bench_seconds() - start) / 1e6;
    if (sum != expected)
        bench_stop("a lookup gave another ETR than its micronet was mapped to");
    return rate;
}

static void compare(struct bench *bench, const char *keys, const struct way *way, FILE *rates)
{
    double ours[SLICES];
    double dpdk[SLICES];
    double ratios[SLICES];
    bool both = bench->fib != NULL || bench->fib6 != NULL;
    uint64_t sums[2][LOOKUP_KEYS / SLICE];
    for (size_t i = 0; i < LOOKUP_KEYS / SLICE; i++) {
        sums[0][i] = expected_sum(bench, way->expected, i * SLICE);
        sums[1][i] = expected_sum(bench, expected_number, i * SLICE);
    }
    for (size_t i = 0; i < SLICES; i++) {
        size_t slice = i % (LOOKUP_KEYS / SLICE);
        for (size_t turn = 0; turn < 2; turn++) {
            if ((i + turn) % 2 == 0)
                ours[i] = measure(bench, way->ours, slice * SLICE, sums[0][slice]);
            else if (both)
                dpdk[i] = measure(bench, way->dpdk, slice * SLICE, sums[1][slice]);
        }
        ratios[i] = both ? ours[i] / dpdk[i] : 0;
    }
    (void)fprintf(rates, "| %s | %s | %s | %.1f |", bench->which->title, keys, way->name,
                  bench_median(ours, SLICES));
    if (!both) {
        (void)fprintf(rates, " | |\n");
        (void)printf(" |");
        return;
    }
    double ratio = bench_median(ratios, SLICES);
    (void)fprintf(rates, " %.1f | %.2f (%.2f to %.2f) |\n", bench_median(dpdk, SLICES), ratio,
                  ratios[SLICES / 10], ratios[SLICES - SLICES / 10]);
    (void)printf(" %.2f |", ratio);
}

static void make_keys(struct bench *bench, struct quick_random *random, bool zipf)
{
    const struct bench_case *which = bench->which;
    uint32_t *places = memory_new_array(LOOKUP_KEYS, sizeof(*places));
    if (zipf)
        keys_zipf(random, which->micronets, places, LOOKUP_KEYS);
    else
        keys_random(random, which->micronets, places, LOOKUP_KEYS);
    for (size_t i = 0; i < LOOKUP_KEYS; i++) {
        uint64_t unit = bench_unit(which, places[i]);
        bench->addresses[i] = unit_address(which->family, (struct unit){unit});
        bench->ipv4[i] = (uint32_t)unit;
        memcpy(bench->ipv6[i], bench->addresses[i].octets, 16);
    }
    memory_free(places);
}

void bench_lookups(struct bench *bench, struct quick_random *random, FILE *rates)
{
    bench->addresses = memory_new_array(LOOKUP_KEYS, sizeof(*bench->addresses));
    bench->ipv4 = memory_new_array(LOOKUP_KEYS, sizeof(*bench->ipv4));
    bench->ipv6 = memory_new_array(LOOKUP_KEYS, sizeof(*bench->ipv6));
    for (unsigned zipf = 0; zipf < 2; zipf++) {
        const char *keys = zipf ? "zipf" : "random";
        make_keys(bench, random, zipf);
        (void)printf("| %s | %s |", bench->which->title, keys);
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
            compare(bench, keys, &ways[i], rates);
        (void)printf("\n");
        (void)fflush(stdout);
    }
    memory_free(bench->addresses);
    memory_free(bench->ipv4);
    memory_free(bench->ipv6);
}
