// SPDX-License-Identifier: BSD-2-Clause
// The durable half of the RUAS: what must survive a crash, in one SQLite database.
//
//     users, tokens, uabs   who may change what
//     mabs                  each MAB's sequence number and running hash
//     micronets             the current micronets, one row each
//     journal               every set ever applied, in the encoding of the wire
//     scheduled             sets that wait, and how others ended
//     audit                 who asked for what, when, from where, and what became of it
//     meta                  schema version, epoch, next number of a scheduled set
//
// A change is one transaction, synced before store_write returns true. A set rewrites the rows of
// exactly the micronets that it touched and appends itself to the journal, so its cost is that of
// the micronets concerned, there never is a pause for a checkpoint of the whole, and a start reads
// rows instead of replaying history. The running hash is compared after loading: rows that
// changed behind our back are found before anybody is answered from them.
//
// All or nothing: when a transaction cannot be written (disk full, I/O error) it is rolled back
// and the next one may try again. Only when the kernel says that syncing failed, nobody can know
// whether the transaction is on the disk: then the process ends, with the command unanswered, and
// the start reads which it was.
#ifndef IVIP_NODE_AUTHORITY_STORE_H
#define IVIP_NODE_AUTHORITY_STORE_H

#include "authority/ruas.h"
#include "base/error.h"
#include "base/instant.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_FILE        "ruas.sqlite" // in the node's state directory, mode 0600
#define AUDIT_NOTED_MAX   1024          // refusals that wait to be written; more are only counted
#define AUDIT_REFUSED_MAX 1000000       // newest lines that keep refusals; changes stay for ever
#define AUDIT_WHAT_MAX    1024          // octets of a refused request; of longer ones the length
#define AUDIT_READ_MAX    (128 * 1024)  // octets of what was asked, in one answer
#define AUDIT_ACTION_MAX  64            // octets of its path, with the final NUL

struct store;

// One line of the audit trail. The texts are the caller's.
struct audit {
    struct wall_time time;
    const char *who;     // a user, or OPERATOR_NAME
    const char *with;    // "password", "token 3f2a91c07b5d8e64", "control", "set 17"
    struct address from; // FAMILY_NONE: this machine
    const char *action;  // "commands", "user-add"
    const char *what;    // JSON
    const char *reason;  // NULL: accepted
    const char *text;    // the sentence of the refusal, or NULL
};

// Opens or makes the database in a directory. Takes the next epoch, which is above all that this
// database gave out before, and at least the time in seconds, so that it grows also when an old
// backup is put back. Only one process can have it open.
struct store *store_open(const char *directory, struct wall_time now, struct error *error);
void store_close(struct store *store);
uint64_t store_epoch(const struct store *store);

// Puts everything stored back into a fresh core. False: something in it cannot be, and the text
// says what to do.
bool store_load(struct store *store, struct ruas *ruas, struct error *error);

// Stores a change under way, and the line of the audit trail for it, durably. On false nothing was
// stored: reason "not-stored".
bool store_write(struct store *store, const struct ruas *ruas, const struct change *change,
                 const struct audit *audit, struct error *error);

// Group commit (ruas_hold): writes a set into a transaction that stays open for more. On false the
// whole transaction is taken back, with all sets held before.
bool store_hold(struct store *store, const struct ruas *ruas, const struct change *change,
                const struct audit *audit, struct error *error);
// Makes what is held durable, all or nothing. Nothing else may be stored or read before.
bool store_settle(struct store *store, struct error *error);

// Notes a refusal, to be written with the next change or store_flush.
void store_note(struct store *store, const struct audit *audit);
// Writes what was noted, and when tokens were used last. Where there is nothing to write but the
// last write failed, it tries whether the database can be written again.
bool store_flush(struct store *store, struct ruas *ruas, struct error *error);

// The newest lines of the audit trail, newest first: a new reference to an array of objects, which
// ends before `limit` with the line that makes it AUDIT_READ_MAX; NULL with `error` filled where
// they cannot be read. `user` NULL: all.
json_t *store_read_audit(struct store *store, const char *user, size_t limit, struct error *error);

// Calls `set` for every set of a MAB in the journal, in order, until it returns false.
typedef bool store_journal_set(void *state, uint64_t sequence, const struct update *updates,
                               size_t count);
bool store_read_journal(struct store *store, const struct ruas *ruas, size_t mab,
                        store_journal_set *set, void *state, struct error *error);

struct store_counters {
    uint64_t written;        // transactions
    uint64_t failed;         // transactions that could not be written
    uint64_t notes_dropped;  // refusals that found no room to wait
    uint64_t write_ns_total; // time spent writing
    uint64_t write_ns_max;
};
const struct store_counters *store_counters(const struct store *store);
// False after a write that failed, until one succeeds; then `why` (of `size`) says what is wrong.
bool store_healthy(const struct store *store, char *why, size_t size);

#endif
