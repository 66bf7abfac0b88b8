// SPDX-License-Identifier: BSD-2-Clause
// The insides of discovery, shared by its files: discovery.c asks and takes answers,
// discovery_version.c makes of all pages together another set of MABs.
#ifndef IVIP_QUERY_DISCOVERY_STATE_H
#define IVIP_QUERY_DISCOVERY_STATE_H

#include "base/hash.h"
#include "base/table.h"
#include "query/discovery.h"
#include "query/mab_index.h"

#define DOMAIN_TEXT_MAX (DISCOVERY_DOMAIN_MAX + 1)

struct dsoc {
    struct table_node by_label;
    uint32_t number;
    char label[DNS_LABEL_TEXT_MAX];
    struct service *service; // owned
    bool kept;               // scratch, while versions change
    bool changed;            // its event is to come
};

struct discovery {
    char domain[DOMAIN_TEXT_MAX];
    size_t open;
    struct hash_key key;
    struct table labels; // struct dsoc
    // The root
    bool root_open;
    bool gathering; // pages are being fetched for `wanted`
    unsigned failures;
    struct instant root_due;
    uint32_t root_ttl;
    struct mab_root wanted;
    struct mab_root current; // page "" before the first version
    struct mab_index index;
    // What it says
    struct mab_entries entries;
    struct mab_table *mabs;
    size_t refused_count;
    struct prefix *refused;                  // owned
    struct dsoc *dsocs[DISCOVERY_DSOCS_MAX]; // owned; NULL where a number is free
    size_t dsocs_end;                        // all numbers from here on are free
    // Changes not told yet
    size_t change_count;
    size_t change_next;
    struct discovery_event *changes; // owned
    struct discovery_counters counters;
};

// discovery_version.c

// Puts another set of MABs, the one that `wanted` stands for, in the place of what is known, and
// notes what changed. Takes over what the entries own. False where they name too many DSOCs; then
// nothing changed.
bool discovery_take_version(struct discovery *discovery, struct instant now,
                            struct mab_entries *entries);
// Frees all DSOCs.
void discovery_release_dsocs(struct discovery *discovery);

#endif
