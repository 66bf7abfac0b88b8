// SPDX-License-Identifier: BSD-2-Clause
// The disk of the simulated RUAS: what its store keeps in SQLite (node/authority/store.h), as
// tables. What was written and not synced is lost when the power fails, or survives whole.
//
//     disk_write, disk_write ... -> disk_sync -> tables -> disk_load, after a crash
//                      \-> disk_drop
//
// As in the real store a set rewrites the rows of the ranges that it touched and no others, so a
// core that says wrongly what it touched is found out at the next start.
#ifndef IVIP_SIM_NODES_DISK_H
#define IVIP_SIM_NODES_DISK_H

#include "authority/ruas.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_MABS_MAX 2

// A change as it is written. All that its pointers lead to is its own, but `change.scheduled.set`,
// which the disk keeps.
struct disk_record {
    struct list_node place;
    struct change change;
    struct grant grant;              // a set: of whoever asked for it now
    char token_text[TOKEN_TEXT_MAX]; // a token: its secret, which only its user has
    size_t micronet_count;           // a set: what is in the touched ranges after it
    struct micronet *micronets;
};

struct disk;

struct disk *disk_new(size_t mab_count);
void disk_free(struct disk *disk);

// Writes a change under way, or held, into the transaction that is open. The caller may fill in
// what the record says of who asked.
struct disk_record *disk_write(struct disk *disk, const struct ruas *ruas,
                               const struct change *change);
// Makes what was written durable.
void disk_sync(struct disk *disk);
// It never was written.
void disk_drop(struct disk *disk);
// The next record that is durable, in order, for whoever tells the world of it; NULL: no more.
struct disk_record *disk_next(struct disk *disk);
void disk_record_free(struct disk_record *record);

// Puts everything back into a fresh core.
bool disk_load(const struct disk *disk, struct ruas *ruas, struct error *error);

#endif
