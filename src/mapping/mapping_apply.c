// SPDX-License-Identifier: BSD-2-Clause
// Applying atomic sets of updates (mapping.h has the rules).
//
// Each update is checked against the state that those before it left, then broken down into
// changes of single micronets, which are made at once and noted:
//
//     split 20.1.0.0/24 at .16    ->    remove .0-.255, add .0-.15, add .16-.255
//
// Where a later update breaks a rule, the notes are undone backwards. All of it happens inside one
// change of the sequence lock, so readers see the set whole or not at all. The running hash is
// adjusted at the end, from the same notes.
#include "mapping/mapping.h"

#include "base/memory.h"
#include "mapping/mapping_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CHANGES_FIRST 16
// Room for as many notes is kept from set to set; few sets of most updates need more.
#define CHANGES_KEPT (4 * UPDATE_SET_MAX)
// Updates whose memory is asked for together.
#define WARM_UPDATES 32

static void note(struct mapping *mapping, const struct change *change)
{
    struct undo_log *undo = &mapping->undo;
    if (undo->count == undo->capacity) {
        undo->capacity = undo->capacity == 0 ? CHANGES_FIRST : undo->capacity * 2;
        undo->changes = memory_resize(undo->changes, undo->capacity * sizeof(*undo->changes));
    }
    undo->changes[undo->count++] = *change;
}

// Makes one change in the store.
static void make(struct mapping *mapping, const struct change *change)
{
    struct interval micronet = {change->start, change->length, change->after};
    if (change->before == ETR_GAP) {
        store_add(&mapping->store, &micronet);
        mapping->count++;
    } else if (change->after == ETR_GAP) {
        store_remove(&mapping->store, &micronet);
        mapping->count--;
    } else {
        store_set(&mapping->store, &micronet, change->after);
    }
    etr_table_hold(&mapping->etrs, change->after, 1);
    etr_table_drop(&mapping->etrs, change->before);
}

static void make_noted(struct mapping *mapping, uint64_t start, uint64_t length, uint32_t before,
                       uint32_t after)
{
    struct change change = {start, length, before, after};
    note(mapping, &change);
    make(mapping, &change);
}

static void undo_all(struct mapping *mapping)
{
    struct undo_log *undo = &mapping->undo;
    while (undo->count > 0) {
        const struct change *change = &undo->changes[--undo->count];
        struct change back = {change->start, change->length, change->after, change->before};
        make(mapping, &back);
    }
    assert(mapping->count == undo->micronets);
}

// Forgets the set before; and the room for its notes, where it changed very many micronets.
static void begin_log(struct mapping *mapping)
{
    struct undo_log *undo = &mapping->undo;
    if (undo->capacity > CHANGES_KEPT) {
        memory_free(undo->changes);
        undo->changes = NULL;
        undo->capacity = 0;
    }
    undo->revertible = false;
    undo->count = 0;
    undo->micronets = mapping->count;
}

// The texts of refusals: a range, and the micronet that is in the way.

static const char *print_units(const struct mapping *mapping, uint64_t start, uint64_t length,
                               char text[RANGE_TEXT_MAX])
{
    struct range range = {mapping->store.units.family, {start}, {length}};
    return range_print(&range, text);
}

#define PLACE_TEXT_MAX (RANGE_TEXT_MAX + ADDRESS_TEXT_MAX + 40)

// "the micronet 20.1.0.16/28, mapped to 198.18.3.1" or "in the gap 20.1.0.32-20.1.255.255".
static const char *print_place(const struct mapping *mapping, const struct interval *at,
                               char text[PLACE_TEXT_MAX])
{
    char range[RANGE_TEXT_MAX];
    char etr_text[ADDRESS_TEXT_MAX];
    (void)print_units(mapping, at->start, at->length, range);
    if (at->value == ETR_GAP) {
        (void)snprintf(text, PLACE_TEXT_MAX, "the gap %s, in no micronet", range);
        return text;
    }
    struct address etr = etr_table_get(&mapping->etrs, at->value);
    (void)snprintf(text, PLACE_TEXT_MAX, "the micronet %s, mapped to %s", range,
                   address_print(&etr, etr_text));
    return text;
}

static bool refuse_mapped(const struct mapping *mapping, const struct interval *at,
                          struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char etr_text[ADDRESS_TEXT_MAX];
    struct address etr = etr_table_get(&mapping->etrs, at->value);
    return error_set(error, ERROR_CONFLICT, "not-zero", "%s is mapped to %s: map it to zero first",
                     print_units(mapping, at->start, at->length, text),
                     address_print(&etr, etr_text));
}

// Finds the micronet that is exactly `range`.
static bool find_exact(const struct mapping *mapping, const struct range *range,
                       struct interval *at, struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char place[PLACE_TEXT_MAX];
    *at = store_find(&mapping->store, range->start.index);
    if (at->value != ETR_GAP && at->start == range->start.index &&
        at->length == range->length.units)
        return true;
    return error_set(error, ERROR_CONFLICT, "not-a-micronet",
                     "%s is not a micronet: it begins in %s%s", range_print(range, text),
                     print_place(mapping, at, place),
                     at->value == ETR_GAP ? "; define it first" : "");
}

// Finds the micronet that is exactly `range` and is mapped to zero.
static bool find_zero(const struct mapping *mapping, const struct range *range, struct interval *at,
                      struct error *error)
{
    if (!find_exact(mapping, range, at, error))
        return false;
    return at->value == ETR_ZERO || refuse_mapped(mapping, at, error);
}

static bool apply_map(struct mapping *mapping, const struct update *update, struct error *error)
{
    struct interval at;
    if (!find_exact(mapping, &update->range, &at, error))
        return false;
    uint32_t value = etr_table_take(&mapping->etrs, &update->etr, 1);
    if (value != at.value)
        make_noted(mapping, at.start, at.length, at.value, value);
    etr_table_drop(&mapping->etrs, value);
    return true;
}

// Walks the micronets and gaps of a range, starting with `at` = {start of range, 0}; false behind
// the last.
static bool next_run(const struct mapping *mapping, const struct range *range, struct interval *at)
{
    uint64_t from = at->start + at->length;
    if (at->length > 0 && (from == 0 || from > range_last(range).index))
        return false;
    *at = store_find(&mapping->store, from);
    return true;
}

// Refuses a range that overlaps a mapped micronet; says whether it overlaps micronets at all.
static bool check_unmapped(const struct mapping *mapping, const struct range *range, bool *any,
                           struct error *error)
{
    struct interval at = {range->start.index, 0, ETR_GAP};
    *any = false;
    while (next_run(mapping, range, &at)) {
        *any = *any || at.value == ETR_ZERO;
        if (at.value < ETR_FIRST)
            continue;
        char text[RANGE_TEXT_MAX];
        char place[PLACE_TEXT_MAX];
        return error_set(error, ERROR_CONFLICT, "overlaps-mapped",
                         "%s overlaps %s: map that to zero first", range_print(range, text),
                         print_place(mapping, &at, place));
    }
    return true;
}

// Takes a zero micronet away, but for what sticks out of the range on either side.
static void carve(struct mapping *mapping, const struct range *range, const struct interval *at)
{
    uint64_t last = range_last(range).index;
    uint64_t at_last = at->start + (at->length - 1);
    make_noted(mapping, at->start, at->length, ETR_ZERO, ETR_GAP);
    if (at->start < range->start.index)
        make_noted(mapping, at->start, range->start.index - at->start, ETR_GAP, ETR_ZERO);
    if (at_last > last)
        make_noted(mapping, last + 1, at_last - last, ETR_GAP, ETR_ZERO);
}

static bool apply_define(struct mapping *mapping, const struct update *update, struct error *error)
{
    const struct range *range = &update->range;
    bool any = false;
    if (!check_unmapped(mapping, range, &any, error))
        return false;
    struct interval at = {range->start.index, 0, ETR_GAP};
    while (any && next_run(mapping, range, &at))
        if (at.value == ETR_ZERO)
            carve(mapping, range, &at);
    uint32_t value = etr_table_take(&mapping->etrs, &update->etr, 1);
    make_noted(mapping, range->start.index, range->length.units, ETR_GAP, value);
    etr_table_drop(&mapping->etrs, value);
    return true;
}

static bool apply_split(struct mapping *mapping, const struct update *update, struct error *error)
{
    struct interval at;
    if (!find_zero(mapping, &update->range, &at, error))
        return false;
    uint64_t left = update->at.index - at.start;
    if (left == 0 || left >= at.length) {
        char text[RANGE_TEXT_MAX];
        char at_text[RANGE_TEXT_MAX];
        bool valid = update->range.family == FAMILY_IPV6 || update->at.index <= UINT32_MAX;
        return error_set(error, ERROR_CONFLICT, "bad-split",
                         "%s cannot be split at %s: the second part must begin inside it, behind "
                         "its first unit",
                         range_print(&update->range, text),
                         valid ? print_units(mapping, update->at.index, 1, at_text)
                               : "a place outside IPv4");
    }
    make_noted(mapping, at.start, at.length, ETR_ZERO, ETR_GAP);
    make_noted(mapping, at.start, left, ETR_GAP, ETR_ZERO);
    make_noted(mapping, update->at.index, at.length - left, ETR_GAP, ETR_ZERO);
    return true;
}

// Checks that a range is exactly made of two or more zero micronets.
static bool check_join(const struct mapping *mapping, const struct range *range,
                       struct error *error)
{
    struct interval at = {range->start.index, 0, ETR_GAP};
    char text[RANGE_TEXT_MAX];
    char place[PLACE_TEXT_MAX];
    uint64_t parts = 0;
    while (next_run(mapping, range, &at)) {
        if (at.value >= ETR_FIRST)
            return refuse_mapped(mapping, &at, error);
        if (at.value == ETR_GAP || at.start < range->start.index ||
            at.start + (at.length - 1) > range_last(range).index)
            return error_set(error, ERROR_CONFLICT, "bad-join",
                             "%s is not exactly made of micronets: in it, or sticking out, is %s",
                             range_print(range, text), print_place(mapping, &at, place));
        parts++;
    }
    if (parts < 2)
        return error_set(error, ERROR_CONFLICT, "bad-join",
                         "%s is one micronet already: a join needs two or more",
                         range_print(range, text));
    return true;
}

static bool apply_join(struct mapping *mapping, const struct update *update, struct error *error)
{
    const struct range *range = &update->range;
    if (!check_join(mapping, range, error))
        return false;
    struct interval at = {range->start.index, 0, ETR_GAP};
    while (next_run(mapping, range, &at))
        make_noted(mapping, at.start, at.length, ETR_ZERO, ETR_GAP);
    make_noted(mapping, range->start.index, range->length.units, ETR_GAP, ETR_ZERO);
    return true;
}

static bool apply_delete(struct mapping *mapping, const struct update *update, struct error *error)
{
    struct interval at;
    if (!find_zero(mapping, &update->range, &at, error))
        return false;
    make_noted(mapping, at.start, at.length, ETR_ZERO, ETR_GAP);
    return true;
}

// What must hold of every update, whatever it does.
static bool check_update(const struct mapping *mapping, const struct update *update,
                         struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char mab[PREFIX_TEXT_MAX];
    if (!range_valid(&update->range))
        return error_set(error, ERROR_INPUT, "bad-range",
                         "an update's range is empty, of no family, or runs past the end of the "
                         "address space");
    if (!range_contains(&mapping->store.units, &update->range))
        return error_set(error, ERROR_INPUT, "outside-mab", "%s is not inside the MAB %s",
                         range_print(&update->range, text), prefix_print(&mapping->mab, mab));
    uint8_t family = update->etr.family;
    if ((update->kind == UPDATE_MAP || update->kind == UPDATE_DEFINE) && family != FAMILY_NONE &&
        family != FAMILY_IPV4 && family != FAMILY_IPV6)
        return error_set(error, ERROR_INPUT, "bad-etr",
                         "the ETR for %s is neither an IPv4 nor an IPv6 address, nor zero",
                         range_print(&update->range, text));
    return true;
}

static bool apply_update(struct mapping *mapping, const struct update *update, struct error *error)
{
    if (!check_update(mapping, update, error))
        return false;
    switch (update->kind) {
    case UPDATE_MAP:
        return apply_map(mapping, update, error);
    case UPDATE_DEFINE:
        return apply_define(mapping, update, error);
    case UPDATE_SPLIT:
        return apply_split(mapping, update, error);
    case UPDATE_JOIN:
        return apply_join(mapping, update, error);
    case UPDATE_DELETE:
        return apply_delete(mapping, update, error);
    }
    return error_set(error, ERROR_INPUT, "bad-update", "there is no update of kind %d",
                     (int)update->kind);
}

// Notes that a micronet's record with one of its values came, or went.
static void note_record(struct mapping *mapping, const struct change *change, uint32_t value,
                        bool gone)
{
    struct unhashed *unhashed = mapping->unhashed;
    if (value == ETR_GAP)
        return;
    unhashed->records[unhashed->count++] =
        (struct record){change->start, change->length, etr_table_get(&mapping->etrs, value), gone};
    if (unhashed->count < RECORD_LANES)
        return;
    record_hash_add(&mapping->hash, unhashed->records, unhashed->count);
    unhashed->count = 0;
}

// Adjusts the running hash by what the undo log notes; or back again.
static void adjust_hash(struct mapping *mapping, bool back)
{
    const struct undo_log *undo = &mapping->undo;
    if (mapping->unhashed == NULL)
        mapping->unhashed = memory_new(sizeof(*mapping->unhashed));
    for (size_t i = 0; i < undo->count; i++) {
        const struct change *change = &undo->changes[i];
        note_record(mapping, change, change->before, !back);
        note_record(mapping, change, change->after, back);
    }
}

// Gets what the next updates are about on its way, so that their cache misses overlap.
static void warm(const struct mapping *mapping, const struct update *updates, size_t count)
{
    uint64_t units[WARM_UPDATES];
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        if (range_contains_unit(&mapping->store.units, updates[i].range.family,
                                updates[i].range.start))
            units[known++] = updates[i].range.start.index;
    store_warm(&mapping->store, units, known);
}

// Applies all, or undoes what was done. The caller has begun a change.
static bool apply_all(struct mapping *mapping, const struct update *updates, size_t count,
                      size_t *failed, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        size_t left = count - i;
        if (i % WARM_UPDATES == 0 && left > 1)
            warm(mapping, updates + i, left < WARM_UPDATES ? left : WARM_UPDATES);
        if (!apply_update(mapping, &updates[i], error)) {
            undo_all(mapping);
            if (failed != NULL)
                *failed = i;
            return false;
        }
    }
    return true;
}

static bool begin_set(struct mapping *mapping, size_t count, size_t *failed, struct error *error)
{
    if (count > UPDATE_SET_MAX) {
        if (failed != NULL)
            *failed = UPDATE_SET_MAX;
        return error_set(error, ERROR_LIMIT, "set-too-large",
                         "%zu updates in one atomic set: at most %d are allowed", count,
                         UPDATE_SET_MAX);
    }
    begin_log(mapping);
    sequence_write_begin(&mapping->sequence);
    // Addresses that the set before took out of use: inside the change, since a reader may be
    // about to look one up.
    etr_table_sweep(&mapping->etrs);
    return true;
}

bool mapping_apply(struct mapping *mapping, const struct update *updates, size_t count,
                   size_t *failed, struct error *error)
{
    if (!begin_set(mapping, count, failed, error))
        return false;
    bool applied = apply_all(mapping, updates, count, failed, error);
    sequence_write_end(&mapping->sequence);
    if (!applied)
        return false;
    adjust_hash(mapping, false);
    mapping->undo.revertible = true;
    return true;
}

bool mapping_check(struct mapping *mapping, const struct update *updates, size_t count,
                   size_t *failed, struct error *error)
{
    if (!begin_set(mapping, count, failed, error))
        return false;
    bool good = apply_all(mapping, updates, count, failed, error);
    undo_all(mapping);
    sequence_write_end(&mapping->sequence);
    return good;
}

void mapping_revert(struct mapping *mapping)
{
    assert(mapping->undo.revertible);
    mapping->undo.revertible = false;
    adjust_hash(mapping, true);
    sequence_write_begin(&mapping->sequence);
    undo_all(mapping);
    sequence_write_end(&mapping->sequence);
}
