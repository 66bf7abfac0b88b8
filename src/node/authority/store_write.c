// SPDX-License-Identifier: BSD-2-Clause
// Storing changes: each kind of change as rows, one transaction each.
#include "node/authority/store.h"

#include "base/cursor.h"
#include "base/memory.h"
#include "node/authority/command_json.h"
#include "node/authority/store_state.h"
#include "wire/payload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// An update on the wire: kind, family, three IPv6 numbers at most (docs/protocol.md).
#define UPDATE_BYTES_MAX (1 + 1 + 8 + 8 + 16)

static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// --- sets ----------------------------------------------------------------------------------------

static bool write_journal(struct store *store, const struct ruas *ruas, const struct change *change)
{
    uint8_t bytes[UPDATE_SET_MAX * UPDATE_BYTES_MAX];
    struct writer writer = writer_over(bytes, sizeof(bytes));
    enum family family = mapping_units(ruas_mapping(ruas, change->mab))->family;
    for (size_t i = 0; i < change->update_count; i++)
        update_encode(&writer, family, &change->updates[i]);
    assert(!writer.failed);
    return store_run(store, STATEMENT_ADD_JOURNAL, "iiib", store->mab_ids[change->mab],
                     (int64_t)change->sequence, (int64_t)change->time.ms, (const void *)bytes,
                     writer_length(&writer));
}

static bool add_micronet(struct store *store, int64_t mab, uint64_t base,
                         const struct micronet *micronet)
{
    return store_run(store, STATEMENT_ADD_MICRONET, "iiib", mab,
                     (int64_t)(micronet->range.start.index - base),
                     (int64_t)micronet->range.length.units, (const void *)micronet->etr.octets,
                     family_octets((enum family)micronet->etr.family));
}

// Replaces the rows of a touched range by what is there now. Its edges cut no micronet, so these
// are whole rows.
static bool rewrite_range(struct store *store, int64_t mab, const struct mapping *mapping,
                          const struct range *touched)
{
    uint64_t base = mapping_units(mapping)->start.index;
    uint64_t last = range_last(touched).index;
    if (!store_run(store, STATEMENT_REMOVE_MICRONETS, "iii", mab,
                   (int64_t)(touched->start.index - base), (int64_t)(last - base)))
        return false;
    struct unit from = touched->start;
    struct micronet micronet;
    while (mapping_next(mapping, from, &micronet) && micronet.range.start.index <= last) {
        assert(micronet.range.start.index >= touched->start.index);
        assert(range_last(&micronet.range).index <= last);
        if (!add_micronet(store, mab, base, &micronet))
            return false;
        if (range_last(&micronet.range).index == last)
            break;
        from.index = range_last(&micronet.range).index + 1;
    }
    return true;
}

static bool write_state(struct store *store, const struct ruas *ruas, const struct change *change)
{
    struct mapping_hash hash = mapping_hash(ruas_mapping(ruas, change->mab));
    return store_run(store, STATEMENT_SET_MAB, "ibi", (int64_t)change->sequence,
                     (const void *)hash.lanes, sizeof(hash.lanes), store->mab_ids[change->mab]);
}

static bool end_scheduled(struct store *store, const struct change *change)
{
    const struct scheduled *ended = &change->scheduled;
    const char *reason = ended->state == SCHEDULED_REFUSED ? ended->reason : NULL;
    const char *text = ended->state == SCHEDULED_REFUSED ? ended->text : NULL;
    return store_run(store, STATEMENT_END_SCHEDULED, "iiitti", (int64_t)ended->state,
                     (int64_t)ended->ended.ms, (int64_t)ended->sequence, reason, text,
                     (int64_t)ended->id) &&
           (change->forget == 0 ||
            store_run(store, STATEMENT_REMOVE_SCHEDULED, "i", (int64_t)change->forget));
}

static bool write_set(struct store *store, const struct ruas *ruas, const struct change *change)
{
    assert(change->mab < store->mab_count);
    for (size_t i = 0; i < change->touched_count; i++)
        if (!rewrite_range(store, store->mab_ids[change->mab], ruas_mapping(ruas, change->mab),
                           &change->touched[i]))
            return false;
    return write_journal(store, ruas, change) && write_state(store, ruas, change) &&
           (change->scheduled.id == 0 || end_scheduled(store, change));
}

// --- everything else -----------------------------------------------------------------------------

static bool remove_token(struct store *store, const struct token_digest *digest)
{
    return store_run(store, STATEMENT_REMOVE_TOKEN, "b", (const void *)digest->bytes,
                     sizeof(digest->bytes));
}

static bool add_token(struct store *store, const struct change *change)
{
    char only[RANGE_TEXT_MAX];
    const struct token *token = &change->token;
    if (change->replaces && !remove_token(store, &change->expired))
        return false;
    return store_run(store, STATEMENT_ADD_TOKEN, "btitii", (const void *)token->digest.bytes,
                     sizeof(token->digest.bytes), token->user, (int64_t)token->scope,
                     token->limited ? range_print(&token->only, only) : NULL,
                     (int64_t)token->created.ms, (int64_t)token->expires.ms);
}

static bool add_scheduled(struct store *store, const struct scheduled *scheduled)
{
    char only[RANGE_TEXT_MAX];
    char from[ADDRESS_TEXT_MAX];
    const struct grant *grant = &scheduled->grant;
    json_t *json = command_set_to_json(scheduled->set);
    char *commands = json_dumps(json, JSON_COMPACT);
    bool added = store_run(
        store, STATEMENT_ADD_SCHEDULED, "ititbtiit", (int64_t)scheduled->id, scheduled->user,
        (int64_t)grant->scope, grant->limited ? range_print(&grant->only, only) : NULL,
        (const void *)grant->token.bytes, grant->by_token ? sizeof(grant->token.bytes) : (size_t)0,
        address_print(&scheduled->from, from), (int64_t)scheduled->made.ms,
        (int64_t)scheduled->at.ms, commands);
    free(commands);
    json_decref(json);
    return added &&
           store_run(store, STATEMENT_SET_META, "ti", "next_scheduled", (int64_t)scheduled->id + 1);
}

static bool remove_user(struct store *store, const char *name)
{
    return store_run(store, STATEMENT_REMOVE_USER_TOKENS, "t", name) &&
           store_run(store, STATEMENT_REMOVE_USER_SCHEDULED, "t", name) &&
           store_run(store, STATEMENT_REMOVE_USER, "t", name);
}

static bool write_change(struct store *store, const struct ruas *ruas, const struct change *change)
{
    char range[RANGE_TEXT_MAX];
    switch (change->kind) {
    case CHANGE_USER_ADD:
        return store_run(store, STATEMENT_ADD_USER, "tti", change->user.name, change->user.password,
                         (int64_t)change->user.created.ms);
    case CHANGE_USER_PASSWORD:
        return store_run(store, STATEMENT_SET_PASSWORD, "tt", change->user.password,
                         change->user.name);
    case CHANGE_USER_REMOVE:
        return remove_user(store, change->user.name);
    case CHANGE_UAB_ADD:
        return store_run(store, STATEMENT_ADD_UAB, "tti", range_print(&change->uab.range, range),
                         change->uab.user, (int64_t)change->uab.micronets_max);
    case CHANGE_UAB_REMOVE:
        return store_run(store, STATEMENT_REMOVE_UAB, "t", range_print(&change->uab.range, range));
    case CHANGE_TOKEN_ADD:
        return add_token(store, change);
    case CHANGE_TOKEN_REVOKE:
        return remove_token(store, &change->token.digest);
    case CHANGE_SCHEDULE_ADD:
        return add_scheduled(store, &change->scheduled);
    case CHANGE_SCHEDULE_END:
        return end_scheduled(store, change);
    case CHANGE_SET:
        return write_set(store, ruas, change);
    }
    return false;
}

static void count_time(struct store *store, uint64_t started)
{
    uint64_t taken = clock_ns() - started;
    store->counters.write_ns_total += taken;
    if (taken > store->counters.write_ns_max)
        store->counters.write_ns_max = taken;
}

static bool write_with_audit(struct store *store, const struct ruas *ruas,
                             const struct change *change, const struct audit *audit)
{
    int64_t mab = change->kind == CHANGE_SET ? store->mab_ids[change->mab] : 0;
    return write_change(store, ruas, change) &&
           store_write_audit(store, audit, mab, change->sequence);
}

bool store_write(struct store *store, const struct ruas *ruas, const struct change *change,
                 const struct audit *audit, struct error *error)
{
    uint64_t started = clock_ns();
    if (!store_begin(store) || !store_write_noted(store) ||
        !write_with_audit(store, ruas, change, audit) || !store_commit(store))
        return store_fail(store, error);
    store_noted_written(store);
    count_time(store, started);
    return true;
}

bool store_hold(struct store *store, const struct ruas *ruas, const struct change *change,
                const struct audit *audit, struct error *error)
{
    assert(change->kind == CHANGE_SET);
    if (!store->holding && !store_begin(store))
        return store_fail(store, error);
    store->holding = true;
    return write_with_audit(store, ruas, change, audit) || store_fail(store, error);
}

bool store_settle(struct store *store, struct error *error)
{
    uint64_t started = clock_ns();
    assert(store->holding);
    if (!store_write_noted(store) || !store_commit(store))
        return store_fail(store, error);
    store_noted_written(store);
    count_time(store, started);
    return true;
}

bool store_flush(struct store *store, struct ruas *ruas, struct error *error)
{
    const struct token *token = ruas_next_used_token(ruas);
    if (token == NULL && store->noted_count == 0 && !store->failing)
        return true;
    if (!store_begin(store) || !store_write_noted(store))
        return store_fail(store, error);
    for (; token != NULL; token = ruas_next_used_token(ruas))
        if (!store_run(store, STATEMENT_USE_TOKEN, "ib", (int64_t)token->used.ms,
                       (const void *)token->digest.bytes, sizeof(token->digest.bytes)))
            return store_fail(store, error);
    // An empty transaction writes nothing; the epoch again is something to try with.
    if (!store_run(store, STATEMENT_SET_META, "ti", "epoch", (int64_t)store->epoch) ||
        !store_commit(store))
        return store_fail(store, error);
    store_noted_written(store);
    return true;
}
