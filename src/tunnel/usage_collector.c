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
                            const struct usage_table *table, size_t *place, uint64_t number,
                            struct wall_time now, struct usage_report *report)
{
    struct usage usage = {0};
    if (*place == 0)
        usage = usage_uncounted(table); // in the first report
    report->boot = collector->boot;
    report->number = number;
    report->from = usage_since(table);
    report->to = now.ms < report->from.ms ? report->from : now;
    report->other_packets = usage.packets;
    report->other_octets = usage.octets;
    report->count = 0;
    while (report->count < USAGE_RECORDS_MAX && usage_next(table, place, &usage))
        report->records[report->count++] =
            (struct usage_record){usage.range, usage.packets, usage.octets};
    return report->count > 0 || report->other_packets > 0;
}
