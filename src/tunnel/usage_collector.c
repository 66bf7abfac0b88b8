// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/usage_collector.h"

#include <assert.h>

void usage_collector_start(struct usage_collector *collector, uint64_t boot, struct duration period,
                           struct wall_time now)
{
    assert(period.ns >= 1000000);
    *collector = (struct usage_collector){boot, period, now};
}

static uint64_t period_of(const struct usage_collector *collector, struct wall_time time)
{
    return time.ms / (collector->period.ns / 1000000);
}

bool usage_collector_due(const struct usage_collector *collector, struct wall_time now)
{
    return period_of(collector, now) != period_of(collector, collector->from);
}

bool usage_collector_take(const struct usage_collector *collector, struct usage_table *table,
                          uint64_t number, struct wall_time now, struct usage_report *report)
{
    struct usage usage;
    struct usage other = usage_take_uncounted(table);
    report->boot = collector->boot;
    report->number = number;
    report->from = collector->from;
    report->to = now.ms < collector->from.ms ? collector->from : now;
    report->other_packets = other.packets;
    report->other_octets = other.octets;
    report->count = 0;
    while (report->count < USAGE_RECORDS_MAX && usage_take(table, &usage))
        report->records[report->count++] =
            (struct usage_record){usage.range, usage.packets, usage.octets};
    return report->count > 0 || other.packets > 0;
}

void usage_collector_put_back(struct usage_table *table, const struct usage_report *report)
{
    for (uint32_t i = 0; i < report->count; i++)
        usage_add(table, &report->records[i].range, report->records[i].packets,
                  report->records[i].octets);
    usage_add_uncounted(table, report->other_packets, report->other_octets);
}

void usage_collector_next(struct usage_collector *collector, struct wall_time now)
{
    collector->from = now;
}
