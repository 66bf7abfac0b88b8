// SPDX-License-Identifier: BSD-2-Clause
// What is inside a struct store; only for store*.c.
#ifndef IVIP_NODE_AUTHORITY_STORE_STATE_H
#define IVIP_NODE_AUTHORITY_STORE_STATE_H

#include "node/authority/store.h"

#include <sqlite3.h>

// Every statement, by name; store.c has their texts, and prepares each once.
enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_GET_META,
    STATEMENT_SET_META,
    STATEMENT_ADD_USER,
    STATEMENT_SET_PASSWORD,
    STATEMENT_REMOVE_USER,
    STATEMENT_REMOVE_USER_TOKENS,
    STATEMENT_REMOVE_USER_SCHEDULED,
    STATEMENT_ALL_USERS,
    STATEMENT_ADD_TOKEN,
    STATEMENT_REMOVE_TOKEN,
    STATEMENT_USE_TOKEN,
    STATEMENT_ALL_TOKENS,
    STATEMENT_ADD_UAB,
    STATEMENT_REMOVE_UAB,
    STATEMENT_ALL_UABS,
    STATEMENT_ADD_MAB,
    STATEMENT_GET_MAB,
    STATEMENT_SET_MAB,
    STATEMENT_REMOVE_MICRONETS,
    STATEMENT_ADD_MICRONET,
    STATEMENT_ALL_MICRONETS,
    STATEMENT_ADD_JOURNAL,
    STATEMENT_ALL_JOURNAL,
    STATEMENT_ADD_SCHEDULED,
    STATEMENT_END_SCHEDULED,
    STATEMENT_REMOVE_SCHEDULED,
    STATEMENT_ALL_SCHEDULED,
    STATEMENT_ADD_AUDIT,
    STATEMENT_PRUNE_AUDIT,
    STATEMENT_READ_AUDIT,
    STATEMENT_READ_AUDIT_OF,
    STATEMENTS,
};

// A refusal that waits to be written; its texts are copies.
struct noted {
    struct audit audit;
    char *texts[6];
};

struct store {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    char *path;
    uint64_t epoch;
    int64_t *mab_ids; // of each MAB number of the core; filled by store_load
    size_t mab_count;
    struct noted noted[AUDIT_NOTED_MAX];
    size_t noted_count;
    uint64_t noted_written; // since the start, to prune now and then
    struct store_counters counters;
    bool holding; // a transaction is open for sets that are held
    bool failing;
    char why[ERROR_TEXT_MAX];
};

// Binds arguments by `types`: "i" int64_t, "t" const char * (NULL is SQL's), "b" const void * and
// size_t (a copy is taken). The statement is then ready to step.
sqlite3_stmt *store_bind(struct store *store, enum statement statement, const char *types, ...);
// Binds and steps a statement that gives no rows; false where SQLite refused.
bool store_run(struct store *store, enum statement statement, const char *types, ...);
// Steps to the next row; false at the end and where SQLite refused (then *failed). Resets at the
// end.
bool store_row(sqlite3_stmt *statement, bool *failed);

// A column as a text; "" where it is NULL.
const char *store_text(sqlite3_stmt *statement, int column);

// A number of table `meta`: 0 where it was never set; false where it cannot be read.
bool store_get_meta(struct store *store, const char *name, uint64_t *value, struct error *error);

bool store_begin(struct store *store);
bool store_commit(struct store *store);
// Takes back the transaction, notes why, and fills `error` with "not-stored".
bool store_fail(struct store *store, struct error *error);
// Writes what waits in `noted`, as a part of a transaction; once that is committed,
// store_noted_written forgets it.
bool store_write_noted(struct store *store);
void store_noted_written(struct store *store);
// Adds a line to the audit trail; `mab` and `sequence` 0 where the change is no set.
bool store_write_audit(struct store *store, const struct audit *audit, int64_t mab,
                       uint64_t sequence);

#endif
