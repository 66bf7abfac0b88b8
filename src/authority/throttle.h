// SPDX-License-Identifier: BSD-2-Clause
// Throttles: how often something may happen for each of many keys (a source address, a user).
//
// A token bucket for each key: it holds `burst` at most, starts full, and gains one each
// `refill`. Buckets that are full again carry no information and the table is bounded, so a flood
// of made-up keys costs a fixed amount of memory: when it is full, the key that was longest quiet
// is forgotten.
#ifndef IVIP_AUTHORITY_THROTTLE_H
#define IVIP_AUTHORITY_THROTTLE_H

#include "base/instant.h"
#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>

struct throttle;

struct throttle_config {
    uint32_t burst;         // most at once
    struct duration refill; // time to gain one
    size_t keys_max;        // keys remembered
};

struct throttle *throttle_new(const struct throttle_config *config, struct random_source *random);
void throttle_free(struct throttle *throttle);

// Takes `amount` for the key. False, and nothing is taken, where there is not that much; `*wait`
// (when not NULL) then says after how long there will be. More than the burst is never to be had:
// it is treated as the burst.
bool throttle_take(struct throttle *throttle, struct instant now, const void *key, size_t length,
                   uint32_t amount, struct duration *wait);
// How much there is for the key now.
uint32_t throttle_left(const struct throttle *throttle, struct instant now, const void *key,
                       size_t length);
// Puts `amount` back, for an attempt that turned out not to count.
void throttle_give(struct throttle *throttle, const void *key, size_t length, uint32_t amount);
// Keys remembered now.
size_t throttle_count(const struct throttle *throttle);

#endif
