// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/usage_ledger.h"

#include "base/memory.h"
#include "node/sqlite_file.h"

#include <string.h>
#include <time.h>

#define LEDGER_FILE         "usage-ledger.sqlite"
#define MINUTE_MS           60000
#define STEPS_BETWEEN_LOOKS 1000000 // of SQLite's machine, some milliseconds

#define DAY_MS (24 * 60 * (uint64_t)MINUTE_MS)

struct usage_ledger {
    sqlite3 *database;
    sqlite3_stmt *begin, *commit, *name, *add, *add_day, *day;
    struct usage_ledger_counters counters;
};

// Starts of ranges are kept with their highest bit turned, so that they sort as unsigned numbers.
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS reports(itr BLOB NOT NULL, boot INTEGER NOT NULL,"
    " number INTEGER NOT NULL, PRIMARY KEY(itr, boot, number)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS usage(minute INTEGER NOT NULL, family INTEGER NOT NULL,"
    " start INTEGER NOT NULL, length INTEGER NOT NULL, itr BLOB NOT NULL,"
    " packets INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " PRIMARY KEY(minute, family, start, length, itr)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS days(day INTEGER NOT NULL, family INTEGER NOT NULL,"
    " start INTEGER NOT NULL, length INTEGER NOT NULL,"
    " packets INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " PRIMARY KEY(day, family, start, length)) WITHOUT ROWID;";

// sum() fails when it overflows, and whoever counts could bring that about with two reports. This
// one ends at the greatest integer (a real number above it is read as that).
#define SUM(counts)                                                                                \
    "iif(sum(" counts " >> 32) > 2147483647, 9223372036854775807,"                                 \
    " (sum(" counts " >> 32) << 32) + sum(" counts " & 4294967295))"
#define SUMS SUM("packets") ", " SUM("octets")

// ?4, ?5: by micronet, by ITR; ?3: step in minutes, 0 for all.
static const char sum_lines[] =
    "SELECT iif(?3 = 0, 0, minute - minute % max(?3, 1)) AS step,"
    " iif(?4, family, 0) AS f, iif(?4, start, 0) AS s, iif(?4, length, 0) AS l,"
    " iif(?5, itr, x'') AS i, " SUMS " FROM usage"
    " WHERE minute >= ?1 AND minute < ?2"
    " GROUP BY step, f, s, l, i ORDER BY step, f, s, l, i LIMIT ?6";

// The same columns, by micronet, of whole days.
static const char sum_days[] = "SELECT 0, family, start, length, x'', " SUMS " FROM days"
                               " WHERE day >= ?1 AND day < ?2"
                               " GROUP BY family, start, length ORDER BY family, start, length"
                               " LIMIT ?3";

static int64_t sortable(uint64_t index)
{
    return (int64_t)(index ^ (UINT64_C(1) << 63));
}

static uint64_t unsorted(int64_t start)
{
    return (uint64_t)start ^ (UINT64_C(1) << 63);
}

// Makes the sums of days where there are none, as in a ledger from before they were kept.
static bool fill_days(sqlite3 *database, struct error *error)
{
    sqlite3_stmt *any = sqlite_file_prepare(database, "SELECT 1 FROM days LIMIT 1");
    int result = sqlite3_step(any);
    (void)sqlite3_finalize(any);
    return result == SQLITE_ROW ||
           sqlite3_exec(database,
                        "INSERT INTO days SELECT minute / 1440, family, start, length,"
                        " " SUMS " FROM usage GROUP BY 1, 2, 3, 4",
                        NULL, NULL, NULL) == SQLITE_OK ||
           error_set(error, ERROR_SYSTEM, "store", LEDGER_FILE " cannot be written: %s",
                     sqlite3_errmsg(database));
}

struct usage_ledger *usage_ledger_open(const char *directory, struct error *error)
{
    sqlite3 *database = sqlite_file_open(directory, LEDGER_FILE, SQLITE_FILE_READ, schema, error);
    if (database == NULL)
        return NULL;
    struct usage_ledger *ledger = memory_new(sizeof(*ledger));
    ledger->database = database;
    ledger->begin = sqlite_file_prepare(database, "BEGIN");
    ledger->commit = sqlite_file_prepare(database, "COMMIT");
    ledger->name = sqlite_file_prepare(database, "INSERT OR IGNORE INTO reports VALUES(?, ?, ?)");
    ledger->add = sqlite_file_prepare(
        database, "INSERT INTO usage VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                  "ON CONFLICT(minute, family, start, length, itr) DO UPDATE SET "
                  "packets = packets + excluded.packets, octets = octets + excluded.octets");
    ledger->add_day = sqlite_file_prepare(
        database, "INSERT INTO days VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
                  "ON CONFLICT(day, family, start, length) DO UPDATE SET "
                  "packets = packets + excluded.packets, octets = octets + excluded.octets");
    ledger->day = sqlite_file_prepare(
        database, "SELECT length, packets, octets, start FROM days WHERE day = ?1 AND family = ?2 "
                  "AND start BETWEEN ?3 AND ?4 ORDER BY start, length LIMIT ?5");
    if (fill_days(database, error))
        return ledger;
    usage_ledger_close(ledger);
    return NULL;
}

void usage_ledger_close(struct usage_ledger *ledger)
{
    if (ledger == NULL)
        return;
    sqlite3_stmt *statements[] = {ledger->begin, ledger->commit,  ledger->name,
                                  ledger->add,   ledger->add_day, ledger->day};
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        (void)sqlite3_finalize(statements[i]);
    (void)sqlite3_close(ledger->database);
    memory_free(ledger);
}

// To the sums of the day.
static bool add_to_day(struct usage_ledger *ledger, const struct usage_report *report,
                       const struct usage_record *record)
{
    sqlite3_stmt *add = ledger->add_day;
    (void)sqlite3_bind_int64(add, 1, (int64_t)(report->from.ms / DAY_MS));
    (void)sqlite3_bind_int64(add, 2, record->range.family);
    (void)sqlite3_bind_int64(add, 3, sortable(record->range.start.index));
    (void)sqlite3_bind_int64(add, 4, (int64_t)record->range.length.units);
    (void)sqlite3_bind_int64(add, 5, (int64_t)record->packets);
    (void)sqlite3_bind_int64(add, 6, (int64_t)record->octets);
    return sqlite_file_run(add);
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
    return sqlite_file_run(add) && add_to_day(ledger, report, record);
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
        return sqlite_file_fail(ledger->database, LEDGER_FILE, error);
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

static bool cannot_read(sqlite3 *database, struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, "not-readable", LEDGER_FILE " cannot be read: %s",
                     sqlite3_errmsg(database));
}

static bool asks_for_days(const struct usage_question *question)
{
    bool open_end = question->to.ms >= INT64_MAX / 2;
    return question->by_micronet && !question->by_itr && question->step_ms == 0 &&
           question->from.ms % DAY_MS == 0 && (open_end || question->to.ms % DAY_MS == 0);
}

// The statement that answers the question, bound; NULL where the file cannot be read.
static sqlite3_stmt *prepare_sum(sqlite3 *database, const struct usage_question *question)
{
    sqlite3_stmt *row = NULL;
    bool days = asks_for_days(question);
    uint64_t step = days ? DAY_MS : MINUTE_MS;
    if (sqlite3_prepare_v2(database, days ? sum_days : sum_lines, -1, &row, NULL) != SQLITE_OK)
        return NULL;
    (void)sqlite3_bind_int64(row, 1, (int64_t)(question->from.ms / step));
    (void)sqlite3_bind_int64(row, 2, (int64_t)((question->to.ms + step - 1) / step));
    (void)sqlite3_bind_int64(row, days ? 3 : 6, (int64_t)question->most);
    if (days)
        return row;
    (void)sqlite3_bind_int64(row, 3, (int64_t)(question->step_ms / MINUTE_MS));
    (void)sqlite3_bind_int64(row, 4, question->by_micronet);
    (void)sqlite3_bind_int64(row, 5, question->by_itr);
    return row;
}

static time_t seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int is_too_late(void *end)
{
    return seconds_now() > *(const time_t *)end;
}

static bool sum(sqlite3 *database, const struct usage_question *question, usage_each *each,
                void *state, struct error *error)
{
    time_t end = seconds_now() + USAGE_SUM_SECONDS;
    sqlite3_stmt *row = prepare_sum(database, question);
    if (row == NULL)
        return cannot_read(database, error);
    sqlite3_progress_handler(database, STEPS_BETWEEN_LOOKS, is_too_late, &end);
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        struct usage_line line;
        read_line(row, &line);
        each(state, &line);
    }
    (void)sqlite3_finalize(row);
    if (result == SQLITE_INTERRUPT)
        return error_set(error, ERROR_LIMIT, "takes-too-long",
                         "the sum takes longer than %d s; ask for less time (--from, --to), or by "
                         "user or micronet for whole days",
                         USAGE_SUM_SECONDS);
    return result == SQLITE_DONE || cannot_read(database, error);
}

bool usage_ledger_sum(const char *directory, const struct usage_question *question,
                      usage_each *each, void *state, struct error *error)
{
    sqlite3 *database = sqlite_file_read(directory, LEDGER_FILE, error);
    bool good = database != NULL && sum(database, question, each, state, error);
    (void)sqlite3_close(database);
    return good;
}

// The lines of one day; how many there were is added to *count.
static bool read_day(struct usage_ledger *ledger, uint64_t day, const struct range *only,
                     size_t most, usage_each *each, void *state, size_t *count)
{
    sqlite3_stmt *row = ledger->day;
    (void)sqlite3_bind_int64(row, 1, (int64_t)day);
    (void)sqlite3_bind_int64(row, 2, only->family);
    (void)sqlite3_bind_int64(row, 3, sortable(only->start.index));
    (void)sqlite3_bind_int64(row, 4, sortable(range_last(only).index));
    (void)sqlite3_bind_int64(row, 5, (int64_t)most);
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        struct usage_line line = {.from = {day * DAY_MS},
                                  .micronet = {only->family,
                                               {unsorted(sqlite3_column_int64(row, 3))},
                                               {(uint64_t)sqlite3_column_int64(row, 0)}},
                                  .packets = (uint64_t)sqlite3_column_int64(row, 1),
                                  .octets = (uint64_t)sqlite3_column_int64(row, 2)};
        each(state, &line);
        ++*count;
    }
    (void)sqlite3_reset(row);
    return result == SQLITE_DONE;
}

bool usage_ledger_days(struct usage_ledger *ledger, const struct range *only, struct wall_time from,
                       struct wall_time to, size_t most, usage_each *each, void *state,
                       struct error *error)
{
    size_t count = 0;
    for (uint64_t day = from.ms / DAY_MS; day * DAY_MS < to.ms && count < most; day++)
        if (!read_day(ledger, day, only, most - count, each, state, &count))
            return cannot_read(ledger->database, error);
    return true;
}

const struct usage_ledger_counters *usage_ledger_counters(const struct usage_ledger *ledger)
{
    return &ledger->counters;
}
