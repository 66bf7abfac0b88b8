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

#define BANKS 2

// Each in a cache line of its own.
struct bank {
    uint64_t period;
    uint64_t since;
    uint64_t unused[6];
};

struct usage_memory {
    uint64_t magic; // and byte order
    uint32_t version;
    uint32_t slot_size;
    uint64_t limit;
    uint64_t owner;
    uint64_t reported; // the last period that was dropped
    // The step under way: what slot `step` - 1 of all is about to hold; 0: none.
    uint64_t step;
    uint64_t step_packets;
    uint64_t step_octets;
    struct bank banks[BANKS];
    struct slot slots[]; // limit + 1 of each bank
};

static_assert(sizeof(struct slot) == 64 && sizeof(struct bank) == 64 &&
                  sizeof(struct usage_memory) == 192,
              "slots do not cross cache lines");

// All stores before it are made before those behind it.
static inline void in_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

size_t usage_memory_size(size_t limit)
{
    return sizeof(struct usage_memory) + BANKS * (limit + 1) * sizeof(struct slot);
}

// Which bank counts, and which does not.
static size_t counting(const struct usage_memory *memory)
{
    return memory->banks[1].period > memory->banks[0].period;
}

static size_t resting(const struct usage_memory *memory)
{
    return 1 - counting(memory);
}

static size_t place_of(const struct usage_memory *memory, size_t bank, size_t slot)
{
    assert(slot <= memory->limit);
    return bank * (memory->limit + 1) + slot;
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
    memory->reported = reported;
    memory->banks[0].period = reported + 1;
    memory->banks[0].since = now.ms;
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
        memory->limit != limit || memory->banks[counting(memory)].period == 0 ||
        memory->banks[counting(memory)].period > INT64_MAX)
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
    if (memory->step > 0 && memory->step <= BANKS * (memory->limit + 1)) {
        struct slot *slot = &memory->slots[memory->step - 1];
        slot->packets = memory->step_packets;
        slot->octets = memory->step_octets;
        in_order();
    }
    memory->step = 0;
}

// Frees the slots of a bank that make no sense; returns how many.
static size_t drop_broken(struct usage_memory *memory, size_t bank)
{
    uint64_t period = memory->banks[bank].period;
    size_t dropped = 0;
    for (size_t i = 0; i <= memory->limit; i++) {
        struct slot *slot = &memory->slots[place_of(memory, bank, i)];
        bool old = slot->period == 0 || slot->period < period;
        // A period to come would make the slot count when it begins.
        if (old || (slot->period == period && slot_makes_sense(slot, i == 0)))
            continue;
        *slot = (struct slot){0};
        dropped++;
    }
    return dropped;
}

static void begin_period(struct usage_memory *memory, size_t bank, uint64_t period,
                         struct wall_time now)
{
    memory->banks[bank].since = now.ms;
    in_order();
    memory->banks[bank].period = period;
    in_order();
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
    // Two banks never have one period, but in a file that is damaged.
    if (memory->banks[0].period == memory->banks[1].period)
        memory->banks[1].period = 0;
    size_t last = counting(memory);
    // What it says itself counts, too: a spool may have been put back from a copy.
    if (memory->reported < reported || memory->reported >= memory->banks[last].period)
        memory->reported = reported;
    for (size_t bank = 0; bank < BANKS; bank++) {
        *dropped += drop_broken(memory, bank);
        if (memory->banks[bank].since > now.ms)
            memory->banks[bank].since = now.ms; // the clock was set back
    }
    if (memory->banks[last].period <= reported)
        begin_period(memory, last, reported + 1, now);
    return memory;
}

// --- periods -------------------------------------------------------------------------------------

size_t usage_memory_limit(const struct usage_memory *memory)
{
    return memory->limit;
}

struct wall_time usage_memory_since(const struct usage_memory *memory)
{
    return (struct wall_time){memory->banks[counting(memory)].since};
}

void usage_memory_set_since(struct usage_memory *memory, struct wall_time now)
{
    memory->banks[counting(memory)].since = now.ms;
}

void usage_memory_close(struct usage_memory *memory, struct wall_time now)
{
    assert(usage_memory_closed(memory) == 0);
    in_order();
    begin_period(memory, resting(memory), memory->banks[counting(memory)].period + 1, now);
}

uint64_t usage_memory_closed(const struct usage_memory *memory)
{
    uint64_t period = memory->banks[resting(memory)].period;
    return period > memory->reported ? period : 0;
}

void usage_memory_closed_span(const struct usage_memory *memory, struct wall_time *from,
                              struct wall_time *to)
{
    from->ms = memory->banks[resting(memory)].since;
    to->ms = memory->banks[counting(memory)].since;
    if (to->ms < from->ms)
        to->ms = from->ms;
}

void usage_memory_drop_closed(struct usage_memory *memory)
{
    assert(usage_memory_closed(memory) > 0);
    memory->reported = usage_memory_closed(memory);
}

static bool read_slot(const struct usage_memory *memory, size_t bank, size_t i, struct usage *usage)
{
    const struct slot *slot = &memory->slots[place_of(memory, bank, i)];
    if (slot->period != memory->banks[bank].period)
        return false;
    *usage = (struct usage){
        {(enum family)slot->family, {slot->start}, {slot->length}}, slot->packets, slot->octets};
    return true;
}

bool usage_memory_closed_read(const struct usage_memory *memory, size_t i, struct usage *usage)
{
    assert(usage_memory_closed(memory) > 0);
    return read_slot(memory, resting(memory), i, usage);
}

// --- counting ------------------------------------------------------------------------------------

bool usage_memory_read(const struct usage_memory *memory, size_t i, struct usage *usage)
{
    return read_slot(memory, counting(memory), i, usage);
}

static void begin_slot(struct usage_memory *memory, struct slot *slot)
{
    slot->packets = 0;
    slot->octets = 0;
    in_order();
    slot->period = memory->banks[counting(memory)].period;
    in_order();
}

void usage_memory_assign(struct usage_memory *memory, size_t i, const struct range *range)
{
    struct slot *slot = &memory->slots[place_of(memory, counting(memory), i)];
    assert(i > 0 && slot->period != memory->banks[counting(memory)].period);
    slot->family = (uint64_t)range->family;
    slot->start = range->start.index;
    slot->length = range->length.units;
    begin_slot(memory, slot);
}

void usage_memory_count(struct usage_memory *memory, size_t i, uint64_t packets, uint64_t octets)
{
    size_t bank = counting(memory);
    size_t place = place_of(memory, bank, i);
    struct slot *slot = &memory->slots[place];
    if (i == 0 && slot->period != memory->banks[bank].period)
        begin_slot(memory, slot);
    assert(slot->period == memory->banks[bank].period);
    memory->step_packets = slot->packets + packets;
    memory->step_octets = slot->octets + octets;
    in_order();
    memory->step = place + 1;
    in_order();
    slot->packets = memory->step_packets;
    slot->octets = memory->step_octets;
    in_order();
    memory->step = 0;
    in_order();
}

void usage_memory_release(struct usage_memory *memory, size_t i)
{
    memory->slots[place_of(memory, counting(memory), i)].period = 0;
    in_order();
}
