// SPDX-License-Identifier: BSD-2-Clause
// The file is first read into structs that are like it, names as texts, by tables of keys as a
// node's config is; then names become numbers.
#include "cli/scenario.h"

#include "base/memory.h"
#include "node/config/config_read.h"
#include "sim/scenario/scenario.h"
#include "sim/truth/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS    1000
#define HOUR_MS      (3600 * SECOND_MS)
#define WEEK_MS      (7 * 24 * HOUR_MS)
#define LENGTH_MS    (24 * HOUR_MS)
#define MEMORY_MAX   1000000 // ranges told or cached
#define RATE_MAX     4000000000
#define SHARE_FACTOR 10000 // a percent in parts of a million

struct names {
    size_t count;
    char **items;
};

struct file_node {
    char *name, *role;
    bool discovers, configured;
    struct names upstreams;
};

struct file_link {
    char *from, *to;
    struct path_conditions paths;
    uint32_t rate;
};

struct file_event {
    struct duration at, length, forward, back;
    char *what, *node, *other, *micronet, *etr, *address, *outcome;
    bool both, named;
    uint32_t number, dsoc;
};

struct file {
    uint64_t seed;
    struct duration length, feed_lag, caching_time, packet_every, attack_every;
    char *feed;
    uint32_t told_max, cached_max;
    struct names unchecked;
    size_t node_count;
    struct file_node *nodes;
    struct file_link *paths;
    struct world_dns_conditions *dns;
    size_t link_count;
    struct file_link *links;
    size_t event_count;
    struct file_event *events;
    struct world_rates *random;
};

// Values that a node's config has not

static const char *text_of(struct config_reader *reader, const yaml_node_t *node,
                           const char *expected)
{
    if (node->type == YAML_SCALAR_NODE)
        return (const char *)node->data.scalar.value;
    (void)config_refuse(reader, node, "%s was expected", expected);
    return NULL;
}

static bool config_read_seed(struct config_reader *reader, yaml_node_t *node,
                             const struct config_key *key, void *field)
{
    (void)key;
    const char *text = text_of(reader, node, "a number");
    char *end = NULL;
    if (text == NULL)
        return false;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return config_refuse(reader, node, "a number was expected, not \"%.40s\"", text);
    memcpy(field, &value, sizeof(value));
    return true;
}

static bool config_read_share(struct config_reader *reader, yaml_node_t *node,
                              const struct config_key *key, void *field)
{
    (void)key;
    const char *text = text_of(reader, node, "a share such as 2.5%");
    char *end = NULL;
    if (text == NULL)
        return false;
    double value = strtod(text, &end);
    if (text[0] < '0' || text[0] > '9' || strcmp(end, "%") != 0 || !(value <= 100))
        return config_refuse(reader, node, "a share such as 2.5%% was expected, not \"%.40s\"",
                             text);
    uint32_t share = (uint32_t)(value * SHARE_FACTOR + 0.5);
    memcpy(field, &share, sizeof(share));
    return true;
}

static bool config_read_names(struct config_reader *reader, yaml_node_t *node,
                              const struct config_key *key, void *field)
{
    struct names names;
    if (node->type != YAML_SEQUENCE_NODE)
        return config_refuse(reader, node, "a list was expected, such as [QSA1, QSA2]");
    const yaml_node_item_t *items = node->data.sequence.items.start;
    names.count = (size_t)(node->data.sequence.items.top - items);
    if (names.count > key->most)
        return config_refuse(reader, node, "at most %llu may be listed",
                             (unsigned long long)key->most);
    names.items = config_memory_new(reader->memory, names.count, sizeof(char *));
    for (size_t i = 0; i < names.count; i++) {
        yaml_node_t *item = yaml_document_get_node(&reader->document, items[i]);
        if (!config_read_text(reader, item, key, &names.items[i]))
            return false;
    }
    memcpy(field, &names, sizeof(names));
    return true;
}

// The keys

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY(text, kind, type, field)                                                               \
    .name = (text), .read = config_read_##kind, .offset = offsetof(struct type, field)
#define TIME(text, type, field, longest)                                                           \
    {                                                                                              \
        KEY(text, duration, type, field), .most = (longest)                                        \
    }
#define KEYS(name, type)                                                                           \
    static const struct config_keys name##_keys = {name##_items, COUNT(name##_items),              \
                                                   sizeof(struct type)}

static const struct config_key node_items[] = {
    {KEY("name", text, file_node, name), .required = true},
    {KEY("role", text, file_node, role), .required = true},
    {KEY("discovers", bool, file_node, discovers)},
    {KEY("configured", bool, file_node, configured)},
    {KEY("upstreams", names, file_node, upstreams), .most = QUERIER_UPSTREAMS_MAX},
};
KEYS(node, file_node);

#define PATH_KEYS                                                                                  \
    TIME("delay", file_link, paths.delay, HOUR_MS),                                                \
        TIME("jitter", file_link, paths.jitter, HOUR_MS),                                          \
        {KEY("loss", share, file_link, paths.loss)},                                               \
        {KEY("duplicated", share, file_link, paths.duplicated)},                                   \
        {KEY("delayed", share, file_link, paths.delayed)},                                         \
        TIME("delayed_by", file_link, paths.delayed_by, HOUR_MS),                                  \
        {KEY("replayed", share, file_link, paths.replayed)},                                       \
        TIME("replayed_by", file_link, paths.replayed_by, HOUR_MS),                                \
    {                                                                                              \
        KEY("rate", number, file_link, rate), .most = RATE_MAX                                     \
    }

static const struct config_key path_items[] = {PATH_KEYS};
KEYS(path, file_link);

static const struct config_key link_items[] = {
    {KEY("from", text, file_link, from), .required = true},
    {KEY("to", text, file_link, to), .required = true},
    PATH_KEYS,
};
KEYS(link, file_link);

static const struct config_key dns_items[] = {
    TIME("delay", world_dns_conditions, delay, HOUR_MS),
    TIME("lag", world_dns_conditions, lag, HOUR_MS),
    TIME("ttl", world_dns_conditions, ttl, WEEK_MS),
    {KEY("lost", share, world_dns_conditions, lost)},
};
KEYS(dns, world_dns_conditions);

static const struct config_key event_items[] = {
    {KEY("at", duration, file_event, at), .required = true, .most = LENGTH_MS},
    {KEY("do", text, file_event, what), .required = true},
    {KEY("node", text, file_event, node)},
    {KEY("to", text, file_event, other)},
    {KEY("micronet", text, file_event, micronet)},
    {KEY("etr", text, file_event, etr)},
    {KEY("address", text, file_event, address)},
    {KEY("outcome", text, file_event, outcome)},
    {KEY("both", bool, file_event, both)},
    {KEY("named", bool, file_event, named)},
    {KEY("dsoc", number, file_event, dsoc), .most = ZONE_DSOCS},
    {KEY("number", number, file_event, number), .most = UINT32_MAX},
    TIME("for", file_event, length, LENGTH_MS),
    TIME("forward", file_event, forward, WEEK_MS),
    TIME("back", file_event, back, WEEK_MS),
};
KEYS(event, file_event);

static const struct config_key random_items[] = {
    TIME("changes", world_rates, change, HOUR_MS),
    TIME("crashes", world_rates, crash, HOUR_MS),
    TIME("cuts", world_rates, cut, HOUR_MS),
    TIME("missteps", world_rates, misstep, HOUR_MS),
    TIME("clock_steps", world_rates, clock, HOUR_MS),
    TIME("acts", world_rates, admin, HOUR_MS),
    TIME("power_cuts", world_rates, power, HOUR_MS),
    TIME("full_disks", world_rates, disk, HOUR_MS),
    TIME("zone_changes", world_rates, zone, HOUR_MS),
    TIME("dns_troubles", world_rates, dns, HOUR_MS),
};
KEYS(random, world_rates);

static const struct config_key top_items[] = {
    {KEY("seed", seed, file, seed)},
    {KEY("length", duration, file, length), .required = true, .least = SECOND_MS,
     .most = LENGTH_MS},
    {KEY("feed", text, file, feed)},
    TIME("feed_lag", file, feed_lag, HOUR_MS),
    {KEY("caching_time", duration, file, caching_time), .least = SECOND_MS, .most = LENGTH_MS},
    TIME("packet_every", file, packet_every, HOUR_MS),
    TIME("attack_every", file, attack_every, HOUR_MS),
    {KEY("told_max", number, file, told_max), .least = 1, .most = MEMORY_MAX},
    {KEY("cached_max", number, file, cached_max), .least = 1, .most = MEMORY_MAX},
    {KEY("unchecked", names, file, unchecked), .most = SCENARIO_CHECKS},
    {KEY("nodes", sections, file, node_count), .required = true, .keys = &node_keys},
    {KEY("paths", section, file, paths), .keys = &path_keys},
    {KEY("dns", section, file, dns), .keys = &dns_keys},
    {KEY("links", sections, file, link_count), .keys = &link_keys},
    {KEY("events", sections, file, event_count), .keys = &event_keys},
    {KEY("random", section, file, random), .keys = &random_keys},
};
KEYS(top, file);

// From names to numbers

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
    for (size_t i = 0; i < COUNT(roles); i++)
        if (strcmp(roles[i], text) == 0) {
            *role = (enum world_role)i;
            return true;
        }
    return false;
}

// Nodes in the order of their roles, which is that of the world.
static bool read_nodes(struct reading *reading, const struct file *file)
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
            (void)snprintf(to->name, sizeof(to->name), "%s", from->name);
        }
    for (size_t n = 0; n < config->node_count; n++) {
        const struct names *upstreams = &file->nodes[sources[n]].upstreams;
        struct world_node *to = &config->nodes[n];
        for (; to->upstream_count < upstreams->count; to->upstream_count++)
            if (!find_node(reading, "nodes", sources[n], upstreams->items[to->upstream_count],
                           false, &to->upstreams[to->upstream_count]))
                return false;
    }
    return true;
}

static bool read_links(struct reading *reading, const struct file *file)
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

static bool read_unchecked(struct reading *reading, const struct file *file)
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

static bool resolve(struct reading *reading, const struct file *file)
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
    char push[] = "push";
    struct file file = {.feed = push,
                        .feed_lag = duration_ms(100),
                        .caching_time = duration_s(600),
                        .packet_every = duration_ms(100),
                        .told_max = 100000,
                        .cached_max = 10000};
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root == NULL)
        return error_set(reader->error, ERROR_INPUT, "bad-config", "%s:1:1: the file is empty",
                         reader->path);
    if (!config_read_mapping(reader, root, &top_keys, &file))
        return false;
    *config = (struct world_config){.seed = seed != NULL ? *seed : file.seed,
                                    .length = file.length,
                                    .feed_lag = file.feed_lag,
                                    .caching_time = file.caching_time,
                                    .ask_every = file.packet_every,
                                    .attack_every = file.attack_every,
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
