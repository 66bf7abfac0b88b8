// SPDX-License-Identifier: BSD-2-Clause
// The counters of usage as they lie in memory, made so that whoever maps a file there loses nothing
// when the process is killed between any two instructions.
//
//     header   what it is | whose | reported | step under way
//     bank 0   period | since
//     bank 1   period | since
//     slots    of bank 0:  [0] common   [1] period, micronet, packets, octets   [2] ...
//              of bank 1:  [0] common   [1] ...
//
// The bank with the higher period counts. When its period is closed, the other one goes on with the
// next; what is closed does not change any more until its reports are durable ("dropped"), so
// another thread may read it, and reports that are made of it twice are the same. A third period
// cannot begin before that.
//
// A slot counts only while its period is that of its bank. So one store begins a period, and with
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

#define USAGE_MEMORY_VERSION 2

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
// number of slots that made no sense and were freed. What was closed is closed still.
struct usage_memory *usage_memory_resume(void *bytes, size_t size, size_t limit, uint64_t owner,
                                         uint64_t reported, struct wall_time now, size_t *dropped,
                                         struct error *error);

size_t usage_memory_limit(const struct usage_memory *memory);
// When the period that counts now began.
struct wall_time usage_memory_since(const struct usage_memory *memory);
// The same from now on, for a period in which nothing was counted yet.
void usage_memory_set_since(struct usage_memory *memory, struct wall_time now);

// Closes the period that counts, and begins the next. Only where none is closed.
void usage_memory_close(struct usage_memory *memory, struct wall_time now);

// The period that is closed and not dropped; 0: none.
uint64_t usage_memory_closed(const struct usage_memory *memory);
// From when to when it counted; the clock may have been set back meanwhile.
void usage_memory_closed_span(const struct usage_memory *memory, struct wall_time *from,
                              struct wall_time *to);
// As usage_memory_read.
bool usage_memory_closed_read(const struct usage_memory *memory, size_t slot, struct usage *usage);
// Its reports are durable.
void usage_memory_drop_closed(struct usage_memory *memory);

// What follows is about the period that counts. Slots are 1 to the limit; 0 is the common one,
// whose range means nothing.
bool usage_memory_read(const struct usage_memory *memory, size_t slot, struct usage *usage);
// Gives a free slot to a micronet.
void usage_memory_assign(struct usage_memory *memory, size_t slot, const struct range *range);
// Counts in a slot that is assigned, or in the common one.
void usage_memory_count(struct usage_memory *memory, size_t slot, uint64_t packets,
                        uint64_t octets);
// Forgets what was counted in a slot, and frees it.
void usage_memory_release(struct usage_memory *memory, size_t slot);

#endif
