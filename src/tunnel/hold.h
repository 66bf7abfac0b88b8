// SPDX-License-Identifier: BSD-2-Clause
// Packets that wait while the ITR asks for their mapping (arch §2.25; RFC 6115 §4: a few tens of
// milliseconds).
//
//     question 20.1.0.16   waiting   packet -> packet -> packet      one question a unit (an
//     question 20.1.0.99   waiting   packet                          IPv4 address, an IPv6 /64)
//     question 20.1.7.1    failed    -                               for HOLD_FAILED_SECONDS
//     ready                          packet -> packet                to be taken, in order
//
// Bounds: packets in all, packets for one unit, chunks of memory, and time. A new packet for a
// unit that waits for too many is refused. When everything is full, the question that waited
// longest gives way: an answer for it is the least likely to come, and a scan of many addresses
// cannot keep the newcomers out.
//
// All memory is taken at hold_new; a packet is copied into a chain of chunks.
#ifndef IVIP_TUNNEL_HOLD_H
#define IVIP_TUNNEL_HOLD_H

#include "base/hash.h"
#include "base/instant.h"
#include "base/range.h"
#include "tunnel/segments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_CHUNK_BYTES       2048
#define HOLD_CHUNKS_PER_PACKET 4  // memory for each packet of the limit: super-packets take more
#define HOLD_PACKETS_PER_UNIT  32 // most packets that wait for one unit
#define HOLD_FAILED_SECONDS    1  // after a failure, no new question for that unit so long

struct hold;

enum hold_result {
    HOLD_KEPT,
    HOLD_FULL,      // this unit has its share, or the packet is larger than all the memory
    HOLD_NO_ANSWER, // the question for this unit failed a moment ago
};

struct hold_counters {
    uint64_t kept;
    uint64_t released;  // taken by hold_next_ready after an answer
    uint64_t displaced; // dropped because newer packets needed the room
    uint64_t timed_out; // questions that had no answer within the hold time
    uint64_t unasked;   // packets dropped after the hold time, because no second one came
};

struct hold *hold_new(size_t packets, struct duration time, struct hash_key key);
void hold_free(struct hold *hold);

// Copies a packet for `unit`; the first one of a unit makes a question. With `ask` false it is not
// given out until a later packet comes with true; where none does, what waits is dropped in the
// end.
enum hold_result hold_put(struct hold *hold, struct instant now, enum family family,
                          struct unit unit, const uint8_t *bytes, uint32_t length,
                          const struct offload *offload, bool ask);
// Makes a question for `unit` without a packet that waits for its answer; there is none anew where
// one is open or has failed a moment ago.
void hold_ask(struct hold *hold, struct instant now, enum family family, struct unit unit);
// The next unit to ask for, as an address; each is given once.
bool hold_next_question(struct hold *hold, struct address *address);
// The range is known now: what waited for it becomes ready.
void hold_release(struct hold *hold, const struct range *range);
// Nobody knows the mapping of this unit: what waited becomes ready, and for HOLD_FAILED_SECONDS
// hold_put says HOLD_NO_ANSWER.
void hold_fail(struct hold *hold, struct instant now, enum family family, struct unit unit);
// Takes the next ready packet out into `buffer` (PACKET_BYTES_MAX); false when there is none.
bool hold_next_ready(struct hold *hold, uint8_t *buffer, uint32_t *length, struct offload *offload);

struct instant hold_next_deadline(const struct hold *hold);
// Fails the questions whose time is up and forgets old failures.
void hold_tick(struct hold *hold, struct instant now);

size_t hold_packets(const struct hold *hold);
size_t hold_questions(const struct hold *hold);
const struct hold_counters *hold_counters(const struct hold *hold);

#endif
