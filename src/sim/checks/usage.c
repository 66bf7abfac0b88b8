// SPDX-License-Identifier: BSD-2-Clause
// The invariant of usage: what an ITR tunnelled is, to the packet, in the RUAS's ledger, in reports
// on the ITR's disk that the ledger does not have yet, or in its counters; whatever is killed,
// whatever is sent twice.
#include "sim/checks/checks.h"

#include <inttypes.h>

struct sums {
    uint64_t packets, octets;
};

static void add_counted(const struct world_usage *usage, struct sums *sums)
{
    struct usage counted;
    // It may have been killed after the closed ones were reported.
    bool closed = usage_memory_closed(usage->memory) > usage->reported;
    for (size_t slot = 0; slot <= usage->limit; slot++) {
        if (usage_memory_read(usage->memory, slot, &counted)) {
            sums->packets += counted.packets;
            sums->octets += counted.octets;
        }
        if (closed && usage_memory_closed_read(usage->memory, slot, &counted)) {
            sums->packets += counted.packets;
            sums->octets += counted.octets;
        }
    }
}

static bool ledger_has(const struct world *world, size_t itr, uint64_t number)
{
    for (size_t i = 0; i < world->ledger.count; i++)
        if (world->ledger.lines[i].itr == itr && world->ledger.lines[i].number == number)
            return true;
    return false;
}

static void add_kept(const struct world *world, size_t itr, struct sums *sums)
{
    const struct world_usage *usage = &world->itrs[itr].usage;
    for (size_t i = 0; i < usage->kept_count; i++)
        if (!ledger_has(world, itr, usage->kept[i].number)) {
            sums->packets += usage->kept[i].packets;
            sums->octets += usage->kept[i].octets;
        }
}

static void add_charged(const struct world *world, size_t itr, struct sums *sums)
{
    for (size_t i = 0; i < world->ledger.count; i++)
        if (world->ledger.lines[i].itr == itr) {
            sums->packets += world->ledger.lines[i].packets;
            sums->octets += world->ledger.lines[i].octets;
        }
}

void world_check_usage(struct world *world)
{
    for (size_t i = 0; i < world->itr_count; i++) {
        const struct world_usage *usage = &world->itrs[i].usage;
        struct sums sums = {0};
        add_counted(usage, &sums);
        add_kept(world, i, &sums);
        add_charged(world, i, &sums);
        if (sums.packets != usage->tunnelled || sums.octets != usage->tunnelled_octets)
            world_fail(world, WORLD_CHECK_USAGE,
                       "%s tunnelled %" PRIu64 " packets of %" PRIu64
                       " octets; counted are %" PRIu64 " of %" PRIu64,
                       world->itrs[i].name, usage->tunnelled, usage->tunnelled_octets, sums.packets,
                       sums.octets);
    }
}

static bool all_reported(const struct world *world, size_t itr)
{
    struct sums charged = {0};
    add_charged(world, itr, &charged);
    return charged.packets == world->itrs[itr].usage.tunnelled;
}

bool world_all_reported(const struct world *world)
{
    for (size_t i = 0; i < world->itr_count; i++)
        if (!all_reported(world, i))
            return false;
    return true;
}

void world_check_reported(struct world *world)
{
    for (size_t i = 0; i < world->itr_count; i++)
        if (!all_reported(world, i))
            world_fail(world, WORLD_CHECK_USAGE,
                       "the ledger lacks packets that %s tunnelled when all is well again",
                       world->itrs[i].name);
}
