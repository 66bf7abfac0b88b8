// SPDX-License-Identifier: BSD-2-Clause
// A small SQLite database in a node's state directory: opened by one writer, durable after each
// commit.
#ifndef IVIP_NODE_SQLITE_FILE_H
#define IVIP_NODE_SQLITE_FILE_H

#include "base/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

// Whether sqlite_file_read may open the file beside the writer. Without, no other process can have
// it open, and there is no shared-memory file to go wrong.
enum sqlite_file_readers { SQLITE_FILE_ALONE, SQLITE_FILE_READ };

// Opens DIRECTORY/NAME, makes it (mode 0600) and the directory where they are missing, and runs
// `schema`. NULL on error.
sqlite3 *sqlite_file_open(const char *directory, const char *name, enum sqlite_file_readers readers,
                          const char *schema, struct error *error);
// A connection that only reads, beside the writer's and for another thread: it keeps the writer
// waiting for nothing, and sees the file as it was when its statement began. NULL on error.
sqlite3 *sqlite_file_read(const char *directory, const char *name, struct error *error);
// Prepares a statement that fits the schema, to be kept.
sqlite3_stmt *sqlite_file_prepare(sqlite3 *database, const char *text);
// Steps a bound statement that gives no rows, and resets it.
bool sqlite_file_run(sqlite3_stmt *statement);
// Ends a transaction that could not be written, wherever SQLite has not done so itself, and fills
// `error`. Returns false.
bool sqlite_file_fail(sqlite3 *database, const char *what, struct error *error);

#endif
