// SPDX-License-Identifier: BSD-2-Clause
// Reading the store: back into a core at the start, and the trails for people who ask.
#include "node/authority/store.h"

#include "base/cursor.h"
#include "base/memory.h"
#include "node/authority/command_json.h"
#include "node/authority/rest_time.h"
#include "node/authority/store_state.h"
#include "node/http/json_error.h"
#include "wire/payload.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOAD_BATCH UPDATE_SET_MAX // micronets handed to the core at a time

static bool bad_row(const struct store *store, const char *table, struct error *error)
{
    return error_set(error, ERROR_FORMAT, "bad-store",
                     "%s: a row of table \"%s\" makes no sense; restore the file from a backup",
                     store->path, table);
}

static struct wall_time time_column(sqlite3_stmt *statement, int column)
{
    return (struct wall_time){(uint64_t)sqlite3_column_int64(statement, column)};
}

// Copies a text column that must fit.
static bool copy_column(sqlite3_stmt *statement, int column, char *to, size_t size)
{
    const char *text = store_text(statement, column);
    (void)snprintf(to, size, "%s", text);
    return strlen(text) < size;
}

// A range column that may be NULL.
static bool only_column(sqlite3_stmt *statement, int column, bool *limited, struct range *only)
{
    *limited = sqlite3_column_type(statement, column) != SQLITE_NULL;
    return !*limited || range_parse(store_text(statement, column), only, NULL);
}

static bool digest_column(sqlite3_stmt *statement, int column, struct token_digest *digest)
{
    if (sqlite3_column_bytes(statement, column) != TOKEN_DIGEST_BYTES)
        return false;
    memcpy(digest->bytes, sqlite3_column_blob(statement, column), TOKEN_DIGEST_BYTES);
    return true;
}

static bool scope_column(sqlite3_stmt *statement, int column, enum token_scope *scope)
{
    int64_t value = sqlite3_column_int64(statement, column);
    *scope = (enum token_scope)value;
    return value >= SCOPE_READ && value <= SCOPE_ALL;
}

// --- the kinds of rows ---------------------------------------------------------------------------

static bool read_user(sqlite3_stmt *row, struct change *change)
{
    change->kind = CHANGE_USER_ADD;
    change->user.created = time_column(row, 2);
    return copy_column(row, 0, change->user.name, sizeof(change->user.name)) &&
           copy_column(row, 1, change->user.password, sizeof(change->user.password));
}

static bool read_token(sqlite3_stmt *row, struct change *change)
{
    struct token *token = &change->token;
    change->kind = CHANGE_TOKEN_ADD;
    token->created = time_column(row, 4);
    token->expires = time_column(row, 5);
    token->used = time_column(row, 6);
    return digest_column(row, 0, &token->digest) &&
           copy_column(row, 1, token->user, sizeof(token->user)) &&
           scope_column(row, 2, &token->scope) &&
           only_column(row, 3, &token->limited, &token->only);
}

static bool read_uab(sqlite3_stmt *row, struct change *change)
{
    change->kind = CHANGE_UAB_ADD;
    change->uab.micronets_max = (uint64_t)sqlite3_column_int64(row, 2);
    return range_parse(store_text(row, 0), &change->uab.range, NULL) &&
           copy_column(row, 1, change->uab.user, sizeof(change->uab.user));
}

static struct command_set *read_commands(const char *text)
{
    size_t failed = 0;
    json_t *json = json_loads(text, 0, NULL);
    struct command_set *set = command_set_from_json(json, &failed, NULL);
    json_decref(json);
    for (size_t i = 0; set != NULL && i < set->count; i++)
        if (!command_check(&set->commands[i], NULL)) {
            command_set_free(set);
            return NULL;
        }
    return set;
}

static bool read_scheduled_grant(sqlite3_stmt *row, struct scheduled *scheduled)
{
    struct grant *grant = &scheduled->grant;
    grant->by_token = sqlite3_column_bytes(row, 4) > 0;
    memcpy(grant->user, scheduled->user, sizeof(grant->user));
    return scope_column(row, 2, &grant->scope) &&
           only_column(row, 3, &grant->limited, &grant->only) &&
           (!grant->by_token || digest_column(row, 4, &grant->token));
}

static bool read_scheduled(sqlite3_stmt *row, struct change *change)
{
    struct scheduled *scheduled = &change->scheduled;
    change->kind = CHANGE_SCHEDULE_ADD;
    scheduled->id = (uint64_t)sqlite3_column_int64(row, 0);
    scheduled->made = time_column(row, 6);
    scheduled->at = time_column(row, 7);
    scheduled->state = (enum scheduled_state)sqlite3_column_int(row, 9);
    scheduled->ended = time_column(row, 10);
    scheduled->sequence = (uint64_t)sqlite3_column_int64(row, 11);
    // Who asked is for the record; a source that cannot be read any more is no reason to stop.
    (void)address_parse(store_text(row, 5), &scheduled->from, NULL);
    if (scheduled->state < SCHEDULED_WAITING || scheduled->state > SCHEDULED_CANCELLED ||
        scheduled->at.ms >= SCHEDULED_MS_MAX ||
        !copy_column(row, 1, scheduled->user, sizeof(scheduled->user)) ||
        !read_scheduled_grant(row, scheduled) ||
        !copy_column(row, 12, scheduled->reason, sizeof(scheduled->reason)) ||
        !copy_column(row, 13, scheduled->text, sizeof(scheduled->text)))
        return false;
    scheduled->set = read_commands(store_text(row, 8));
    return scheduled->set != NULL;
}

typedef bool row_reader(sqlite3_stmt *row, struct change *change);

static bool load_table(struct store *store, struct ruas *ruas, enum statement number,
                       const char *table, row_reader *read, struct error *error)
{
    bool failed = false;
    sqlite3_stmt *row = store_bind(store, number, "");
    while (store_row(row, &failed)) {
        struct change change = {0};
        bool good = read(row, &change) || bad_row(store, table, error);
        if (!good || !ruas_restore(ruas, &change, error)) {
            command_set_free(good ? change.scheduled.set : NULL);
            (void)sqlite3_reset(row);
            return false;
        }
    }
    return !failed || bad_row(store, table, error);
}

// --- micronets -----------------------------------------------------------------------------------

static bool read_micronet(sqlite3_stmt *row, const struct range *units, struct micronet *micronet)
{
    int octets = sqlite3_column_bytes(row, 2);
    uint64_t offset = (uint64_t)sqlite3_column_int64(row, 0);
    micronet->range = (struct range){
        units->family, {units->start.index + offset}, {(uint64_t)sqlite3_column_int64(row, 1)}};
    micronet->etr = ADDRESS_ZERO;
    if (octets == 4 || octets == 16)
        micronet->etr = address_from_octets(octets == 4 ? FAMILY_IPV4 : FAMILY_IPV6,
                                            sqlite3_column_blob(row, 2));
    return (octets == 0 || octets == 4 || octets == 16) && offset < units->length.units &&
           range_valid(&micronet->range) && range_contains(units, &micronet->range);
}

static bool load_micronets(struct store *store, struct ruas *ruas, size_t mab, struct error *error)
{
    struct micronet batch[LOAD_BATCH];
    size_t count = 0;
    bool failed = false;
    const struct range *units = mapping_units(ruas_mapping(ruas, mab));
    sqlite3_stmt *row = store_bind(store, STATEMENT_ALL_MICRONETS, "i", store->mab_ids[mab]);
    while (store_row(row, &failed)) {
        if (!read_micronet(row, units, &batch[count++])) {
            (void)sqlite3_reset(row);
            return bad_row(store, "micronets", error);
        }
        if (count == LOAD_BATCH) {
            if (!ruas_restore_micronets(ruas, mab, batch, count, error)) {
                (void)sqlite3_reset(row);
                return false;
            }
            count = 0;
        }
    }
    if (failed)
        return bad_row(store, "micronets", error);
    return ruas_restore_micronets(ruas, mab, batch, count, error);
}

static bool check_hash(const struct store *store, const struct mapping *mapping,
                       const struct mapping_hash *stored, struct error *error)
{
    char text[PREFIX_TEXT_MAX];
    struct mapping_hash hash = mapping_hash(mapping);
    return mapping_hash_equal(&hash, stored) ||
           error_set(error, ERROR_FORMAT, "bad-store",
                     "%s: the micronets of %s are not those that were stored last; restore the "
                     "file from a backup",
                     store->path, prefix_print(mapping_mab(mapping), text));
}

// Finds the MAB's row, makes it for a new MAB, and loads what belongs to it.
static bool load_mab(struct store *store, struct ruas *ruas, size_t mab, struct error *error)
{
    char text[PREFIX_TEXT_MAX];
    bool failed = false;
    uint64_t sequence = 0;
    struct mapping_hash hash = {{0}};
    const struct mapping *mapping = ruas_mapping(ruas, mab);
    (void)prefix_print(mapping_mab(mapping), text);
    if (!store_run(store, STATEMENT_ADD_MAB, "t", text))
        return store_fail(store, error);
    sqlite3_stmt *row = store_bind(store, STATEMENT_GET_MAB, "t", text);
    while (store_row(row, &failed)) {
        store->mab_ids[mab] = sqlite3_column_int64(row, 0);
        sequence = (uint64_t)sqlite3_column_int64(row, 1);
        if (sqlite3_column_bytes(row, 2) == sizeof(hash.lanes))
            memcpy(hash.lanes, sqlite3_column_blob(row, 2), sizeof(hash.lanes));
    }
    if (failed)
        return bad_row(store, "mabs", error);
    ruas_restore_sequence(ruas, mab, sequence);
    return load_micronets(store, ruas, mab, error) && check_hash(store, mapping, &hash, error);
}

bool store_load(struct store *store, struct ruas *ruas, struct error *error)
{
    assert(store->mab_ids == NULL);
    store->mab_count = ruas_mab_count(ruas);
    store->mab_ids = memory_new_array(store->mab_count, sizeof(*store->mab_ids));
    if (!load_table(store, ruas, STATEMENT_ALL_USERS, "users", read_user, error) ||
        !load_table(store, ruas, STATEMENT_ALL_UABS, "uabs", read_uab, error) ||
        !load_table(store, ruas, STATEMENT_ALL_TOKENS, "tokens", read_token, error) ||
        !load_table(store, ruas, STATEMENT_ALL_SCHEDULED, "scheduled", read_scheduled, error))
        return false;
    for (size_t i = 0; i < store->mab_count; i++)
        if (!load_mab(store, ruas, i, error))
            return false;
    uint64_t next = 0;
    if (!store_get_meta(store, "next_scheduled", &next, error))
        return false;
    ruas_restore_done(ruas, next);
    return true;
}

// --- trails --------------------------------------------------------------------------------------

static json_t *nullable(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? json_null()
                                                           : json_text(store_text(row, column));
}

#define AUDIT_WHAT 5 // its column

// The texts may quote what somebody sent, cut anywhere: not all are UTF-8.
static json_t *audit_json(sqlite3_stmt *row)
{
    json_t *json = json_object();
    json_t *what = json_loads(store_text(row, AUDIT_WHAT), JSON_DECODE_ANY, NULL);
    char time[TIME_TEXT_MAX];
    struct wall_time at = {(uint64_t)sqlite3_column_int64(row, 0)};
    json_object_set_new(json, "time", json_string(time_print(at, time)));
    json_object_set_new(json, "who", json_text(store_text(row, 1)));
    json_object_set_new(json, "with", json_text(store_text(row, 2)));
    json_object_set_new(json, "from", json_text(store_text(row, 3)));
    json_object_set_new(json, "action", json_text(store_text(row, 4)));
    json_object_set_new(json, "what", what == NULL ? json_null() : what);
    json_object_set_new(json, "accepted", json_boolean(sqlite3_column_type(row, 6) == SQLITE_NULL));
    json_object_set_new(json, "reason", nullable(row, 6));
    json_object_set_new(json, "text", nullable(row, 7));
    json_object_set_new(json, "sequence", json_integer(sqlite3_column_int64(row, 8)));
    return json;
}

json_t *store_read_audit(struct store *store, const char *user, size_t limit, struct error *error)
{
    bool failed = false;
    size_t octets = 0;
    json_t *lines = json_array();
    sqlite3_stmt *row =
        user == NULL ? store_bind(store, STATEMENT_READ_AUDIT, "i", (int64_t)limit)
                     : store_bind(store, STATEMENT_READ_AUDIT_OF, "ti", user, (int64_t)limit);
    while (octets < AUDIT_READ_MAX && store_row(row, &failed)) {
        octets += (size_t)sqlite3_column_bytes(row, AUDIT_WHAT);
        json_array_append_new(lines, audit_json(row));
    }
    (void)sqlite3_reset(row);
    if (!failed)
        return lines;
    json_decref(lines);
    (void)error_set(error, ERROR_UNAVAILABLE, "not-readable", "the audit trail cannot be read: %s",
                    sqlite3_errmsg(store->database));
    return NULL;
}

bool store_read_journal(struct store *store, const struct ruas *ruas, size_t mab,
                        store_journal_set *set, void *state, struct error *error)
{
    bool failed = false;
    enum family family = mapping_units(ruas_mapping(ruas, mab))->family;
    sqlite3_stmt *row = store_bind(store, STATEMENT_ALL_JOURNAL, "i", store->mab_ids[mab]);
    while (store_row(row, &failed)) {
        struct update updates[UPDATE_SET_MAX];
        size_t count = 0;
        struct reader reader =
            reader_over(sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1));
        while (count < UPDATE_SET_MAX && update_decode(&reader, family, &updates[count]))
            count++;
        bool good = !reader.failed && reader_left(&reader) == 0;
        if (!good || !set(state, (uint64_t)sqlite3_column_int64(row, 0), updates, count)) {
            (void)sqlite3_reset(row);
            return good || bad_row(store, "journal", error);
        }
    }
    return !failed || bad_row(store, "journal", error);
}
