// SPDX-License-Identifier: BSD-2-Clause
// The store's database: opening, statements, transactions, and what happens when one fails.
#include "node/authority/store.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/authority/store_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1

// Micronets hold their place as units from the start of their MAB, so that IPv6 units, which
// SQLite's signed numbers could not order, fit as well.
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS users(name TEXT PRIMARY KEY, password TEXT NOT NULL,"
    " created INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS tokens(digest BLOB PRIMARY KEY, user TEXT NOT NULL,"
    " scope INTEGER NOT NULL, only TEXT, created INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " used INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS uabs(range TEXT PRIMARY KEY, user TEXT NOT NULL,"
    " micronets_max INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mabs(id INTEGER PRIMARY KEY, prefix TEXT NOT NULL UNIQUE,"
    " sequence INTEGER NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS micronets(mab INTEGER NOT NULL, start INTEGER NOT NULL,"
    " length INTEGER NOT NULL, etr BLOB NOT NULL, PRIMARY KEY(mab, start)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS journal(mab INTEGER NOT NULL, sequence INTEGER NOT NULL,"
    " time INTEGER NOT NULL, updates BLOB NOT NULL, PRIMARY KEY(mab, sequence)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS scheduled(id INTEGER PRIMARY KEY, user TEXT NOT NULL,"
    " scope INTEGER NOT NULL, only TEXT, token BLOB, source TEXT NOT NULL, made INTEGER NOT NULL,"
    " at INTEGER NOT NULL, commands TEXT NOT NULL, state INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, sequence INTEGER NOT NULL, reason TEXT, text TEXT);"
    "CREATE TABLE IF NOT EXISTS audit(id INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
    " who TEXT NOT NULL, with_what TEXT NOT NULL, source TEXT NOT NULL, action TEXT NOT NULL,"
    " what TEXT NOT NULL, reason TEXT, text TEXT, mab INTEGER, sequence INTEGER);"
    "CREATE INDEX IF NOT EXISTS audit_who ON audit(who, id);"
    "CREATE INDEX IF NOT EXISTS audit_refused ON audit(id) WHERE reason IS NOT NULL;";

#define AUDIT_COLUMNS "time, who, with_what, source, action, what, reason, text, sequence"

static const char *const texts[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_GET_META] = "SELECT value FROM meta WHERE name = ?",
    [STATEMENT_SET_META] = "INSERT OR REPLACE INTO meta VALUES(?, ?)",
    [STATEMENT_ADD_USER] = "INSERT INTO users VALUES(?, ?, ?)",
    [STATEMENT_SET_PASSWORD] = "UPDATE users SET password = ? WHERE name = ?",
    [STATEMENT_REMOVE_USER] = "DELETE FROM users WHERE name = ?",
    [STATEMENT_REMOVE_USER_TOKENS] = "DELETE FROM tokens WHERE user = ?",
    [STATEMENT_REMOVE_USER_SCHEDULED] = "DELETE FROM scheduled WHERE user = ?",
    [STATEMENT_ALL_USERS] = "SELECT name, password, created FROM users",
    [STATEMENT_ADD_TOKEN] = "INSERT INTO tokens VALUES(?, ?, ?, ?, ?, ?, 0)",
    [STATEMENT_REMOVE_TOKEN] = "DELETE FROM tokens WHERE digest = ?",
    [STATEMENT_USE_TOKEN] = "UPDATE tokens SET used = ? WHERE digest = ?",
    [STATEMENT_ALL_TOKENS] = "SELECT digest, user, scope, only, created, expires, used FROM tokens",
    [STATEMENT_ADD_UAB] = "INSERT INTO uabs VALUES(?, ?, ?)",
    [STATEMENT_REMOVE_UAB] = "DELETE FROM uabs WHERE range = ?",
    [STATEMENT_ALL_UABS] = "SELECT range, user, micronets_max FROM uabs",
    [STATEMENT_ADD_MAB] = "INSERT OR IGNORE INTO mabs(prefix, sequence, hash) "
                          "VALUES(?, 0, zeroblob(16))",
    [STATEMENT_GET_MAB] = "SELECT id, sequence, hash FROM mabs WHERE prefix = ?",
    [STATEMENT_SET_MAB] = "UPDATE mabs SET sequence = ?, hash = ? WHERE id = ?",
    [STATEMENT_REMOVE_MICRONETS] = "DELETE FROM micronets "
                                   "WHERE mab = ? AND start BETWEEN ? AND ?",
    [STATEMENT_ADD_MICRONET] = "INSERT INTO micronets VALUES(?, ?, ?, ?)",
    [STATEMENT_ALL_MICRONETS] = "SELECT start, length, etr FROM micronets WHERE mab = ? "
                                "ORDER BY start",
    [STATEMENT_ADD_JOURNAL] = "INSERT INTO journal VALUES(?, ?, ?, ?)",
    [STATEMENT_ALL_JOURNAL] = "SELECT sequence, updates FROM journal WHERE mab = ? "
                              "ORDER BY sequence",
    [STATEMENT_ADD_SCHEDULED] = "INSERT INTO scheduled VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, "
                                "NULL, NULL)",
    [STATEMENT_END_SCHEDULED] = "UPDATE scheduled SET state = ?, ended = ?, sequence = ?, "
                                "reason = ?, text = ? WHERE id = ?",
    [STATEMENT_REMOVE_SCHEDULED] = "DELETE FROM scheduled WHERE id = ?",
    [STATEMENT_ALL_SCHEDULED] = "SELECT id, user, scope, only, token, source, made, at, commands, "
                                "state, ended, sequence, reason, text FROM scheduled ORDER BY id",
    [STATEMENT_ADD_AUDIT] = "INSERT INTO audit(time, who, with_what, source, action, what, reason, "
                            "text, mab, sequence) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_PRUNE_AUDIT] = "DELETE FROM audit WHERE reason IS NOT NULL AND id <= "
                              "(SELECT max(id) FROM audit) - ?",
    [STATEMENT_READ_AUDIT] = "SELECT " AUDIT_COLUMNS " FROM audit ORDER BY id DESC LIMIT ?",
    // Apart from the one above, so that it is found by the index on `who`: the trail of one user
    // costs what it is long, not what the whole is.
    [STATEMENT_READ_AUDIT_OF] = "SELECT " AUDIT_COLUMNS " FROM audit WHERE who = ? "
                                "ORDER BY id DESC LIMIT ?",
};

// --- statements ----------------------------------------------------------------------------------

static sqlite3_stmt *bind_arguments(struct store *store, enum statement number, const char *types,
                                    va_list arguments)
{
    sqlite3_stmt *statement = store->statements[number];
    assert(statement != NULL);
    (void)sqlite3_reset(statement);
    int result = SQLITE_OK;
    for (int i = 1; types[i - 1] != '\0' && result == SQLITE_OK; i++)
        if (types[i - 1] == 'i') {
            result = sqlite3_bind_int64(statement, i, va_arg(arguments, int64_t));
        } else if (types[i - 1] == 't') {
            result = sqlite3_bind_text(statement, i, va_arg(arguments, const char *), -1,
                                       SQLITE_TRANSIENT);
        } else {
            assert(types[i - 1] == 'b');
            const void *bytes = va_arg(arguments, const void *);
            size_t length = va_arg(arguments, size_t);
            // A pointer to nothing would bind NULL, not the empty blob.
            result = sqlite3_bind_blob64(statement, i, length == 0 ? "" : bytes, length,
                                         SQLITE_TRANSIENT);
        }
    assert(result == SQLITE_OK);
    return statement;
}

sqlite3_stmt *store_bind(struct store *store, enum statement statement, const char *types, ...)
{
    va_list arguments;
    va_start(arguments, types);
    sqlite3_stmt *bound = bind_arguments(store, statement, types, arguments);
    va_end(arguments);
    return bound;
}

bool store_run(struct store *store, enum statement statement, const char *types, ...)
{
    va_list arguments;
    va_start(arguments, types);
    sqlite3_stmt *bound = bind_arguments(store, statement, types, arguments);
    va_end(arguments);
    int result = sqlite3_step(bound);
    // Read the message before the reset, which repeats the error but may lose its details.
    if (result != SQLITE_DONE)
        (void)snprintf(store->why, sizeof(store->why), "%s", sqlite3_errmsg(store->database));
    (void)sqlite3_reset(bound);
    return result == SQLITE_DONE;
}

bool store_row(sqlite3_stmt *statement, bool *failed)
{
    int result = sqlite3_step(statement);
    *failed = result != SQLITE_ROW && result != SQLITE_DONE;
    if (result != SQLITE_ROW)
        (void)sqlite3_reset(statement);
    return result == SQLITE_ROW;
}

const char *store_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text == NULL ? "" : (const char *)text;
}

// --- transactions --------------------------------------------------------------------------------

bool store_begin(struct store *store)
{
    assert(sqlite3_get_autocommit(store->database) != 0);
    return store_run(store, STATEMENT_BEGIN, "");
}

bool store_commit(struct store *store)
{
    if (!store_run(store, STATEMENT_COMMIT, "")) {
        int code = sqlite3_extended_errcode(store->database);
        if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
            log_error("ruas",
                      "%s could not be synced to the disk: nobody can know whether the "
                      "last change is stored. Stopping; the next start finds out.",
                      store->path);
            abort();
        }
        return false;
    }
    store->counters.written++;
    if (store->failing)
        log_info("ruas", "%s can be written again", store->path);
    store->failing = false;
    store->holding = false;
    return true;
}

bool store_fail(struct store *store, struct error *error)
{
    char cause[ERROR_TEXT_MAX];
    (void)snprintf(cause, sizeof(cause), "%s", store->why);
    // SQLite may have rolled back by itself when the disk was full.
    if (sqlite3_get_autocommit(store->database) == 0)
        (void)store_run(store, STATEMENT_ROLLBACK, "");
    assert(sqlite3_get_autocommit(store->database) != 0);
    store->holding = false;
    (void)snprintf(store->why, sizeof(store->why), "%.120s cannot be written (%.120s)", store->path,
                   cause);
    if (!store->failing)
        log_error("ruas", "%s: commands are refused until it can", store->why);
    store->failing = true;
    store->counters.failed++;
    return error_set(error, ERROR_UNAVAILABLE, "not-stored",
                     "the change could not be stored, so nothing was changed (%.160s); try again "
                     "later",
                     cause);
}

// --- opening -------------------------------------------------------------------------------------

static bool open_failed(struct store *store, const char *what, struct error *error)
{
    const char *message = store->database == NULL ? "" : sqlite3_errmsg(store->database);
    // Without what makes it an extended code: SQLITE_BUSY has several.
    int code = store->database == NULL ? 0 : sqlite3_errcode(store->database) & 0xff;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return error_set(error, ERROR_SYSTEM, "store-in-use",
                         "%s is open in another process; a state directory belongs to one node",
                         store->path);
    return error_set(error, ERROR_SYSTEM, "store", "%s: %s: %s", store->path, what, message);
}

// Makes the file first, so that it never is readable by others.
static bool make_file(struct store *store, const char *directory, struct error *error)
{
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return error_set(error, ERROR_SYSTEM, "store", "cannot make the state directory %s: %s",
                         directory, strerror(errno));
    int file = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return error_set(error, ERROR_SYSTEM, "store", "cannot open %s: %s", store->path,
                         strerror(errno));
    (void)close(file);
    return true;
}

// Before anything is made or prepared in it: what a newer ivip wrote may look quite different.
static bool check_version(struct store *store, struct error *error)
{
    static const char ask[] = "SELECT value FROM meta WHERE name = 'version'";
    sqlite3_stmt *statement = NULL;
    int64_t version = 0;
    if (sqlite3_prepare_v2(store->database, ask, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return version <= SCHEMA_VERSION ||
           error_set(error, ERROR_SYSTEM, "store-version",
                     "%s was written by a newer ivip (version %" PRId64 ", this one knows %d)",
                     store->path, version, SCHEMA_VERSION);
}

// Exclusive: a second process is turned away, and there is no shared-memory file to go wrong.
static bool set_up(struct store *store, struct error *error)
{
    static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE;"
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;";
    (void)sqlite3_extended_result_codes(store->database, 1);
    if (sqlite3_exec(store->database, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return open_failed(store, "cannot be opened", error);
    if (!check_version(store, error))
        return false;
    if (sqlite3_exec(store->database, schema, NULL, NULL, NULL) != SQLITE_OK)
        return open_failed(store, "cannot be set up", error);
    for (enum statement i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(store->database, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return open_failed(store, "has another schema", error);
    return true;
}

bool store_get_meta(struct store *store, const char *name, uint64_t *value, struct error *error)
{
    bool failed = false;
    *value = 0;
    sqlite3_stmt *statement = store_bind(store, STATEMENT_GET_META, "t", name);
    while (store_row(statement, &failed))
        *value = (uint64_t)sqlite3_column_int64(statement, 0);
    return !failed || open_failed(store, "cannot be read", error);
}

static bool take_epoch(struct store *store, struct wall_time now, struct error *error)
{
    uint64_t last = 0;
    if (!store_get_meta(store, "epoch", &last, error))
        return false;
    store->epoch = last + 1 > now.ms / 1000 ? last + 1 : now.ms / 1000;
    if (!store_begin(store) ||
        !store_run(store, STATEMENT_SET_META, "ti", "version", (int64_t)SCHEMA_VERSION) ||
        !store_run(store, STATEMENT_SET_META, "ti", "epoch", (int64_t)store->epoch) ||
        !store_commit(store))
        return store_fail(store, error);
    return true;
}

struct store *store_open(const char *directory, struct wall_time now, struct error *error)
{
    struct store *store = memory_new(sizeof(*store));
    size_t size = strlen(directory) + sizeof(STORE_FILE) + 1;
    store->path = memory_new(size);
    (void)snprintf(store->path, size, "%s/%s", directory, STORE_FILE);
    if (!make_file(store, directory, error)) {
        store_close(store);
        return NULL;
    }
    if (sqlite3_open_v2(store->path, &store->database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        (void)open_failed(store, "cannot be opened", error);
        store_close(store);
        return NULL;
    }
    if (!set_up(store, error) || !take_epoch(store, now, error)) {
        store_close(store);
        return NULL;
    }
    return store;
}

static void free_noted(struct store *store)
{
    for (size_t i = 0; i < store->noted_count; i++)
        for (size_t j = 0; j < sizeof(store->noted[i].texts) / sizeof(char *); j++)
            memory_free(store->noted[i].texts[j]);
    store->noted_count = 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    free_noted(store);
    for (size_t i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close(store->database);
    memory_free(store->mab_ids);
    memory_free(store->path);
    memory_free(store);
}

uint64_t store_epoch(const struct store *store)
{
    return store->epoch;
}

const struct store_counters *store_counters(const struct store *store)
{
    return &store->counters;
}

bool store_healthy(const struct store *store, char *why, size_t size)
{
    if (store->failing)
        (void)snprintf(why, size, "%s", store->why);
    return !store->failing;
}

// --- the audit trail -----------------------------------------------------------------------------

void store_note(struct store *store, const struct audit *audit)
{
    if (store->noted_count == AUDIT_NOTED_MAX) {
        store->counters.notes_dropped++;
        return;
    }
    struct noted *noted = &store->noted[store->noted_count++];
    const char **fields[] = {&noted->audit.who,  &noted->audit.with,   &noted->audit.action,
                             &noted->audit.what, &noted->audit.reason, &noted->audit.text};
    noted->audit = *audit;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        noted->texts[i] = *fields[i] == NULL ? NULL : memory_copy_text(*fields[i]);
        *fields[i] = noted->texts[i];
    }
}

bool store_write_audit(struct store *store, const struct audit *audit, int64_t mab,
                       uint64_t sequence)
{
    char from[ADDRESS_TEXT_MAX] = "";
    if (audit->from.family != FAMILY_NONE)
        (void)address_print(&audit->from, from);
    return store_run(store, STATEMENT_ADD_AUDIT, "itttttttii", (int64_t)audit->time.ms, audit->who,
                     audit->with, from, audit->action, audit->what, audit->reason, audit->text, mab,
                     (int64_t)sequence);
}

// Part of a transaction; store_noted_written says that it was committed.
bool store_write_noted(struct store *store)
{
    for (size_t i = 0; i < store->noted_count; i++)
        if (!store_write_audit(store, &store->noted[i].audit, 0, 0))
            return false;
    if (store->noted_written / AUDIT_NOTED_MAX !=
        (store->noted_written + store->noted_count) / AUDIT_NOTED_MAX)
        return store_run(store, STATEMENT_PRUNE_AUDIT, "i", (int64_t)AUDIT_REFUSED_MAX);
    return true;
}

void store_noted_written(struct store *store)
{
    store->noted_written += store->noted_count;
    free_noted(store);
}
