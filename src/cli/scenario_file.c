// SPDX-License-Identifier: BSD-2-Clause
#include "cli/scenario_file.h"

#include "sim/scenario/scenario.h"
#include "sim/truth/zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS    1000
#define HOUR_MS      (3600 * SECOND_MS)
#define WEEK_MS      (7 * 24 * HOUR_MS)
#define LENGTH_MS    (24 * HOUR_MS)
#define MEMORY_MAX   1000000 // ranges told or cached
#define RATE_MAX     4000000000
#define SHARE_FACTOR 10000 // a percent in parts of a million

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
    struct file_names names;
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
    {KEY("old", bool, file_node, old)},
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
    {KEY("seed", seed, scenario_file, seed)},
    {KEY("length", duration, scenario_file, length), .required = true, .least = SECOND_MS,
     .most = LENGTH_MS},
    {KEY("feed", text, scenario_file, feed)},
    TIME("feed_lag", scenario_file, feed_lag, HOUR_MS),
    {KEY("caching_time", duration, scenario_file, caching_time), .least = SECOND_MS,
     .most = LENGTH_MS},
    TIME("packet_every", scenario_file, packet_every, HOUR_MS),
    TIME("attack_every", scenario_file, attack_every, HOUR_MS),
    TIME("update_every", scenario_file, update_every, SECOND_MS),
    {KEY("update_burst", number, scenario_file, update_burst), .most = MEMORY_MAX},
    {KEY("told_max", number, scenario_file, told_max), .least = 1, .most = MEMORY_MAX},
    {KEY("cached_max", number, scenario_file, cached_max), .least = 1, .most = MEMORY_MAX},
    {KEY("unchecked", names, scenario_file, unchecked), .most = SCENARIO_CHECKS},
    {KEY("nodes", sections, scenario_file, node_count), .required = true, .keys = &node_keys},
    {KEY("paths", section, scenario_file, paths), .keys = &path_keys},
    {KEY("dns", section, scenario_file, dns), .keys = &dns_keys},
    {KEY("links", sections, scenario_file, link_count), .keys = &link_keys},
    {KEY("events", sections, scenario_file, event_count), .keys = &event_keys},
    {KEY("random", section, scenario_file, random), .keys = &random_keys},
};
KEYS(top, scenario_file);

bool scenario_file_read(struct config_reader *reader, struct scenario_file *file)
{
    static char push[] = "push";
    *file = (struct scenario_file){.feed = push,
                                   .feed_lag = duration_ms(100),
                                   .caching_time = duration_s(600),
                                   .packet_every = duration_ms(100),
                                   .told_max = 100000,
                                   .cached_max = 10000};
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root == NULL)
        return error_set(reader->error, ERROR_INPUT, "bad-config", "%s:1:1: the file is empty",
                         reader->path);
    return config_read_mapping(reader, root, &top_keys, file);
}
