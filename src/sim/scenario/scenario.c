// SPDX-License-Identifier: BSD-2-Clause
#include "sim/scenario/scenario.h"

#include <inttypes.h>

static const char *const check_names[SCENARIO_CHECKS] = {
    "copies",  "age",      "forwarding", "telling",   "amplification",
    "answers", "recovery", "authority",  "discovery", "usage"};

const char *scenario_check_name(size_t index)
{
    return index < SCENARIO_CHECKS ? check_names[index] : NULL;
}

static const char *const event_names[] = {"change",  "map",   "packet", "crash", "cut",
                                          "misstep", "clock", "admin",  "power", "disk",
                                          "zone",    "move",  "name",   "dns",   "mute"};

const char *scenario_event_name(size_t kind)
{
    return kind < sizeof(event_names) / sizeof(event_names[0]) ? event_names[kind] : NULL;
}

static const char *name_of(const struct world_config *config, size_t node)
{
    return node == WORLD_RUAS ? "RUAS" : config->nodes[node].name;
}

static uint64_t ms(struct duration duration)
{
    return duration.ns / 1000000;
}

// Parts of a million, as a percentage with four decimals.
static void write_share(FILE *file, const char *name, uint32_t share)
{
    if (share > 0)
        (void)fprintf(file, ", %s: %" PRIu32 ".%04" PRIu32 "%%", name, share / 10000,
                      share % 10000);
}

static void write_paths(FILE *file, const struct path_conditions *paths)
{
    (void)fprintf(file, "delay: %" PRIu64 "ms, jitter: %" PRIu64 "ms", ms(paths->delay),
                  ms(paths->jitter));
    write_share(file, "loss", paths->loss);
    write_share(file, "duplicated", paths->duplicated);
    write_share(file, "delayed", paths->delayed);
    if (paths->delayed > 0)
        (void)fprintf(file, ", delayed_by: %" PRIu64 "ms", ms(paths->delayed_by));
    write_share(file, "replayed", paths->replayed);
    if (paths->replayed > 0)
        (void)fprintf(file, ", replayed_by: %" PRIu64 "ms", ms(paths->replayed_by));
    if (paths->rate > 0)
        (void)fprintf(file, ", rate: %" PRIu64, paths->rate);
}

static void write_nodes(const struct world_config *config, FILE *file)
{
    static const char *const roles[] = {"qsa", "qsr", "qsc", "itr"};
    (void)fprintf(file, "nodes:\n");
    for (size_t i = 0; i < config->node_count; i++) {
        const struct world_node *node = &config->nodes[i];
        (void)fprintf(file, "  - { name: %s, role: %s", node->name, roles[node->role]);
        (void)fprintf(file, "%s%s%s", node->discovers ? ", discovers: true" : "",
                      node->configured ? ", configured: true" : "", node->old ? ", old: true" : "");
        for (size_t n = 0; n < node->upstream_count; n++)
            (void)fprintf(file, "%s%s", n == 0 ? ", upstreams: [" : ", ",
                          config->nodes[node->upstreams[n]].name);
        (void)fprintf(file, "%s }\n", node->upstream_count > 0 ? "]" : "");
    }
    (void)fprintf(file, "paths: { ");
    write_paths(file, &config->paths);
    (void)fprintf(file, " }\n");
    (void)fprintf(file, "dns: { delay: %" PRIu64 "ms, lag: %" PRIu64 "ms, ttl: %" PRIu64 "ms",
                  ms(config->dns.delay), ms(config->dns.lag), ms(config->dns.ttl));
    write_share(file, "lost", config->dns.lost);
    (void)fprintf(file, " }\n");
    for (size_t i = 0; i < config->link_count; i++) {
        const struct world_link *link = &config->links[i];
        (void)fprintf(file, "%s  - { from: %s, to: %s, ", i == 0 ? "links:\n" : "",
                      name_of(config, link->from), name_of(config, link->to));
        write_paths(file, &link->conditions);
        (void)fprintf(file, " }\n");
    }
}

// The keys that its kind has.
static void write_what(const struct world_config *config, const struct world_event *event,
                       FILE *file)
{
    char range[RANGE_TEXT_MAX];
    char address[ADDRESS_TEXT_MAX];
    const char *zero = event->address.family == FAMILY_NONE ? "zero" : NULL;
    switch (event->kind) {
    case WORLD_CHANGE:
    case WORLD_ADMIN:
    case WORLD_ZONE:
        (void)fprintf(file, ", number: %" PRIu64, event->number);
        break;
    case WORLD_MAP:
        (void)fprintf(file, ", micronet: \"%s\", etr: \"%s\"", range_print(&event->range, range),
                      zero != NULL ? zero : address_print(&event->address, address));
        break;
    case WORLD_PACKET:
        (void)fprintf(file, ", node: %s, address: \"%s\"", name_of(config, event->node),
                      address_print(&event->address, address));
        break;
    case WORLD_CRASH:
    case WORLD_POWER:
    case WORLD_DISK:
        (void)fprintf(file, ", node: %s, for: %" PRIu64 "ms", name_of(config, event->node),
                      ms(event->length));
        break;
    case WORLD_CUT:
    case WORLD_MUTE:
        (void)fprintf(file, ", node: %s, to: %s, both: %s, for: %" PRIu64 "ms",
                      name_of(config, event->node), name_of(config, event->other),
                      event->both ? "true" : "false", ms(event->length));
        break;
    case WORLD_MISSTEP:
        (void)fprintf(file, ", node: %s, both: %s, for: %" PRIu64 "ms",
                      name_of(config, event->node), event->both ? "true" : "false",
                      ms(event->length));
        break;
    case WORLD_MOVE:
        (void)fprintf(file, ", micronet: \"%s\", dsoc: %" PRIu64, range_print(&event->range, range),
                      event->number);
        break;
    case WORLD_NAME:
        (void)fprintf(file, ", node: %s, dsoc: %" PRIu64 ", named: %s",
                      name_of(config, event->node), event->number, event->both ? "true" : "false");
        break;
    case WORLD_DNS:
        (void)fprintf(file, ", outcome: %s, for: %" PRIu64 "ms", dns_outcome_name(event->outcome),
                      ms(event->length));
        break;
    case WORLD_CLOCK:
        (void)fprintf(file, ", %s: %" PRIu64 "ms", event->step_ms < 0 ? "back" : "forward",
                      (uint64_t)(event->step_ms < 0 ? -event->step_ms : event->step_ms));
        break;
    }
}

static void write_event(const struct world_config *config, const struct world_event *event,
                        FILE *file)
{
    (void)fprintf(file, "  - { at: %" PRIu64 "ms, do: %s", ms(event->at),
                  scenario_event_name(event->kind));
    write_what(config, event, file);
    (void)fprintf(file, " }\n");
}

void scenario_write(const struct world_config *config, const char *remark, FILE *file)
{
    (void)fprintf(file, "# %s\nseed: %" PRIu64 "\nlength: %" PRIu64 "ms\nfeed: %s\n", remark,
                  config->seed, ms(config->length), config->ideal_feed ? "ideal" : "push");
    (void)fprintf(file, "feed_lag: %" PRIu64 "ms\ncaching_time: %" PRIu64 "ms\n",
                  ms(config->feed_lag), ms(config->caching_time));
    (void)fprintf(file, "packet_every: %" PRIu64 "ms\nattack_every: %" PRIu64 "ms\n",
                  ms(config->ask_every), ms(config->attack_every));
    (void)fprintf(file, "update_every: %" PRIu64 "ms\nupdate_burst: %" PRIu32 "\n",
                  ms(config->update_every), config->update_burst);
    (void)fprintf(file, "told_max: %zu\ncached_max: %zu\n", config->told_max, config->cached_max);
    for (size_t i = 0, written = 0; i < SCENARIO_CHECKS && config->unchecked != 0; i++)
        if ((config->unchecked >> i & 1) != 0)
            (void)fprintf(file, "%s%s", written++ == 0 ? "unchecked: [" : ", ", check_names[i]);
    (void)fprintf(file, "%s", config->unchecked != 0 ? "]\n" : "");
    write_nodes(config, file);
    for (size_t i = 0; i < config->event_count; i++) {
        (void)fprintf(file, "%s", i == 0 ? "events:\n" : "");
        write_event(config, &config->events[i], file);
    }
}
