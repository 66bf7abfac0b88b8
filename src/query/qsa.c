// SPDX-License-Identifier: BSD-2-Clause
#include "query/qsa.h"

#include "base/memory.h"
#include "mapping/mab_table.h"

#include <assert.h>
#include <string.h>

struct mab {
    struct prefix prefix;
    struct range units;
    const struct mapping *mapping; // the caller's; NULL before it was loaded
    uint64_t sequence;
    bool ready;        // may be answered from
    bool checking;     // what was told of `rest` is still to be looked at
    bool lost;         // ... and flushed, whatever the mapping says
    struct range rest; // the end of `units`
};

struct qsa {
    struct qsa_config config;
    struct mab_table *table; // prefix -> place in `mabs`
    struct mab *mabs;        // owned
    uint32_t mab_count;
    bool complete;
    uint32_t checking;       // MABs of which that is true
    struct instant check_at; // when the last of them became such
    struct teller *teller;
    struct qsa_counters counters;
};

struct qsa *qsa_new(const struct qsa_config *config, struct random_seed seed, struct instant now)
{
    struct qsa *qsa = memory_new(sizeof(*qsa));
    qsa->config = *config;
    qsa->table = mab_table_new();
    qsa->teller = teller_new(&config->teller, seed, now);
    return qsa;
}

void qsa_free(struct qsa *qsa)
{
    if (qsa == NULL)
        return;
    teller_free(qsa->teller);
    mab_table_free(qsa->table);
    memory_free(qsa->mabs);
    memory_free(qsa);
}

// MABs

static struct mab *find_mab(const struct qsa *qsa, const struct address *address)
{
    uint32_t place = 0;
    return mab_table_find(qsa->table, address, &place) ? &qsa->mabs[place] : NULL;
}

// The MAB with exactly this prefix, or NULL.
static struct mab *get_mab(const struct qsa *qsa, const struct prefix *prefix)
{
    struct mab *mab = find_mab(qsa, &prefix->address);
    return mab != NULL && prefix_equal(&mab->prefix, prefix) ? mab : NULL;
}

bool qsa_mab_add(struct qsa *qsa, const struct prefix *prefix, struct error *error)
{
    struct mab mab = {.prefix = *prefix};
    if (get_mab(qsa, prefix) != NULL)
        return true;
    if (!mab_check(prefix, &mab.units, error) ||
        !mab_table_add(qsa->table, prefix, qsa->mab_count, error))
        return false;
    qsa->mabs = memory_resize(qsa->mabs, (qsa->mab_count + 1) * sizeof(struct mab));
    qsa->mabs[qsa->mab_count++] = mab;
    return true;
}

void qsa_set_complete(struct qsa *qsa, bool complete)
{
    qsa->complete = complete;
}

void qsa_set_caching_time(struct qsa *qsa, struct duration caching_time)
{
    qsa->config.caching_time = caching_time;
}

// Answering

static struct answer answer_for(const struct qsa *qsa, struct instant now, const struct mab *mab,
                                enum mapping_state state, const struct micronet *micronet)
{
    return (struct answer){
        .status = state == MAPPING_MAPPED ? QUERY_MAPPED : QUERY_ZERO,
        .range = micronet->range,
        .etr = micronet->etr,
        .mab_sequence = mab->sequence,
        .expires = instant_add(now, qsa->config.caching_time),
    };
}

// An answer that holds for one unit only.
static struct answer answer_for_unit(struct instant now, enum query_status status,
                                     const struct address *question)
{
    uint64_t caching_ms = status == QUERY_NOT_IN_MAB ? QUERY_NOT_IN_MAB_MS : 0;
    return (struct answer){
        .status = status,
        .range = {(enum family)question->family, unit_of_address(question), {1}},
        .expires = instant_add(now, duration_ms(caching_ms)),
    };
}

static struct answer look_up(const struct qsa *qsa, struct instant now,
                             const struct address *question)
{
    const struct mab *mab = find_mab(qsa, question);
    if (mab == NULL)
        return answer_for_unit(now, qsa->complete ? QUERY_NOT_IN_MAB : QUERY_TRY_ANOTHER, question);
    if (!mab->ready)
        return answer_for_unit(now, QUERY_TRY_ANOTHER, question);
    struct micronet micronet;
    enum mapping_state state = mapping_lookup(mab->mapping, unit_of_address(question), &micronet);
    return answer_for(qsa, now, mab, state, &micronet);
}

void qsa_input(struct qsa *qsa, struct instant now, const struct endpoint *from,
               const uint8_t *bytes, size_t length)
{
    struct query_message message;
    struct asker asker;
    bool of_pages = page_message_claimed(bytes, length);
    enum decode_reason reason = of_pages ? teller_page_input(qsa->teller, from, bytes, length)
                                         : query_decode(bytes, length, &message);
    if (reason != DECODE_OK)
        qsa->counters.dropped[reason]++;
    if (reason != DECODE_OK || of_pages)
        return;
    switch (message.type) {
    case MESSAGE_MAP_REQUEST:
        if (teller_admit(qsa->teller, now, from, &message, length, &asker) == TELLER_ANSWER) {
            struct answer answer = look_up(qsa, now, &message.question);
            teller_answer(qsa->teller, now, &asker, &answer);
        }
        break;
    case MESSAGE_MAP_REPLY_ACK:
    case MESSAGE_CACHE_UPDATE_ACK:
    case MESSAGE_ALIVE_REQUEST:
        teller_input(qsa->teller, now, from, &message, length);
        break;
    case MESSAGE_MAP_REQUEST_ACK:
    case MESSAGE_MAP_REPLY:
    case MESSAGE_CACHE_UPDATE:
    case MESSAGE_ALIVE_REPLY:
    case MESSAGE_PAGE_REQUEST:
    case MESSAGE_PAGE_REPLY:
    case MESSAGE_PAYLOAD:
        qsa->counters.dropped_type++;
        break;
    }
}

// Changes

// Compares a range that was told with what the mapping says now.
static void check_told(struct qsa *qsa, struct instant now, const struct mab *mab,
                       const struct mapping *mapping, const struct range *told)
{
    struct micronet micronet;
    enum mapping_state state = mapping_lookup(mapping, told->start, &micronet);
    qsa->counters.ranges_checked++;
    if (range_equal(&micronet.range, told)) {
        struct answer answer = answer_for(qsa, now, mab, state, &micronet);
        teller_change(qsa->teller, now, &answer);
    } else {
        teller_flush(qsa->teller, now, told);
    }
}

// Calls check_told, or without a mapping flushes, for what was told of a range, at most `most`
// times. False where there may be more: then `range` is the rest.
static bool check_range(struct qsa *qsa, struct instant now, const struct mab *mab,
                        const struct mapping *mapping, struct range *range, size_t most)
{
    struct range told;
    struct unit end = range_last(range);
    for (; most > 0; most--) {
        if (!teller_next_told(qsa->teller, range, &told))
            return true;
        if (mapping == NULL)
            teller_flush(qsa->teller, now, &told);
        else
            check_told(qsa, now, mab, mapping, &told);
        struct unit last = range_last(&told);
        if (last.index >= end.index)
            return true;
        *range = range_between(range->family, (struct unit){last.index + 1}, end);
    }
    return false;
}

// Looks at what was told of the rest of a MAB, at most `most` ranges.
static void check_rest(struct qsa *qsa, struct instant now, struct mab *mab, size_t most)
{
    const struct mapping *mapping = mab->lost ? NULL : mab->mapping;
    assert(mab->checking);
    if (!check_range(qsa, now, mab, mapping, &mab->rest, most))
        return;
    mab->checking = false;
    qsa->checking--;
}

// All that was told of a MAB is to be looked at.
static void check_mab(struct qsa *qsa, struct instant now, struct mab *mab, bool lost)
{
    qsa->checking += !mab->checking;
    qsa->check_at = now;
    mab->checking = true;
    mab->lost = lost;
    mab->rest = mab->units;
    check_rest(qsa, now, mab, QSA_CHECKED_AT_ONCE);
}

void qsa_mab_reloaded(struct qsa *qsa, struct instant now, const struct prefix *prefix,
                      const struct mapping *mapping, uint64_t sequence)
{
    struct mab *mab = get_mab(qsa, prefix);
    if (mab == NULL)
        return;
    assert(prefix_equal(mapping_mab(mapping), prefix));
    mab->mapping = mapping;
    mab->sequence = sequence;
    check_mab(qsa, now, mab, false);
}

void qsa_mab_ready(struct qsa *qsa, const struct prefix *prefix)
{
    struct mab *mab = get_mab(qsa, prefix);
    if (mab == NULL)
        return;
    assert(mab->mapping != NULL);
    mab->ready = true;
    mab->lost = false;
}

void qsa_mab_lost(struct qsa *qsa, struct instant now, const struct prefix *prefix)
{
    struct mab *mab = get_mab(qsa, prefix);
    if (mab == NULL)
        return;
    mab->ready = false;
    check_mab(qsa, now, mab, true);
}

void qsa_mab_remove(struct qsa *qsa, struct instant now, const struct prefix *prefix)
{
    struct mab *mab = get_mab(qsa, prefix);
    if (mab == NULL)
        return;
    qsa_mab_lost(qsa, now, prefix);
    if (mab->checking) // later nobody would know of it
        check_rest(qsa, now, mab, SIZE_MAX);
    (void)mab_table_remove(qsa->table, prefix);
    // The last one takes its place.
    uint32_t place = (uint32_t)(mab - qsa->mabs);
    struct mab last = qsa->mabs[--qsa->mab_count];
    if (place == qsa->mab_count)
        return;
    *mab = last;
    (void)mab_table_remove(qsa->table, &last.prefix);
    bool added = mab_table_add(qsa->table, &last.prefix, place, NULL);
    assert(added);
    (void)added;
}

// The range and the units beside it: a gap next to a changed range may have grown or shrunk.
static struct range with_neighbours(const struct range *range, const struct range *units)
{
    struct unit first = range->start;
    struct unit last = range_last(range);
    if (first.index > units->start.index)
        first.index--;
    if (last.index < range_last(units).index)
        last.index++;
    return range_between(range->family, first, last);
}

void qsa_changed(struct qsa *qsa, struct instant now, const struct prefix *prefix,
                 uint64_t sequence, const struct update *updates, size_t count)
{
    struct mab *mab = get_mab(qsa, prefix);
    if (mab == NULL || mab->mapping == NULL)
        return;
    mab->sequence = sequence;
    for (size_t i = 0; i < count; i++) {
        struct range range = with_neighbours(&updates[i].range, &mab->units);
        (void)check_range(qsa, now, mab, mab->mapping, &range, SIZE_MAX);
    }
}

// The core's other ends

size_t qsa_next_output(struct qsa *qsa, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return teller_next_output(qsa->teller, now, to, buffer);
}

struct instant qsa_next_deadline(const struct qsa *qsa)
{
    struct instant deadline = teller_next_deadline(qsa->teller);
    return qsa->checking > 0 ? instant_earlier(deadline, qsa->check_at) : deadline;
}

void qsa_tick(struct qsa *qsa, struct instant now)
{
    teller_tick(qsa->teller, now);
    for (uint32_t i = 0; qsa->checking > 0 && i < qsa->mab_count; i++) {
        if (!qsa->mabs[i].checking)
            continue;
        check_rest(qsa, now, &qsa->mabs[i], QSA_CHECKED_AT_ONCE);
        return;
    }
}

struct teller *qsa_teller(struct qsa *qsa)
{
    return qsa->teller;
}

const struct qsa_counters *qsa_counters(const struct qsa *qsa)
{
    return &qsa->counters;
}
