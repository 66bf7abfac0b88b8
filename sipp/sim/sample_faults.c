// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/sim/sample.h"

// Long enough for hosts to hear a new router, for announcements to run out, and for a home station
// that was started again to be registered with.
#define HEALING_S 45

static bool suffers(const struct sample *sample, enum sample_fault fault)
{
    return (sample->shape.faults & (unsigned)fault) != 0;
}

// A router of a domain or a provider; not one of the two with the loop, whose route is fixed.
static size_t random_router(struct sample *sample)
{
    size_t providers = sample->shape.providers - 2;
    uint64_t one = random_below(&sample->random, providers + sample->domain_count);
    return one < providers ? sample->provider_nodes[2 + one]
                           : sample->domains[one - providers].router;
}

static void crash(struct sample *sample)
{
    size_t node = random_router(sample);
    struct node_config config = {.router = true, .errors_per_second = 1000000};
    for (size_t i = 0; i < sample->domain_count; i++) {
        if (sample->domains[i].router == node)
            config.base_station = suffers(sample, FAULT_MOVES) && !sample->domains[i].extended;
    }
    fabric_stop(sample->fabric, node);
    fabric_route(sample->fabric);
    sample_disturb(sample);
    (void)fabric_start(sample->fabric, node, &config);
    sample_equip_router(sample, node);
    sample->crashes++;
}

// A domain loses one of its providers, where it has another one.
static void cut(struct sample *sample)
{
    struct sample_domain *domain =
        &sample->domains[random_below(&sample->random, sample->domain_count)];
    const struct sample_uplink *uplink =
        &domain->uplinks[random_below(&sample->random, domain->uplink_count)];
    if (domain->uplink_count < 2)
        return;
    fabric_unplug(sample->fabric, domain->router, uplink->interface);
    fabric_route(sample->fabric);
    fabric_run(sample->fabric, duration_s(HEALING_S));
    // Its addresses under that provider are reached through the other one.
    sample_exchange(sample);
    fabric_replug(sample->fabric, uplink->wire, domain->router, uplink->interface);
    sample->cuts++;
}

static void move(struct sample *sample)
{
    struct sample_mobile *mobile =
        &sample->mobiles[random_below(&sample->random, sample->mobile_count)];
    const struct sample_mobile *other =
        &sample->mobiles[random_below(&sample->random, sample->mobile_count)];
    size_t node = sample->hosts[mobile->host].node;
    if (mobile->place == other->home)
        return;
    mobile->place = other->home;
    fabric_unplug(sample->fabric, node, 0);
    fabric_replug(sample->fabric, sample->domains[mobile->place].wire, node, 0);
    sample->moves++;
}

void sample_suffer(struct sample *sample)
{
    if (suffers(sample, FAULT_CRASHES))
        crash(sample);
    if (suffers(sample, FAULT_CUTS))
        cut(sample);
    for (int i = 0; suffers(sample, FAULT_MOVES) && sample->mobile_count > 1 && i < 3; i++)
        move(sample);
    if ((sample->shape.faults & (FAULT_CRASHES | FAULT_CUTS | FAULT_MOVES)) == 0)
        return;
    fabric_route(sample->fabric);
    fabric_run(sample->fabric, duration_s(HEALING_S));
}
