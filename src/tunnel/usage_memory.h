// SPDX-License-Identifier: BSD-2-Clause
// The counters of usage as they lie in memory, made so that whoever maps a file there loses nothing
// when the process is killed between any two instructions.
//
//     header   what it is | whose | period | since | step under way
//     slots    [0] common   [1] period, micronet, packets, octets   [2] ...
//
// A slot counts only while its period is that of the header. So one store begins a period, and with
// it all slots are free at once: there is no moment at which half of them are.
//
// Packets and octets of a slot change together. What they will be is written into the header first
// ("step"), then into the slot, and whoever finds a step that was not ended ends it. A process sees
// its own stores in order, and what a killed one stored is what the next finds; the compiler alone
// must be kept from reordering. A machine that loses power is another matter: nothing is promised.
#ifndef IVIP_TUNNEL_USAGE_MEMORY_H
#define IVIP_TUNNEL_USAGE_MEMORY_H

#include "base/error.h"
#include "base/instant.h"
#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_MEMORY_VERSION 1

struct usage;
struct usage_memory;

// Octets of memory for counters of so many micronets; it must be aligned for a uint64_t.
size_t usage_memory_size(size_t limit);

// Lays out counters in memory of that size: nothing counted, in the period after `reported`.
// `owner` is whom they will be reported by: counters that another one left are refused.
struct usage_memory *usage_memory_begin(void *bytes, size_t limit, uint64_t owner,
                                        uint64_t reported, struct wall_time now);

// Takes over what a process left that may have been killed, or anything else: all of it is checked.
// NULL with "counters-broken" where it is no such memory of this owner, version and size. Counters
// of periods up to `reported` are forgotten, as they are in reports already. `dropped` becomes the
// number of slots that made no sense and were freed.
struct usage_memory *usage_memory_resume(void *bytes, size_t size, size_t limit, uint64_t owner,
                                         uint64_t reported, struct wall_time now, size_t *dropped,
                                         struct error *error);

size_t usage_memory_limit(const struct usage_memory *memory);
uint64_t usage_memory_period(const struct usage_memory *memory);
// When the period began.
struct wall_time usage_memory_since(const struct usage_memory *memory);
// Forgets all that was counted: the next period begins.
void usage_memory_next_period(struct usage_memory *memory, struct wall_time now);

// Slots are 1 to the limit; 0 is the common one, whose range means nothing.
bool usage_memory_read(const struct usage_memory *memory, size_t slot, struct usage *usage);
// Gives a free slot to a micronet.
void usage_memory_assign(struct usage_memory *memory, size_t slot, const struct range *range);
// Counts in a slot that is assigned, or in the common one.
void usage_memory_count(struct usage_memory *memory, size_t slot, uint64_t packets,
                        uint64_t octets);
void usage_memory_release(struct usage_memory *memory, size_t slot);

#endif
