// SPDX-License-Identifier: BSD-2-Clause
// The file is first read as it is, names as texts (scenario_file.c); here names become numbers.
#include "cli/scenario.h"

#include "base/memory.h"
#include "cli/scenario_file.h"
#include "sim/scenario/scenario.h"
#include "sim/truth/zone.h"

#include <stdio.h>
#include <string.h>

struct reading {
    struct config_reader *reader;
    struct world_config *config;
};

static bool find_node(const struct reading *reading, const char *section, size_t index,
                      const char *name, bool ruas, size_t *number)
{
    const struct world_config *config = reading->config;
    if (name == NULL)
        return config_refuse_key(reading->reader, section, index, "a node is to be named here");
    if (ruas && strcmp(name, "RUAS") == 0) {
        *number = WORLD_RUAS;
        return true;
    }
    for (*number = 0; *number < config->node_count; ++*number)
        if (strcmp(config->nodes[*number].name, name) == 0)
            return true;
    return config_refuse_key(reading->reader, section, index, "no node is called \"%.40s\"", name);
}

static bool find_role(const char *text, enum world_role *role)
{
    static const char *const roles[] = {"qsa", "qsr", "qsc", "itr"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(roles[i], text) == 0) {
            *role = (enum world_role)i;
            return true;
        }
    return false;
}

// Nodes in the order of their roles, which is that of the world.
static bool read_nodes(struct reading *reading, const struct scenario_file *file)
{
    struct world_config *config = reading->config;
    size_t sources[WORLD_NODES_MAX];
    if (file->node_count > WORLD_NODES_MAX)
        return config_refuse_key(reading->reader, "nodes", SIZE_MAX, "at most %d nodes",
                                 WORLD_NODES_MAX);
    for (int wanted = WORLD_QSA; wanted <= WORLD_ITR; wanted++)
        for (size_t i = 0; i < file->node_count; i++) {
            const struct file_node *from = &file->nodes[i];
            enum world_role role;
            if (!find_role(from->role, &role))
                return config_refuse_key(reading->reader, "nodes", i,
                                         "a role is qsa, qsr, qsc or itr, not \"%.40s\"",
                                         from->role);
            if (strlen(from->name) >= WORLD_NAME_MAX || strcmp(from->name, "RUAS") == 0)
                return config_refuse_key(reading->reader, "nodes", i,
                                         "a name has at most %d characters, and is not RUAS",
                                         WORLD_NAME_MAX - 1);
            if ((int)role != wanted)
                continue;
            sources[config->node_count] = i;
            struct world_node *to = &config->nodes[config->node_count++];
            to->role = role;
            to->discovers = from->discovers;
            to->configured = from->configured;
            to->old = from->old;
            (void)snprintf(to->name, sizeof(to->name), "%s", from->name);
        }
    for (size_t n = 0; n < config->node_count; n++) {
        const struct file_names *upstreams = &file->nodes[sources[n]].upstreams;
        struct world_node *to = &config->nodes[n];
        for (; to->upstream_count < upstreams->count; to->upstream_count++)
            if (!find_node(reading, "nodes", sources[n], upstreams->items[to->upstream_count],
                           false, &to->upstreams[to->upstream_count]))
                return false;
    }
    return true;
}

static bool read_links(struct reading *reading, const struct scenario_file *file)
{
    struct world_config *config = reading->config;
    if (file->paths != NULL) {
        config->paths = file->paths->paths;
        config->paths.rate = file->paths->rate;
    }
    if (file->dns != NULL)
        config->dns = *file->dns;
    config->links = memory_new_array(file->link_count, sizeof(*config->links));
    for (size_t i = 0; i < file->link_count; i++) {
        struct world_link *link = &config->links[config->link_count++];
        link->conditions = file->links[i].paths;
        link->conditions.rate = file->links[i].rate;
        if (!find_node(reading, "links", i, file->links[i].from, true, &link->from) ||
            !find_node(reading, "links", i, file->links[i].to, true, &link->to))
            return false;
    }
    return true;
}

static bool read_mapping(struct reading *reading, size_t i, const struct file_event *from,
                         struct world_event *to)
{
    struct error error = {0};
    if (from->micronet == NULL || from->etr == NULL)
        return config_refuse_key(reading->reader, "events", i,
                                 "map needs a micronet and an etr (or zero)");
    if (!range_parse(from->micronet, &to->range, &error) ||
        (strcmp(from->etr, "zero") != 0 && !address_parse(from->etr, &to->address, &error)))
        return config_refuse_key(reading->reader, "events", i, "%s", error.text);
    return true;
}

static bool read_packet(struct reading *reading, size_t i, const struct file_event *from,
                        struct world_event *to)
{
    struct error error = {0};
    if (from->address == NULL)
        return config_refuse_key(reading->reader, "events", i, "packet needs an address");
    if (!address_parse(from->address, &to->address, &error))
        return config_refuse_key(reading->reader, "events", i, "%s", error.text);
    return find_node(reading, "events", i, from->node, false, &to->node);
}

static bool read_move(struct reading *reading, size_t i, const struct file_event *from,
                      struct world_event *to)
{
    struct error error = {0};
    to->number = from->dsoc;
    if (from->micronet == NULL)
        return config_refuse_key(reading->reader, "events", i, "move needs a MAB as its micronet");
    return range_parse(from->micronet, &to->range, &error) ||
           config_refuse_key(reading->reader, "events", i, "%s", error.text);
}

static bool read_outcome(struct reading *reading, size_t i, const struct file_event *from,
                         struct world_event *to)
{
    for (enum dns_outcome outcome = DNS_INSECURE; outcome < DNS_OUTCOMES; outcome++)
        if (from->outcome != NULL && strcmp(dns_outcome_name(outcome), from->outcome) == 0) {
            to->outcome = outcome;
            return true;
        }
    return config_refuse_key(reading->reader, "events", i,
                             "dns needs an outcome: insecure, bogus or failed");
}

// The nodes that an event names, one or two of them.
static bool read_places(struct reading *reading, size_t i, const struct file_event *from,
                        struct world_event *to)
{
    bool ruas = to->kind == WORLD_CRASH || to->kind == WORLD_CUT || to->kind == WORLD_POWER ||
                to->kind == WORLD_DISK;
    bool path = to->kind == WORLD_CUT || to->kind == WORLD_MUTE;
    return find_node(reading, "events", i, from->node, ruas, &to->node) &&
           (!path || find_node(reading, "events", i, from->other, ruas, &to->other));
}

static bool read_what(struct reading *reading, size_t i, const struct file_event *from,
                      struct world_event *to)
{
    switch (to->kind) {
    case WORLD_CHANGE:
    case WORLD_CLOCK:
    case WORLD_ADMIN:
    case WORLD_ZONE:
        return true;
    case WORLD_MAP:
        return read_mapping(reading, i, from, to);
    case WORLD_PACKET:
        return read_packet(reading, i, from, to);
    case WORLD_CRASH:
    case WORLD_CUT:
    case WORLD_POWER:
    case WORLD_DISK:
    case WORLD_MISSTEP:
    case WORLD_MUTE:
        return read_places(reading, i, from, to);
    case WORLD_MOVE:
        return read_move(reading, i, from, to);
    case WORLD_NAME:
        to->number = from->dsoc;
        to->both = from->named;
        return from->dsoc > 0 ? read_places(reading, i, from, to)
                              : config_refuse_key(reading->reader, "events", i,
                                                  "name needs a dsoc, from 1 to %d", ZONE_DSOCS);
    case WORLD_DNS:
        return read_outcome(reading, i, from, to);
    }
    return false;
}

static bool read_event(struct reading *reading, size_t i, const struct file_event *from)
{
    size_t kind = 0;
    while (scenario_event_name(kind) != NULL && strcmp(scenario_event_name(kind), from->what) != 0)
        kind++;
    if (scenario_event_name(kind) == NULL)
        return config_refuse_key(reading->reader, "events", i,
                                 "an event was expected, such as map, crash or cut "
                                 "(docs/simulator.md lists them), not \"%.40s\"",
                                 from->what);
    struct world_event to = {.kind = (enum world_event_kind)kind,
                             .at = from->at,
                             .length = from->length,
                             .both = from->both,
                             .number = from->number};
    to.step_ms = (int64_t)(from->forward.ns / 1000000) - (int64_t)(from->back.ns / 1000000);
    if (!read_what(reading, i, from, &to))
        return false;
    world_add_event(reading->config, &to);
    return true;
}

static bool read_unchecked(struct reading *reading, const struct scenario_file *file)
{
    for (size_t i = 0; i < file->unchecked.count; i++) {
        size_t check = 0;
        while (check < SCENARIO_CHECKS &&
               strcmp(scenario_check_name(check), file->unchecked.items[i]) != 0)
            check++;
        if (check == SCENARIO_CHECKS)
            return config_refuse_key(reading->reader, "unchecked", i,
                                     "a check was expected, such as age or copies "
                                     "(docs/simulator.md lists them), not \"%.40s\"",
                                     file->unchecked.items[i]);
        reading->config->unchecked |= 1u << check;
    }
    return true;
}

static bool resolve(struct reading *reading, const struct scenario_file *file)
{
    struct world_config *config = reading->config;
    config->ideal_feed = strcmp(file->feed, "ideal") == 0;
    if (!config->ideal_feed && strcmp(file->feed, "push") != 0)
        return config_refuse_key(reading->reader, "feed", SIZE_MAX, "push or ideal was expected");
    if (!read_nodes(reading, file) || !read_links(reading, file) || !read_unchecked(reading, file))
        return false;
    for (size_t i = 0; i < file->event_count; i++)
        if (!read_event(reading, i, &file->events[i]))
            return false;
    if (file->random != NULL)
        world_add_random_events(config, file->random);
    struct error error = {0};
    return world_config_check(config, &error) ||
           config_refuse_key(reading->reader, "", SIZE_MAX, "%s", error.text);
}

static bool read_document(struct config_reader *reader, const uint64_t *seed,
                          struct world_config *config)
{
    struct scenario_file file;
    if (!scenario_file_read(reader, &file))
        return false;
    *config = (struct world_config){.seed = seed != NULL ? *seed : file.seed,
                                    .length = file.length,
                                    .feed_lag = file.feed_lag,
                                    .caching_time = file.caching_time,
                                    .ask_every = file.packet_every,
                                    .attack_every = file.attack_every,
                                    .update_every = file.update_every,
                                    .update_burst = file.update_burst,
                                    .told_max = file.told_max,
                                    .cached_max = file.cached_max};
    struct reading reading = {reader, config};
    return resolve(&reading, &file);
}

bool scenario_read(const char *path, const uint64_t *seed, struct world_config *config,
                   struct error *error)
{
    struct config_memory memory = {0};
    struct config_reader reader;
    *config = (struct world_config){0};
    bool good = config_reader_open(&reader, path, &memory, error);
    if (good) {
        good = read_document(&reader, seed, config);
        config_reader_close(&reader);
    }
    if (!good)
        world_config_release(config);
    config_memory_release(&memory);
    return good;
}
