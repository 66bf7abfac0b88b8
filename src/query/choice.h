// SPDX-License-Identifier: BSD-2-Clause
// Which servers of a group are asked first: the nearest by measured response time, spread over
// those that are about as near, away from those that are loaded or fail (docs/query.md, "Choosing a
// server"; DRTM §3; arch §2.23).
//
//     members    [ 4 ms ][ 5 ms ][ 31 ms ][ 80 ms ] ... [ avoided ]
//                 \___ near ___/
//                 \______ nearest _______/
//
// Any number of servers may be named in DNS; the CHOICE_NEAREST first are the ones in use. A
// newcomer takes the place of one of them only when it is clearly better, so that two servers
// alike do not take turns.
//
// Load does not change the order. A loaded server is left a smaller share of the questions that
// would come to it, and the rest goes on to the others: so load moves little by little, and not all
// of it to and fro.
#ifndef IVIP_QUERY_CHOICE_H
#define IVIP_QUERY_CHOICE_H

#include "base/instant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICE_MEMBERS_MAX 16 // servers of one group that are measured; others are not used
#define CHOICE_NEAREST     3  // of these are asked first

// A server in use counts as that much faster than measured: a fifth, and 1 ms.
#define CHOICE_STAY_PART 5
#define CHOICE_STAY_MS   1
// Those as near as the best plus a quarter, and 1 ms, share its questions.
#define CHOICE_NEAR_PART 4
#define CHOICE_NEAR_MS   1
// The share of a server that takes all that comes to it.
#define CHOICE_SHARE_FULL 256

struct choice_member {
    uint16_t server;      // the caller's number for it
    uint16_t priority;    // of its SRV record: lower ones first, whatever their times
    bool measured;        // `time` is known
    bool avoided;         // it does not answer
    uint16_t share;       // how much it takes of what would come to it, of CHOICE_SHARE_FULL
    struct duration time; // smoothed response time
};

struct choice {
    size_t count;
    size_t near; // the first so many are about equally good; 1 at least where there is any
    bool ranked; // the order is one of measurement; a first order has no incumbents
    struct choice_member members[CHOICE_MEMBERS_MAX]; // best first
};

// Puts the members into order by what is noted in them.
void choice_rank(struct choice *choice);

// The places of the members in the order in which they are to be asked for something with that
// hash: the near ones in an order of its own for each hash, then the others; but those whose share
// does not include that hash behind all whose does. Fills the first choice->count of `order`.
void choice_order(const struct choice *choice, uint64_t hash, uint8_t order[CHOICE_MEMBERS_MAX]);

#endif
