// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/usage_spool.h"

#include "base/memory.h"
#include "node/sqlite_file.h"

#include <assert.h>
#include <string.h>

struct usage_spool {
    sqlite3 *database;
    sqlite3_stmt *put;
    sqlite3_stmt *first;
    sqlite3_stmt *drop;
    sqlite3_stmt *begin;
    sqlite3_stmt *set_period;
    sqlite3_stmt *commit;
    uint64_t owner;
    uint64_t period; // reported last
    uint64_t next;   // number
    size_t count;
    size_t staged; // of them, not committed yet
};

// AUTOINCREMENT: numbers of dropped rows are not used again.
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS reports(number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " bytes BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS counters(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " owner INTEGER NOT NULL, period INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO counters VALUES(1, random(), 0)";

static uint64_t read_number(sqlite3 *database, const char *text)
{
    sqlite3_stmt *statement = sqlite_file_prepare(database, text);
    uint64_t value =
        sqlite3_step(statement) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_finalize(statement);
    return value;
}

struct usage_spool *usage_spool_open(const char *directory, struct error *error)
{
    sqlite3 *database =
        sqlite_file_open(directory, "usage.sqlite", SQLITE_FILE_ALONE, schema, error);
    if (database == NULL)
        return NULL;
    struct usage_spool *spool = memory_new(sizeof(*spool));
    spool->database = database;
    spool->put = sqlite_file_prepare(database, "INSERT INTO reports(number, bytes) VALUES(?, ?)");
    spool->first = sqlite_file_prepare(database, "SELECT number, bytes FROM reports "
                                                 "ORDER BY number LIMIT 1");
    spool->drop = sqlite_file_prepare(database, "DELETE FROM reports WHERE number = ?");
    spool->begin = sqlite_file_prepare(database, "BEGIN IMMEDIATE");
    spool->set_period = sqlite_file_prepare(database, "UPDATE counters SET period = ?");
    spool->commit = sqlite_file_prepare(database, "COMMIT");
    spool->owner = read_number(database, "SELECT owner FROM counters");
    spool->period = read_number(database, "SELECT period FROM counters");
    spool->next = read_number(database, "SELECT seq FROM sqlite_sequence "
                                        "WHERE name = 'reports'") +
                  1;
    spool->count = read_number(database, "SELECT count(*) FROM reports");
    return spool;
}

void usage_spool_close(struct usage_spool *spool)
{
    if (spool == NULL)
        return;
    (void)sqlite3_finalize(spool->put);
    (void)sqlite3_finalize(spool->first);
    (void)sqlite3_finalize(spool->drop);
    (void)sqlite3_finalize(spool->begin);
    (void)sqlite3_finalize(spool->set_period);
    (void)sqlite3_finalize(spool->commit);
    (void)sqlite3_close(spool->database);
    memory_free(spool);
}

uint64_t usage_spool_owner(const struct usage_spool *spool)
{
    return spool->owner;
}

uint64_t usage_spool_reported(const struct usage_spool *spool)
{
    return spool->period;
}

uint64_t usage_spool_next_number(const struct usage_spool *spool)
{
    return spool->next;
}

static bool give_up(struct usage_spool *spool, struct error *error)
{
    spool->count -= spool->staged;
    spool->staged = 0;
    return sqlite_file_fail(spool->database, "usage.sqlite", error);
}

bool usage_spool_put(struct usage_spool *spool, const uint8_t *bytes, size_t length,
                     struct error *error)
{
    if (spool->count >= USAGE_SPOOL_MAX) {
        (void)give_up(spool, error);
        return error_set(error, ERROR_LIMIT, "spool-full",
                         "%d usage reports wait for an answer already", USAGE_SPOOL_MAX);
    }
    if (spool->staged == 0 && !sqlite_file_run(spool->begin))
        return give_up(spool, error);
    (void)sqlite3_bind_int64(spool->put, 1, (int64_t)spool->next);
    (void)sqlite3_bind_blob64(spool->put, 2, bytes, length, SQLITE_TRANSIENT);
    // A number whose fate is not known is not used for another report: its twin may be on disk.
    spool->next++;
    if (!sqlite_file_run(spool->put))
        return give_up(spool, error);
    spool->staged++;
    spool->count++;
    return true;
}

bool usage_spool_commit(struct usage_spool *spool, uint64_t period, struct error *error)
{
    assert(spool->staged > 0 && period > spool->period);
    (void)sqlite3_bind_int64(spool->set_period, 1, (int64_t)period);
    if (!sqlite_file_run(spool->set_period) || !sqlite_file_run(spool->commit))
        return give_up(spool, error);
    spool->staged = 0;
    spool->period = period;
    return true;
}

size_t usage_spool_first(struct usage_spool *spool, uint64_t *number,
                         uint8_t bytes[USAGE_REPORT_BYTES_MAX])
{
    size_t length = 0;
    if (sqlite3_step(spool->first) == SQLITE_ROW) {
        *number = (uint64_t)sqlite3_column_int64(spool->first, 0);
        length = (size_t)sqlite3_column_bytes(spool->first, 1);
        if (length > USAGE_REPORT_BYTES_MAX)
            length = 0;
        else
            memcpy(bytes, sqlite3_column_blob(spool->first, 1), length);
    }
    (void)sqlite3_reset(spool->first);
    return length;
}

bool usage_spool_drop(struct usage_spool *spool, uint64_t number)
{
    (void)sqlite3_bind_int64(spool->drop, 1, (int64_t)number);
    if (!sqlite_file_run(spool->drop))
        return false;
    if (sqlite3_changes(spool->database) > 0)
        spool->count--;
    return true;
}

size_t usage_spool_count(const struct usage_spool *spool)
{
    return spool->count;
}
