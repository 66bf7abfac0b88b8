// SPDX-License-Identifier: BSD-2-Clause
// Benchmark of the mapping engine, and of DPDK's forwarding tables on the same keys in the same
// run. Prints Markdown. `bench/run` builds and starts it; docs/performance.md explains the numbers.
//
//     mapping [CASE...]     cases: ipv4-1m ipv4-10m ipv4-100m ipv6-1m ipv6-10m; all without any
//
// Time is that of the thread on its processor, so that what else the machine does counts only as
// far as it takes caches away. Lookups are measured in short slices, in which the two engines take
// turns; a figure is that of the slice that one in ten was better than, so that slices during which
// the machine did something else do not decide. The keys of a slice are brought into the cache
// before it, where the header of a received packet is. The other figures are medians.
#include "base/memory.h"
#include "dpdk.h"
#include "keys.h"
#include "mapping/database.h"
#include "mapping/snapshot.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEYS           (1 << 19)
#define ROUNDS         5         // of updates and snapshots
#define SLICE          (1 << 14) // keys
#define SLICES         320
#define BATCH          64
#define ETRS           10000
#define UPDATES        (1 << 19)
#define UPDATE_SET     16
#define DPDK_MEGABYTES 20000

#define IPV4_BASE 0x14000000u         // 20.0.0.0
#define IPV6_BASE 0x20010db800000000u // 2001:db8::/36
#define IPV6_BITS 28

struct bench_case {
    const char *name;
    enum family family;
    uint32_t micronets; // of one unit each
    const char *mab;    // the first one; an IPv4 case goes on in the /8s behind it
    unsigned mabs;
    bool dpdk; // it can hold them
    unsigned tbl8;
};

static const struct bench_case cases[] = {
    {"ipv4-1m", FAMILY_IPV4, 1000000, "20.0.0.0/12", 1, true, 1 << 13},
    {"ipv4-10m", FAMILY_IPV4, 10000000, "20.0.0.0/8", 1, true, 1 << 16},
    {"ipv4-100m", FAMILY_IPV4, 100000000, "20.0.0.0/8", 6, false, 0},
    {"ipv6-1m", FAMILY_IPV6, 1000000, "2001:db8::/36", 1, true, 2200000},
    {"ipv6-10m", FAMILY_IPV6, 10000000, "2001:db8::/36", 1, true, 11200000},
};

// What one case works with.
struct bench {
    const struct bench_case *which;
    struct database *database;
    struct rte_fib *fib;
    struct rte_fib6 *fib6;
    struct address *addresses; // KEYS of them to look up
    uint32_t *ipv4;            // the same as DPDK takes them
    uint8_t (*ipv6)[16];
    double built; // updates a second while filling
};

static struct quick_random random_numbers = {0x9e3779b97f4a7c15};

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void stop(const char *what)
{
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static int compare_doubles(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return values[count / 2];
}

static uint64_t unit_at(const struct bench_case *which, uint32_t place)
{
    if (which->family == FAMILY_IPV4)
        return IPV4_BASE + place;
    // All over the MAB, each place another: an odd factor permutes modulo a power of two.
    uint32_t mask = (1u << IPV6_BITS) - 1;
    uint32_t mixed = (place * 2654435761u) & mask;
    mixed = ((mixed ^ mixed >> 14) * 0x9e3779b1u) & mask;
    return IPV6_BASE + mixed;
}

static uint32_t etr_number(uint64_t unit)
{
    return (uint32_t)((unit * 0x9e3779b97f4a7c15) >> 40) % ETRS;
}

static struct address etr_address(uint32_t number)
{
    return address_from_ipv4(0xc6120000 + number);
}

static struct update update_for(const struct bench_case *which, enum update_kind kind,
                                uint32_t place, uint32_t etr)
{
    return (struct update){.kind = kind,
                           .range = {which->family, {unit_at(which, place)}, {1}},
                           .etr = etr_address(etr)};
}

static struct mapping *mapping_for(const struct bench *bench, uint64_t unit)
{
    struct address address = unit_address(bench->which->family, (struct unit){unit});
    return database_find(bench->database, &address);
}

static void make_mabs(struct bench *bench)
{
    struct prefix mab;
    (void)prefix_parse(bench->which->mab, &mab, NULL);
    for (unsigned i = 0; i < bench->which->mabs; i++) {
        if (!database_put(bench->database, mapping_new(&mab, NULL), NULL))
            stop("a MAB does not fit");
        mab.address.octets[0]++;
    }
}

// Defines all micronets, in sets; of IPv6 in random order.
static void fill(struct bench *bench)
{
    const struct bench_case *which = bench->which;
    struct update set[UPDATE_SET];
    double used = 0;
    for (uint32_t done = 0; done < which->micronets; done += UPDATE_SET) {
        for (uint32_t i = 0; i < UPDATE_SET; i++) {
            uint64_t unit = unit_at(which, done + i);
            set[i] = update_for(which, UPDATE_DEFINE, done + i, etr_number(unit));
        }
        struct mapping *mapping = mapping_for(bench, set[0].range.start.index);
        struct error error;
        double start = seconds();
        if (!mapping_apply(mapping, set, UPDATE_SET, NULL, &error))
            stop(error.text);
        used += seconds() - start;
    }
    bench->built = which->micronets / used;
}

// Routes for all /40s, /48s and /56s of the MAB first: TRIE reserves tables for a route by how
// much longer it is than the one that covers it, and would hold a fifth of the /64s without.
static bool cover_fib6(struct rte_fib6 *fib, uint32_t *routes)
{
    for (unsigned length = 40; length < 64; length += 8)
        for (uint64_t i = 0; i < (uint64_t)1 << (length - (64 - IPV6_BITS)); i++, (*routes)++)
            if (!dpdk_fib6_add(fib, IPV6_BASE + (i << (64 - length)), (uint8_t)length, 0))
                return false;
    return true;
}

static void fill_dpdk(struct bench *bench)
{
    const struct bench_case *which = bench->which;
    bool ipv4 = which->family == FAMILY_IPV4;
    if (ipv4)
        bench->fib = dpdk_fib_new(which->micronets + 1, which->tbl8);
    else
        bench->fib6 = dpdk_fib6_new(which->micronets + (1 << 21), which->tbl8);
    uint32_t covering = 0;
    if ((bench->fib == NULL && bench->fib6 == NULL) ||
        (!ipv4 && !cover_fib6(bench->fib6, &covering))) {
        (void)printf("DPDK could not make a table for %s.\n\n", which->name);
        return;
    }
    for (uint32_t i = 0; i < which->micronets; i++) {
        uint64_t unit = unit_at(which, i);
        uint64_t hop = 1 + etr_number(unit);
        if (ipv4 ? dpdk_fib_add(bench->fib, (uint32_t)unit, hop)
                 : dpdk_fib6_add(bench->fib6, unit, 64, hop))
            continue;
        (void)printf("DPDK's table for %s was full after %u of %u routes.\n\n", which->name, i,
                     which->micronets);
        dpdk_fib_free(bench->fib);
        dpdk_fib6_free(bench->fib6);
        bench->fib = NULL;
        bench->fib6 = NULL;
        return;
    }
}

static void make_keys(struct bench *bench, bool zipf)
{
    const struct bench_case *which = bench->which;
    uint32_t *places = memory_new_array(KEYS, sizeof(*places));
    if (zipf)
        keys_zipf(&random_numbers, which->micronets, places, KEYS);
    else
        keys_random(&random_numbers, which->micronets, places, KEYS);
    for (size_t i = 0; i < KEYS; i++) {
        uint64_t unit = unit_at(which, places[i]);
        bench->addresses[i] = unit_address(which->family, (struct unit){unit});
        bench->ipv4[i] = (uint32_t)unit;
        memcpy(bench->ipv6[i], bench->addresses[i].octets, 16);
    }
    memory_free(places);
}

// The ways to look a slice of the keys up. Each gives a sum of what was found, so that none is left
// out.

static inline uint32_t number_of(const struct address *etr)
{
    uint32_t octets = 0;
    memcpy(&octets, etr->octets, sizeof(octets));
    return be32toh(octets);
}

static uint64_t ours_single(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++) {
        struct address etr;
        (void)database_etr(bench->database, &bench->addresses[i], &etr);
        sum += number_of(&etr);
    }
    return sum;
}

static uint64_t ours_batched(const struct bench *bench, size_t from)
{
    uint64_t sum = 0;
    struct address etrs[BATCH];
    for (size_t i = from; i < from + SLICE; i += BATCH) {
        database_etr_many(bench->database, bench->addresses + i, BATCH, etrs);
        for (size_t j = 0; j < BATCH; j++)
            sum += number_of(&etrs[j]);
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

// Reads the keys of a slice in each of their forms.
static void touch_keys(const struct bench *bench, size_t from)
{
    volatile uint64_t sum = 0;
    for (size_t i = from; i < from + SLICE; i++)
        sum += bench->addresses[i].octets[0] + bench->ipv4[i] + bench->ipv6[i][0];
}

// Million lookups a second.
static double measure(const struct bench *bench, look_up *look, size_t from, uint64_t *sum)
{
    touch_keys(bench, from);
    double start = seconds();
    *sum = look(bench, from);
    return SLICE / (seconds() - start) / 1e6;
}

// Prints the slice that one in ten was better than, and the median; gives the former.
static double print_rates(double rates[SLICES])
{
    qsort(rates, SLICES, sizeof(*rates), compare_doubles);
    (void)printf(" %.0f (%.0f) |", rates[SLICES - SLICES / 10], rates[SLICES / 2]);
    return rates[SLICES - SLICES / 10];
}

static void compare_lookups(struct bench *bench, const char *keys, look_up *ours, look_up *dpdk,
                            const char *way)
{
    double our_rates[SLICES];
    double dpdk_rates[SLICES];
    bool both = bench->fib != NULL || bench->fib6 != NULL;
    for (size_t i = 0; i < SLICES; i++) {
        size_t from = i * SLICE % KEYS;
        uint64_t our_sum = 0;
        uint64_t dpdk_sum = 0;
        our_rates[i] = measure(bench, ours, from, &our_sum);
        if (both)
            dpdk_rates[i] = measure(bench, dpdk, from, &dpdk_sum);
        // ETR i is DPDK's next hop i + 1.
        if (both && our_sum != dpdk_sum + SLICE * (uint64_t)(0xc6120000 - 1))
            stop("Ivip and DPDK found different ETRs");
    }
    (void)printf("| %s | %s | %s |", bench->which->name, keys, way);
    double ratio = print_rates(our_rates);
    if (both)
        (void)printf(" %.2f |\n", ratio / print_rates(dpdk_rates));
    else
        (void)printf(" does not hold them | |\n");
    (void)fflush(stdout);
}

static void bench_lookups(struct bench *bench)
{
    (void)printf("| case | keys | way | Ivip, M/s | DPDK, M/s | Ivip/DPDK |\n"
                 "|---|---|---|---|---|---|\n");
    for (unsigned zipf = 0; zipf < 2; zipf++) {
        const char *keys = zipf ? "zipf" : "random";
        make_keys(bench, zipf);
        compare_lookups(bench, keys, ours_single, dpdk_single, "one at a time");
        compare_lookups(bench, keys, ours_batched, dpdk_batched, "64 at a time");
    }
    (void)printf("\n");
}

// Million updates a second: random micronets of the first MAB to random ETRs, in sets.
static double bench_updates(struct bench *bench, size_t set)
{
    const struct bench_case *which = bench->which;
    struct mapping *mapping = database_at(bench->database, 0);
    uint64_t places = mapping_count(mapping);
    struct update *updates = memory_new_array(UPDATES, sizeof(*updates));
    double rates[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < UPDATES; i++)
            updates[i] =
                update_for(which, UPDATE_MAP, (uint32_t)quick_below(&random_numbers, places),
                           (uint32_t)quick_below(&random_numbers, ETRS));
        double start = seconds();
        for (size_t i = 0; i < UPDATES; i += set)
            if (!mapping_apply(mapping, updates + i, set, NULL, NULL))
                stop("an update was refused");
        rates[round] = UPDATES / (seconds() - start) / 1e6;
    }
    memory_free(updates);
    return median(rates, ROUNDS);
}

static void bench_snapshot(struct bench *bench)
{
    const struct mapping *mapping = database_at(bench->database, 0);
    uint8_t seed[32] = {1};
    struct secret_key key;
    key_from_seed(seed, &key);
    struct public_key public = key_public(&key);
    struct snapshot_info info = {.ruas = key_id(&public)};
    double writes[ROUNDS];
    double loads[ROUNDS];
    size_t length = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct snapshot_bytes snapshot;
        struct mapping *again = NULL;
        struct error error;
        double start = seconds();
        if (!snapshot_write(mapping, &info, &key, &snapshot, &error))
            stop(error.text);
        writes[round] = (double)info.micronets / (seconds() - start) / 1e6;
        start = seconds();
        if (!snapshot_read(snapshot.bytes, snapshot.length, &public, &info, &again, &error))
            stop(error.text);
        loads[round] = (double)info.micronets / (seconds() - start) / 1e6;
        length = snapshot.length;
        memory_free(snapshot.bytes);
        mapping_free(again);
    }
    (void)printf(" %.1f | %.1f | %.2f |\n", median(writes, ROUNDS), median(loads, ROUNDS),
                 (double)length / (double)mapping_count(mapping));
}

static void bench_rest(struct bench *bench)
{
    size_t memory = 0;
    uint64_t count = 0;
    for (size_t i = 0; i < database_count(bench->database); i++) {
        memory += mapping_memory(database_at(bench->database, i));
        count += mapping_count(database_at(bench->database, i));
    }
    (void)printf("| case | memory, B a micronet | define, M/s | map one by one, M/s | map in sets "
                 "of %d, M/s | snapshot write, M/s | snapshot load, M/s | snapshot, B a micronet "
                 "|\n|---|---|---|---|---|---|---|---|\n",
                 UPDATE_SET);
    (void)printf("| %s | %.2f | %.1f | %.1f | %.1f |", bench->which->name,
                 (double)memory / (double)count, bench->built / 1e6, bench_updates(bench, 1),
                 bench_updates(bench, UPDATE_SET));
    bench_snapshot(bench);
    (void)printf("\n");
    (void)fflush(stdout);
}

static void run(const struct bench_case *which)
{
    struct bench bench = {
        .which = which,
        .database = database_new(),
        .addresses = memory_new_array(KEYS, sizeof(struct address)),
        .ipv4 = memory_new_array(KEYS, sizeof(uint32_t)),
        .ipv6 = memory_new_array(KEYS, 16),
    };
    make_mabs(&bench);
    fill(&bench);
    if (which->dpdk)
        fill_dpdk(&bench);
    bench_lookups(&bench);
    dpdk_fib_free(bench.fib);
    dpdk_fib6_free(bench.fib6);
    bench_rest(&bench);
    database_free(bench.database);
    memory_free(bench.addresses);
    memory_free(bench.ipv4);
    memory_free(bench.ipv6);
}

int main(int count, char **names)
{
    if (!dpdk_start(DPDK_MEGABYTES))
        stop("DPDK does not start here");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool wanted = count < 2;
        for (int j = 1; j < count; j++)
            wanted = wanted || strcmp(names[j], cases[i].name) == 0;
        if (wanted)
            run(&cases[i]);
    }
    return 0;
}
