// SPDX-License-Identifier: BSD-2-Clause
// One case of the mapping engine's benchmark: what mapping.c fills and mapping_lookups.c looks up.
#ifndef IVIP_BENCH_MAPPING_H
#define IVIP_BENCH_MAPPING_H

#include "dpdk.h"
#include "keys.h"
#include "mapping/database.h"
#include "measure.h"

#include <stdio.h>

#define ETRS        10000
#define LOOKUP_KEYS (1 << 19) // looked up in turn

struct bench_case {
    const char *name;
    const char *title;
    enum family family;
    uint32_t micronets; // of one unit each
    const char *mab;    // the first one; an IPv4 case goes on in the /8s behind it
    unsigned mabs;
    bool dpdk; // it can hold them
    unsigned tbl8;
};

// What one case works with.
struct bench {
    const struct bench_case *which;
    struct database *database;
    struct rte_fib *fib; // NULL where DPDK holds none
    struct rte_fib6 *fib6;
    uint32_t *numbers;         // of ETR i in mapping m: [m * ETRS + i]; DPDK's next hops, too
    struct address *addresses; // LOOKUP_KEYS of them to look up
    uint32_t *ipv4;            // the same as DPDK takes them
    uint8_t (*ipv6)[16];
    double built; // updates a second while filling
};

// The place-th micronet, and the ETR that it is mapped to at first.
uint64_t bench_unit(const struct bench_case *which, uint32_t place);
uint32_t bench_etr(uint64_t unit);
struct address bench_etr_address(uint32_t etr);

// Measures lookups and prints them: a line of ratios, and lines for a table of rates, which are
// appended to `rates`.
void bench_lookups(struct bench *bench, struct quick_random *random, FILE *rates);

#endif
