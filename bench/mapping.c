// SPDX-License-Identifier: BSD-2-Clause
// Benchmark of the mapping engine, and of DPDK's forwarding tables on the same keys in the same
// run. Prints Markdown. `bench/run` builds and starts it; docs/performance.md explains the numbers.
//
//     mapping [CASE...]     cases: ipv4-1m ipv4-10m ipv4-100m ipv6-1m ipv6-10m; all without any
//
// It runs on one processor, the first that it may use. Time is that of the thread there, so that
// what else the machine does counts only as far as it takes caches away. Figures are medians.
#include "mapping.h"

#include "base/memory.h"
#include "mapping/snapshot.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS         5 // of updates and snapshots
#define UPDATES        (1 << 19)
#define UPDATE_SET     16
#define DPDK_MEGABYTES 20000

#define IPV4_BASE 0x14000000u         // 20.0.0.0
#define IPV6_BASE 0x20010db800000000u // 2001:db8::/36
#define IPV6_BITS 28
#define ETR_BASE  0xc6120000u // 198.18.0.0

static const struct bench_case cases[] = {
    {"ipv4-1m", "IPv4, 1 M", FAMILY_IPV4, 1000000, "20.0.0.0/12", 1, true, 1 << 13},
    {"ipv4-10m", "IPv4, 10 M", FAMILY_IPV4, 10000000, "20.0.0.0/8", 1, true, 1 << 16},
    {"ipv4-100m", "IPv4, 100 M", FAMILY_IPV4, 100000000, "20.0.0.0/8", 6, false, 0},
    {"ipv6-1m", "IPv6, 1 M", FAMILY_IPV6, 1000000, "2001:db8::/36", 1, true, 2200000},
    {"ipv6-10m", "IPv6, 10 M", FAMILY_IPV6, 10000000, "2001:db8::/36", 1, true, 11200000},
};

static struct quick_random random_numbers = {0x9e3779b97f4a7c15};

uint64_t bench_unit(const struct bench_case *which, uint32_t place)
{
    if (which->family == FAMILY_IPV4)
        return IPV4_BASE + place;
    // All over the MAB, each place another: an odd factor permutes modulo a power of two.
    uint32_t mask = (1u << IPV6_BITS) - 1;
    uint32_t mixed = (place * 2654435761u) & mask;
    mixed = ((mixed ^ mixed >> 14) * 0x9e3779b1u) & mask;
    return IPV6_BASE + mixed;
}

uint32_t bench_etr(uint64_t unit)
{
    return (uint32_t)((unit * 0x9e3779b97f4a7c15) >> 40) % ETRS;
}

struct address bench_etr_address(uint32_t etr)
{
    return address_from_ipv4(ETR_BASE + etr);
}

static struct update update_for(const struct bench_case *which, enum update_kind kind,
                                uint32_t place, uint32_t etr)
{
    return (struct update){.kind = kind,
                           .range = {which->family, {bench_unit(which, place)}, {1}},
                           .etr = bench_etr_address(etr)};
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
            bench_stop("a MAB does not fit");
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
            uint64_t unit = bench_unit(which, done + i);
            set[i] = update_for(which, UPDATE_DEFINE, done + i, bench_etr(unit));
        }
        struct mapping *mapping = mapping_for(bench, set[0].range.start.index);
        struct error error;
        double start = bench_seconds();
        if (!mapping_apply(mapping, set, UPDATE_SET, NULL, &error))
            bench_stop(error.text);
        used += bench_seconds() - start;
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

// Finds out which numbers the mappings gave to the ETRs.
static void read_numbers(struct bench *bench)
{
    size_t mabs = database_count(bench->database);
    bench->numbers = memory_new_array(mabs * ETRS, sizeof(*bench->numbers));
    for (size_t mab = 0; mab < mabs; mab++) {
        const struct mapping *mapping = database_at(bench->database, mab);
        for (uint32_t i = 0; i < ETRS; i++) {
            struct address etr = mapping_numbered_etr(mapping, MAPPING_NUMBER_FIRST + i);
            uint32_t which = address_to_ipv4(&etr) - ETR_BASE;
            if (which >= ETRS)
                bench_stop("not every ETR is in use in every MAB");
            bench->numbers[mab * ETRS + which] = MAPPING_NUMBER_FIRST + i;
        }
    }
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
        uint64_t unit = bench_unit(which, i);
        uint64_t hop = bench->numbers[bench_etr(unit)];
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
        double start = bench_seconds();
        for (size_t i = 0; i < UPDATES; i += set)
            if (!mapping_apply(mapping, updates + i, set, NULL, NULL))
                bench_stop("an update was refused");
        rates[round] = UPDATES / (bench_seconds() - start) / 1e6;
    }
    memory_free(updates);
    return bench_median(rates, ROUNDS);
}

static void bench_snapshot(struct bench *bench, FILE *rest)
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
        double start = bench_seconds();
        if (!snapshot_write(mapping, &info, &key, &snapshot, &error))
            bench_stop(error.text);
        writes[round] = (double)info.micronets / (bench_seconds() - start) / 1e6;
        start = bench_seconds();
        if (!snapshot_read(snapshot.bytes, snapshot.length, &public, &info, &again, &error))
            bench_stop(error.text);
        loads[round] = (double)info.micronets / (bench_seconds() - start) / 1e6;
        length = snapshot.length;
        memory_free(snapshot.bytes);
        mapping_free(again);
    }
    (void)fprintf(rest, " %.1f | %.1f | %.2f |\n", bench_median(writes, ROUNDS),
                  bench_median(loads, ROUNDS), (double)length / (double)mapping_count(mapping));
}

static void bench_rest(struct bench *bench, FILE *rest)
{
    size_t memory = 0;
    uint64_t count = 0;
    for (size_t i = 0; i < database_count(bench->database); i++) {
        memory += mapping_memory(database_at(bench->database, i));
        count += mapping_count(database_at(bench->database, i));
    }
    (void)fprintf(rest, "| %s | %.2f | %.1f |", bench->which->title, (double)memory / (double)count,
                  bench->built / 1e6);
    (void)fprintf(rest, " %.1f |", bench_updates(bench, 1));
    (void)fprintf(rest, " %.1f |", bench_updates(bench, UPDATE_SET));
    bench_snapshot(bench, rest);
}

static void run(const struct bench_case *which, FILE *rates, FILE *rest)
{
    struct bench bench = {.which = which, .database = database_new()};
    (void)fprintf(stderr, "bench: %s\n", which->name);
    make_mabs(&bench);
    fill(&bench);
    read_numbers(&bench);
    if (which->dpdk)
        fill_dpdk(&bench);
    bench_lookups(&bench, &random_numbers, rates);
    dpdk_fib_free(bench.fib);
    dpdk_fib6_free(bench.fib6);
    bench_rest(&bench, rest);
    database_free(bench.database);
    memory_free(bench.numbers);
}

// The first processor that this process may run on.
static unsigned first_processor(void)
{
    cpu_set_t allowed;
    unsigned processor = 0;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return 0;
    while (processor < CPU_SETSIZE - 1 && !CPU_ISSET(processor, &allowed))
        processor++;
    return processor;
}

static void print_table(const char *title, const char *columns, const char *lines)
{
    (void)printf("\n%s\n\n%s", title, columns);
    for (const char *at = columns; *at != '\n'; at++)
        (void)printf("%s", *at == '|' ? at == columns ? "|" : "---|" : "");
    (void)printf("\n%s", lines);
}

int main(int count, char **names)
{
    unsigned processor = first_processor();
    char *rates_text = NULL;
    char *rest_text = NULL;
    size_t rates_length = 0;
    size_t rest_length = 0;
    FILE *rates = open_memstream(&rates_text, &rates_length);
    FILE *rest = open_memstream(&rest_text, &rest_length);
    if (rates == NULL || rest == NULL)
        bench_stop("out of memory");
    if (!dpdk_start(processor, DPDK_MEGABYTES))
        bench_stop("DPDK does not start here");
    (void)printf("All on processor %u.\n\n"
                 "### Ivip / DPDK\n\n"
                 "| micronets | keys | number | number, 64 at a time | ETR | ETR, 64 at a time | "
                 "micronet |\n|---|---|---|---|---|---|---|\n",
                 processor);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool wanted = count < 2;
        for (int j = 1; j < count; j++)
            wanted = wanted || strcmp(names[j], cases[i].name) == 0;
        if (wanted)
            run(&cases[i], rates, rest);
    }
    (void)fclose(rates);
    (void)fclose(rest);
    print_table("### Lookups, million a second",
                "| micronets | keys | way | Ivip | DPDK | Ivip/DPDK (1 in 10 below, above) |\n",
                rates_text);
    print_table("### Memory, updates, snapshots",
                "| micronets | memory, B a micronet | define, M/s | map one by one, M/s | "
                "map in sets of 16, M/s | snapshot write, M/s | snapshot load, M/s | snapshot, B a "
                "micronet |\n",
                rest_text);
    free(rates_text); // NOLINT: of open_memstream
    free(rest_text);
    return 0;
}
