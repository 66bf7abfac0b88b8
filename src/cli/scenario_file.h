// SPDX-License-Identifier: BSD-2-Clause
// A scenario file as it is written: nodes, paths and events with names as texts
// (docs/simulator.md). scenario.c makes a world's config of it.
#ifndef IVIP_CLI_SCENARIO_FILE_H
#define IVIP_CLI_SCENARIO_FILE_H

#include "base/instant.h"
#include "node/config/config_read.h"
#include "sim/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_names {
    size_t count;
    char **items;
};

struct file_node {
    char *name, *role;
    bool discovers, configured, old;
    struct file_names upstreams;
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

struct scenario_file {
    uint64_t seed;
    struct duration length, feed_lag, caching_time, packet_every, attack_every, update_every;
    char *feed;
    uint32_t update_burst, told_max, cached_max;
    struct file_names unchecked;
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

// Reads the file that the reader has open, by tables of keys as a node's config is. What the file
// leaves out is at its default; texts and lists belong to the reader's memory.
bool scenario_file_read(struct config_reader *reader, struct scenario_file *file);

#endif
