// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/usage_ledger.h"

#include "base/memory.h"
#include "node/sqlite_file.h"

#include <string.h>

#define MINUTE_MS 60000

struct usage_ledger {
    sqlite3 *database;
    sqlite3_stmt *begin, *commit, *name, *add, *sum;
    struct usage_ledger_counters counters;
};

// Starts of ranges are kept with their highest bit turned, so that they sort as unsigned numbers.
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS reports(itr BLOB NOT NULL, boot INTEGER NOT NULL,"
    " number INTEGER NOT NULL, PRIMARY KEY(itr, boot, number)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS usage(minute INTEGER NOT NULL, family INTEGER NOT NULL,"
    " start INTEGER NOT NULL, length INTEGER NOT NULL, itr BLOB NOT NULL,"
    " packets INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " PRIMARY KEY(minute, family, start, length, itr)) WITHOUT ROWID;";

static int64_t sortable(uint64_t index)
{
    return (int64_t)(index ^ (UINT64_C(1) << 63));
}

static uint64_t unsorted(int64_t start)
{
    return (uint64_t)start ^ (UINT64_C(1) << 63);
}

struct usage_ledger *usage_ledger_open(const char *directory, struct error *error)
{
    sqlite3 *database = sqlite_file_open(directory, "usage-ledger.sqlite", schema, error);
    if (database == NULL)
        return NULL;
    struct usage_ledger *ledger = memory_new(sizeof(*ledger));
    ledger->database = database;
    ledger->begin = sqlite_file_prepare(database, "BEGIN");
    ledger->commit = sqlite_file_prepare(database, "COMMIT");
    ledger->name = sqlite_file_prepare(database, "INSERT OR IGNORE INTO reports VALUES(?, ?, ?)");
    ledger->add = sqlite_file_prepare(
        database, "INSERT INTO usage VALUES(?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT(minute, family, start, length, itr) DO UPDATE SET "
                  "packets = packets + excluded.packets, octets = octets + excluded.octets");
    // ?6, ?7: by micronet, by ITR; ?8: step in minutes, 0 for all.
    ledger->sum = sqlite_file_prepare(
        database, "SELECT iif(?8 = 0, 0, minute - minute % max(?8, 1)) AS step,"
                  " iif(?6, family, 0) AS f, iif(?6, start, 0) AS s, iif(?6, length, 0) AS l,"
                  " iif(?7, itr, x'') AS i, sum(packets), sum(octets) FROM usage"
                  " WHERE minute >= ?1 AND minute < ?2"
                  " AND (?3 = 0 OR (family = ?3 AND start BETWEEN ?4 AND ?5))"
                  " GROUP BY step, f, s, l, i ORDER BY step, f, s, l, i LIMIT ?9");
    return ledger;
}

void usage_ledger_close(struct usage_ledger *ledger)
{
    if (ledger == NULL)
        return;
    sqlite3_stmt *statements[] = {ledger->begin, ledger->commit, ledger->name, ledger->add,
                                  ledger->sum};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        (void)sqlite3_finalize(statements[i]);
    (void)sqlite3_close(ledger->database);
    memory_free(ledger);
}

static bool add_usage(struct usage_ledger *ledger, const struct usage_report *report,
                      const struct usage_record *record)
{
    sqlite3_stmt *add = ledger->add;
    (void)sqlite3_bind_int64(add, 1, (int64_t)(report->from.ms / MINUTE_MS));
    (void)sqlite3_bind_int64(add, 2, record->range.family);
    (void)sqlite3_bind_int64(add, 3, sortable(record->range.start.index));
    (void)sqlite3_bind_int64(add, 4, (int64_t)record->range.length.units);
    (void)sqlite3_bind_blob(add, 5, report->itr.bytes, PUBLIC_KEY_BYTES, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(add, 6, (int64_t)record->packets);
    (void)sqlite3_bind_int64(add, 7, (int64_t)record->octets);
    return sqlite_file_run(add);
}

static bool add_all(struct usage_ledger *ledger, const struct usage_report *report)
{
    struct usage_record other = {
        {FAMILY_NONE, {0}, {0}}, report->other_packets, report->other_octets};
    for (uint32_t i = 0; i < report->count; i++)
        if (!add_usage(ledger, report, &report->records[i]))
            return false;
    return other.packets == 0 || add_usage(ledger, report, &other);
}

bool usage_ledger_take(struct usage_ledger *ledger, const struct usage_report *report,
                       struct error *error)
{
    sqlite3_stmt *name = ledger->name;
    (void)sqlite3_bind_blob(name, 1, report->itr.bytes, PUBLIC_KEY_BYTES, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(name, 2, (int64_t)report->boot);
    (void)sqlite3_bind_int64(name, 3, (int64_t)report->number);
    bool begun = sqlite_file_run(ledger->begin) && sqlite_file_run(name);
    bool repeated = begun && sqlite3_changes(ledger->database) == 0;
    if (!begun || (!repeated && !add_all(ledger, report)) || !sqlite_file_run(ledger->commit)) {
        ledger->counters.failed++;
        return sqlite_file_fail(ledger->database, "usage-ledger.sqlite", error);
    }
    ledger->counters.repeated += repeated;
    ledger->counters.taken += !repeated;
    return true;
}

static void read_line(sqlite3_stmt *sum, struct usage_line *line)
{
    *line = (struct usage_line){
        .from = {(uint64_t)sqlite3_column_int64(sum, 0) * MINUTE_MS},
        .micronet = {(enum family)sqlite3_column_int64(sum, 1),
                     {unsorted(sqlite3_column_int64(sum, 2))},
                     {(uint64_t)sqlite3_column_int64(sum, 3)}},
        .packets = (uint64_t)sqlite3_column_int64(sum, 5),
        .octets = (uint64_t)sqlite3_column_int64(sum, 6),
    };
    if (sqlite3_column_bytes(sum, 4) == PUBLIC_KEY_BYTES)
        memcpy(line->itr.bytes, sqlite3_column_blob(sum, 4), PUBLIC_KEY_BYTES);
}

bool usage_ledger_sum(struct usage_ledger *ledger, const struct usage_question *question,
                      usage_each *each, void *state, struct error *error)
{
    sqlite3_stmt *sum = ledger->sum;
    const struct range *only = &question->only;
    uint64_t last = only->family == FAMILY_NONE ? 0 : range_last(only).index;
    (void)sqlite3_bind_int64(sum, 1, (int64_t)(question->from.ms / MINUTE_MS));
    (void)sqlite3_bind_int64(sum, 2, (int64_t)((question->to.ms + MINUTE_MS - 1) / MINUTE_MS));
    (void)sqlite3_bind_int64(sum, 3, only->family);
    (void)sqlite3_bind_int64(sum, 4, sortable(only->start.index));
    (void)sqlite3_bind_int64(sum, 5, sortable(last));
    (void)sqlite3_bind_int64(sum, 6, question->by_micronet);
    (void)sqlite3_bind_int64(sum, 7, question->by_itr);
    (void)sqlite3_bind_int64(sum, 8, (int64_t)(question->step_ms / MINUTE_MS));
    (void)sqlite3_bind_int64(sum, 9, (int64_t)question->most);
    struct usage_line line;
    int result;
    while ((result = sqlite3_step(sum)) == SQLITE_ROW) {
        read_line(sum, &line);
        each(state, &line);
    }
    (void)sqlite3_reset(sum);
    return result == SQLITE_DONE ||
           error_set(error, ERROR_SYSTEM, "store", "usage-ledger.sqlite cannot be read: %s",
                     sqlite3_errmsg(ledger->database));
}

const struct usage_ledger_counters *usage_ledger_counters(const struct usage_ledger *ledger)
{
    return &ledger->counters;
}
