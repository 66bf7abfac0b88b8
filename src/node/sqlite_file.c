// SPDX-License-Identifier: BSD-2-Clause
#include "node/sqlite_file.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READER_OPENS_MS 100  // at most, the writer waits for a reader that opens the file
#define READER_WAITS_MS 5000 // and a reader for a writer that begins its log anew

static bool make_file(const char *directory, const char *path, struct error *error)
{
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return error_set(error, ERROR_SYSTEM, "store", "cannot make the state directory %s: %s",
                         directory, strerror(errno));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return error_set(error, ERROR_SYSTEM, "store", "cannot open %s: %s", path, strerror(errno));
    (void)close(file);
    return true;
}

static char *path_of(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = memory_new(size);
    (void)snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static bool execute(sqlite3 *database, const char *sql)
{
    return sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

sqlite3 *sqlite_file_open(const char *directory, const char *name, enum sqlite_file_readers readers,
                          const char *schema, struct error *error)
{
    static const char *const locking[] = {[SQLITE_FILE_ALONE] = "PRAGMA locking_mode = EXCLUSIVE",
                                          [SQLITE_FILE_READ] = "PRAGMA locking_mode = NORMAL"};
    char *path = path_of(directory, name);
    sqlite3 *database = NULL;
    bool good = make_file(directory, path, error);
    if (good && (sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
                 !execute(database, locking[readers]) ||
                 !execute(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;") ||
                 !execute(database, schema)))
        good = error_set(error, ERROR_SYSTEM, "store", "%s cannot be opened: %s", path,
                         sqlite3_errmsg(database));
    memory_free(path);
    // A reader locks the writer out only while it looks how far the log goes.
    if (good && readers == SQLITE_FILE_READ)
        (void)sqlite3_busy_timeout(database, READER_OPENS_MS);
    if (good)
        return database;
    (void)sqlite3_close(database);
    return NULL;
}

sqlite3 *sqlite_file_read(const char *directory, const char *name, struct error *error)
{
    char *path = path_of(directory, name);
    sqlite3 *database = NULL;
    bool good = sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK ||
                error_set(error, ERROR_SYSTEM, "store", "%s cannot be opened: %s", path,
                          sqlite3_errmsg(database));
    memory_free(path);
    if (good) {
        (void)sqlite3_busy_timeout(database, READER_WAITS_MS);
        return database;
    }
    (void)sqlite3_close(database);
    return NULL;
}

sqlite3_stmt *sqlite_file_prepare(sqlite3 *database, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int result =
        sqlite3_prepare_v3(database, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    assert(result == SQLITE_OK);
    (void)result;
    return statement;
}

bool sqlite_file_run(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    return result == SQLITE_DONE;
}

bool sqlite_file_fail(sqlite3 *database, const char *what, struct error *error)
{
    (void)error_set(error, ERROR_UNAVAILABLE, "not-stored", "%s cannot be written: %s", what,
                    sqlite3_errmsg(database));
    if (sqlite3_get_autocommit(database) == 0)
        (void)sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    return false;
}
