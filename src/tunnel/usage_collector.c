// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/usage_collector.h"

#include <assert.h>

static uint64_t period_of(const struct usage_collector *collector, struct wall_time time)
{
    assert(collector->period.ns >= 1000000);
    return time.ms / (collector->period.ns / 1000000);
}

bool usage_collector_due(const struct usage_collector *collector, const struct usage_table *table,
                         struct wall_time now)
{
    return period_of(collector, now) != period_of(collector, usage_since(table));
}

bool usage_collector_report(const struct usage_collector *collector,
                            const struct usage_memory *memory, size_t *place, uint64_t number,
                            struct usage_report *report)
{
    struct usage usage = {0};
    size_t limit = usage_memory_limit(memory);
    if (*place == 0) // the common record goes with the first report
        (void)usage_memory_closed_read(memory, 0, &usage);
    report->boot = collector->boot;
    report->number = number;
    usage_memory_closed_span(memory, &report->from, &report->to);
    report->other_packets = usage.packets;
    report->other_octets = usage.octets;
    report->count = 0;
    while (report->count < USAGE_RECORDS_MAX && *place < limit)
        if (usage_memory_closed_read(memory, ++*place, &usage))
            report->records[report->count++] =
                (struct usage_record){usage.range, usage.packets, usage.octets};
    return report->count > 0 || report->other_packets > 0;
}
