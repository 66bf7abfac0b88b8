// SPDX-License-Identifier: BSD-2-Clause
#include "dpdk.h"

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_memory.h>
#include <stdio.h>
#include <sys/mman.h>

// DPDK's tables lie on huge pages, as ours do.
static int use_huge_pages(const struct rte_memseg_list *list, void *unused)
{
    (void)unused;
    (void)madvise(list->base_va, list->len, MADV_HUGEPAGE);
    return 0;
}

bool dpdk_start(unsigned processor, unsigned megabytes)
{
    char memory[16];
    char core[16];
    (void)snprintf(memory, sizeof(memory), "%u", megabytes);
    (void)snprintf(core, sizeof(core), "%u", processor);
    char *arguments[] = {(char[]){"bench"},
                         (char[]){"--no-huge"},
                         (char[]){"--no-pci"},
                         (char[]){"--no-telemetry"},
                         (char[]){"--no-shconf"},
                         (char[]){"--log-level=1"},
                         (char[]){"--iova-mode=va"},
                         (char[]){"--force-max-simd-bitwidth=512"},
                         (char[]){"-l"},
                         core,
                         (char[]){"-m"},
                         memory};
    if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0)
        return false;
    (void)rte_memseg_list_walk(use_huge_pages, NULL);
    return true;
}

struct rte_fib *dpdk_fib_new(unsigned routes, unsigned tbl8)
{
    struct rte_fib_conf config = {.type = RTE_FIB_DIR24_8, .max_routes = (int)routes};
    config.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
    config.dir24_8.num_tbl8 = tbl8;
    struct rte_fib *fib = rte_fib_create("bench", -1, &config);
    if (fib != NULL)
        (void)rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DEFAULT);
    return fib;
}

bool dpdk_fib_add(struct rte_fib *fib, uint32_t address, uint64_t next_hop)
{
    return rte_fib_add(fib, address, 32, next_hop) == 0;
}

void dpdk_fib_lookup(struct rte_fib *fib, const uint32_t *addresses, uint64_t *next_hops,
                     unsigned count)
{
    (void)rte_fib_lookup_bulk(fib, (uint32_t *)(uintptr_t)addresses, next_hops, (int)count);
}

void dpdk_fib_free(struct rte_fib *fib)
{
    rte_fib_free(fib);
}

struct rte_fib6 *dpdk_fib6_new(unsigned routes, unsigned tbl8)
{
    struct rte_fib6_conf config = {.type = RTE_FIB6_TRIE, .max_routes = (int)routes};
    config.trie.nh_sz = RTE_FIB6_TRIE_4B;
    config.trie.num_tbl8 = tbl8;
    struct rte_fib6 *fib = rte_fib6_create("bench6", -1, &config);
    if (fib != NULL)
        (void)rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_DEFAULT);
    return fib;
}

bool dpdk_fib6_add(struct rte_fib6 *fib, uint64_t unit, uint8_t length, uint64_t next_hop)
{
    uint8_t address[16] = {0};
    for (unsigned i = 0; i < 8; i++)
        address[i] = (uint8_t)(unit >> (56 - 8 * i));
    return rte_fib6_add(fib, address, length, next_hop) == 0;
}

void dpdk_fib6_lookup(struct rte_fib6 *fib, uint8_t (*addresses)[16], uint64_t *next_hops,
                      unsigned count)
{
    (void)rte_fib6_lookup_bulk(fib, addresses, next_hops, (int)count);
}

void dpdk_fib6_free(struct rte_fib6 *fib)
{
    rte_fib6_free(fib);
}
