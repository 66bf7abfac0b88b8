// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/usage_memory.h"

#include "tunnel/usage.h"
#include "wire/usage_report.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#define MAGIC UINT64_C(0x3130746e63557649) // "IvUcnt01" on a little-endian machine

// 64 octets, so that a packet touches one cache line of them.
struct slot {
    uint64_t period; // of what it counts; another than the header's: free
    uint64_t family;
    uint64_t start;
    uint64_t length;
    uint64_t packets;
    uint64_t octets;
    uint64_t unused[2];
};

struct usage_memory {
    uint64_t magic; // and byte order
    uint32_t version;
    uint32_t slot_size;
    uint64_t limit;
    uint64_t owner;
    uint64_t period;
    uint64_t since;
    // The step under way: what slot `step` - 1 is about to hold; 0: none.
    uint64_t step;
    uint64_t step_packets;
    uint64_t step_octets;
    uint64_t unused[7];
    struct slot slots[]; // limit + 1
};

static_assert(sizeof(struct slot) == 64 && sizeof(struct usage_memory) == 128,
              "slots do not cross cache lines");

// All stores before it are made before those behind it.
static inline void in_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

size_t usage_memory_size(size_t limit)
{
    return sizeof(struct usage_memory) + (limit + 1) * sizeof(struct slot);
}

struct usage_memory *usage_memory_begin(void *bytes, size_t limit, uint64_t owner,
                                        uint64_t reported, struct wall_time now)
{
    assert(limit > 0);
    memset(bytes, 0, usage_memory_size(limit));
    struct usage_memory *memory = bytes;
    memory->version = USAGE_MEMORY_VERSION;
    memory->slot_size = sizeof(struct slot);
    memory->limit = limit;
    memory->owner = owner;
    memory->period = reported + 1;
    memory->since = now.ms;
    in_order();
    memory->magic = MAGIC; // last: without it there is nothing
    return memory;
}

// --- taking over ---------------------------------------------------------------------------------

static bool check_header(const struct usage_memory *memory, size_t size, size_t limit,
                         uint64_t owner, struct error *error)
{
    if (size != usage_memory_size(limit) || memory->magic != MAGIC ||
        memory->version != USAGE_MEMORY_VERSION || memory->slot_size != sizeof(struct slot) ||
        memory->limit != limit || memory->period == 0 || memory->period > INT64_MAX)
        return error_set(error, ERROR_FORMAT, "counters-broken",
                         "they are damaged, or another version of this program wrote them");
    if (memory->owner != owner)
        return error_set(error, ERROR_FORMAT, "counters-broken",
                         "they belong to another state directory");
    return true;
}

static bool slot_makes_sense(const struct slot *slot, bool common)
{
    struct range range = {(enum family)slot->family, {slot->start}, {slot->length}};
    bool range_good = common || ((slot->family == FAMILY_IPV4 || slot->family == FAMILY_IPV6) &&
                                 range_valid(&range));
    return range_good && slot->packets <= USAGE_COUNT_MAX && slot->octets <= USAGE_COUNT_MAX;
}

static void end_step(struct usage_memory *memory)
{
    if (memory->step > 0 && memory->step <= memory->limit + 1) {
        struct slot *slot = &memory->slots[memory->step - 1];
        slot->packets = memory->step_packets;
        slot->octets = memory->step_octets;
        in_order();
    }
    memory->step = 0;
}

struct usage_memory *usage_memory_resume(void *bytes, size_t size, size_t limit, uint64_t owner,
                                         uint64_t reported, struct wall_time now, size_t *dropped,
                                         struct error *error)
{
    struct usage_memory *memory = bytes;
    *dropped = 0;
    if (!check_header(memory, size, limit, owner, error))
        return NULL;
    end_step(memory);
    if (memory->since > now.ms)
        memory->since = now.ms; // the clock was set back
    if (memory->period <= reported) {
        memory->period = reported;
        usage_memory_next_period(memory, now);
    }
    for (size_t i = 0; i <= limit; i++) {
        struct slot *slot = &memory->slots[i];
        // A period to come would make the slot count when it begins.
        bool old = slot->period < memory->period;
        if (old || (slot->period == memory->period && slot_makes_sense(slot, i == 0)))
            continue;
        *slot = (struct slot){0};
        (*dropped)++;
    }
    return memory;
}

// --- counting ------------------------------------------------------------------------------------

size_t usage_memory_limit(const struct usage_memory *memory)
{
    return memory->limit;
}

uint64_t usage_memory_period(const struct usage_memory *memory)
{
    return memory->period;
}

struct wall_time usage_memory_since(const struct usage_memory *memory)
{
    return (struct wall_time){memory->since};
}

void usage_memory_next_period(struct usage_memory *memory, struct wall_time now)
{
    in_order();
    memory->period++;
    in_order();
    memory->since = now.ms;
}

bool usage_memory_read(const struct usage_memory *memory, size_t i, struct usage *usage)
{
    assert(i <= memory->limit);
    const struct slot *slot = &memory->slots[i];
    if (slot->period != memory->period)
        return false;
    *usage = (struct usage){
        {(enum family)slot->family, {slot->start}, {slot->length}}, slot->packets, slot->octets};
    return true;
}

static void begin_slot(struct usage_memory *memory, struct slot *slot)
{
    slot->packets = 0;
    slot->octets = 0;
    in_order();
    slot->period = memory->period;
    in_order();
}

void usage_memory_assign(struct usage_memory *memory, size_t i, const struct range *range)
{
    assert(i > 0 && i <= memory->limit);
    struct slot *slot = &memory->slots[i];
    assert(slot->period != memory->period);
    slot->family = (uint64_t)range->family;
    slot->start = range->start.index;
    slot->length = range->length.units;
    begin_slot(memory, slot);
}

void usage_memory_count(struct usage_memory *memory, size_t i, uint64_t packets, uint64_t octets)
{
    assert(i <= memory->limit);
    struct slot *slot = &memory->slots[i];
    if (i == 0 && slot->period != memory->period)
        begin_slot(memory, slot);
    assert(slot->period == memory->period);
    memory->step_packets = slot->packets + packets;
    memory->step_octets = slot->octets + octets;
    in_order();
    memory->step = i + 1;
    in_order();
    slot->packets = memory->step_packets;
    slot->octets = memory->step_octets;
    in_order();
    memory->step = 0;
    in_order();
}

void usage_memory_release(struct usage_memory *memory, size_t i)
{
    assert(i <= memory->limit);
    memory->slots[i].period = 0;
    in_order();
}
