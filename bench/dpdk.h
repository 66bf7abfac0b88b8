// SPDX-License-Identifier: BSD-2-Clause
// DPDK's two forwarding tables, for comparison on the same keys: rte_fib (DIR24_8) and rte_fib6
// (TRIE), with the fastest lookup that this machine allows (AVX-512 where it has it).
#ifndef IVIP_BENCH_DPDK_H
#define IVIP_BENCH_DPDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Starts DPDK on one processor, without devices, with up to `megabytes` of memory: transparent huge
// pages, as our own tables have.
bool dpdk_start(unsigned processor, unsigned megabytes);

struct rte_fib;
struct rte_fib6;

// NULL where it does not fit.
struct rte_fib *dpdk_fib_new(unsigned routes, unsigned tbl8);
bool dpdk_fib_add(struct rte_fib *fib, uint32_t address, uint64_t next_hop);
void dpdk_fib_lookup(struct rte_fib *fib, const uint32_t *addresses, uint64_t *next_hops,
                     unsigned count);
void dpdk_fib_free(struct rte_fib *fib);

struct rte_fib6 *dpdk_fib6_new(unsigned routes, unsigned tbl8);
// Adds the prefix of that length that begins at a unit.
bool dpdk_fib6_add(struct rte_fib6 *fib, uint64_t unit, uint8_t length, uint64_t next_hop);
void dpdk_fib6_lookup(struct rte_fib6 *fib, uint8_t (*addresses)[16], uint64_t *next_hops,
                      unsigned count);
void dpdk_fib6_free(struct rte_fib6 *fib);

#endif
