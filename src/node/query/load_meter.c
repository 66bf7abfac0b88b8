// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/load_meter.h"

#define LOAD_FULL     255
#define LOAD_ONE      65536 // of the fixed point numbers
#define PERIODS_COUNT 64    // after so many, nothing is left of what was before

void load_meter_init(struct load_meter *meter, struct instant now)
{
    *meter = (struct load_meter){.from = now};
}

void load_meter_slept(struct load_meter *meter, struct duration idle)
{
    meter->idle.ns += idle.ns;
}

bool load_meter_due(const struct load_meter *meter, struct instant now)
{
    return instant_since(now, meter->from).ns >= duration_ms(LOAD_PERIOD_MS).ns;
}

// The part of the period in which the thread did not sleep, of 255.
static uint32_t busy(const struct load_meter *meter, struct duration period)
{
    uint64_t idle = meter->idle.ns < period.ns ? meter->idle.ns : period.ns;
    return period.ns == 0 ? 0 : (uint32_t)((double)(period.ns - idle) / (double)period.ns * 255.0);
}

uint8_t load_meter_sample(struct load_meter *meter, struct instant now, uint8_t queued,
                          uint64_t lost)
{
    struct duration period = instant_since(now, meter->from);
    uint64_t periods = period.ns / duration_ms(LOAD_PERIOD_MS).ns;
    uint32_t sample = busy(meter, period);
    if (queued > sample)
        sample = queued;
    if (lost != meter->lost)
        sample = LOAD_FULL;
    for (uint64_t i = 0; i < periods && i < PERIODS_COUNT; i++)
        meter->smoothed =
            (meter->smoothed * (LOAD_SMOOTHING - 1) + sample * LOAD_ONE) / LOAD_SMOOTHING;
    meter->from = now;
    meter->idle = (struct duration){0};
    meter->lost = lost;
    return load_meter_load(meter);
}

uint8_t load_meter_load(const struct load_meter *meter)
{
    return (uint8_t)((meter->smoothed + LOAD_ONE / 2) / LOAD_ONE);
}
