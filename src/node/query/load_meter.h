// SPDX-License-Identifier: BSD-2-Clause
// How loaded a thread that answers queries is, from 0 to 255, as it then stands in its answers
// (docs/query.md, "Load"): the share of time in which it is busy, how full its socket's queue is,
// and whether datagrams were lost there; smoothed over about a second.
#ifndef IVIP_NODE_QUERY_LOAD_METER_H
#define IVIP_NODE_QUERY_LOAD_METER_H

#include "base/instant.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_PERIOD_MS 100 // a sample is taken that often
#define LOAD_SMOOTHING 8   // of which each counts for an eighth

struct load_meter {
    struct instant from;  // of the period that goes on
    struct duration idle; // in it, so far
    uint64_t lost;        // datagrams, as of its start
    uint32_t smoothed;    // load times 65536
};

void load_meter_init(struct load_meter *meter, struct instant now);
// The thread has slept that long.
void load_meter_slept(struct load_meter *meter, struct duration idle);
// Whether a sample is due.
bool load_meter_due(const struct load_meter *meter, struct instant now);
// Takes a sample: `queued` is the part of the socket's queue that is full, of 255, `lost` how many
// datagrams it has ever lost. Returns the load.
uint8_t load_meter_sample(struct load_meter *meter, struct instant now, uint8_t queued,
                          uint64_t lost);
uint8_t load_meter_load(const struct load_meter *meter);

#endif
