// SPDX-License-Identifier: BSD-2-Clause
#include "authority/delegation.h"

#include "base/memory.h"
#include "mapping/interval_map.h"

#include <assert.h>
#include <string.h>

struct delegation {
    struct interval_map *index[2]; // IPv4, IPv6: units -> slot
    struct uab **slots;            // owned; NULL where free
    uint32_t slot_count;
    uint32_t slot_capacity;
    uint32_t free_slots; // how many of the slots are NULL
    size_t count;
};

static struct interval_map *index_of(const struct delegation *delegation, enum family family)
{
    assert(family == FAMILY_IPV4 || family == FAMILY_IPV6);
    return delegation->index[family == FAMILY_IPV6];
}

struct delegation *delegation_new(void)
{
    struct delegation *delegation = memory_new(sizeof(*delegation));
    delegation->index[0] = interval_map_new();
    delegation->index[1] = interval_map_new();
    return delegation;
}

void delegation_free(struct delegation *delegation)
{
    if (delegation == NULL)
        return;
    for (uint32_t i = 0; i < delegation->slot_count; i++)
        memory_free(delegation->slots[i]);
    memory_free(delegation->slots);
    interval_map_free(delegation->index[0]);
    interval_map_free(delegation->index[1]);
    memory_free(delegation);
}

size_t delegation_count(const struct delegation *delegation)
{
    return delegation->count;
}

static uint32_t take_slot(struct delegation *delegation)
{
    if (delegation->free_slots > 0)
        for (uint32_t i = 0; i < delegation->slot_count; i++)
            if (delegation->slots[i] == NULL) {
                delegation->free_slots--;
                return i;
            }
    if (delegation->slot_count == delegation->slot_capacity) {
        delegation->slot_capacity =
            delegation->slot_capacity == 0 ? 64 : delegation->slot_capacity * 2;
        delegation->slots =
            memory_resize(delegation->slots, delegation->slot_capacity * sizeof(struct uab *));
    }
    delegation->slots[delegation->slot_count] = NULL;
    return delegation->slot_count++;
}

// The first UAB that shares a unit with the range, or NULL.
static struct uab *overlapping(const struct delegation *delegation, const struct range *range)
{
    struct uab *uab = delegation_next(delegation, range->family, range->start);
    return uab != NULL && range_overlaps(&uab->range, range) ? uab : NULL;
}

bool delegation_check_free(const struct delegation *delegation, const struct range *range,
                           struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char other_text[RANGE_TEXT_MAX];
    const struct uab *other = overlapping(delegation, range);
    if (other == NULL)
        return true;
    return error_set(error, ERROR_CONFLICT, "uab-overlaps",
                     "%s overlaps %s, which is delegated to \"%s\"", range_print(range, text),
                     range_print(&other->range, other_text), other->user);
}

void delegation_add(struct delegation *delegation, const struct uab *uab)
{
    assert(range_valid(&uab->range));
    assert(overlapping(delegation, &uab->range) == NULL);
    uint32_t slot = take_slot(delegation);
    delegation->slots[slot] = memory_copy(uab, sizeof(*uab));
    struct interval interval = {uab->range.start.index, uab->range.length.units, slot};
    bool inserted = interval_map_insert(index_of(delegation, uab->range.family), &interval);
    assert(inserted);
    (void)inserted;
    delegation->count++;
}

void delegation_remove(struct delegation *delegation, const struct uab *uab)
{
    struct interval_map *index = index_of(delegation, uab->range.family);
    struct interval found = {0};
    bool there = interval_map_find(index, uab->range.start.index, &found);
    assert(there && delegation->slots[found.value] == uab);
    there = interval_map_remove(index, found.start);
    assert(there);
    (void)there;
    memory_free(delegation->slots[found.value]);
    delegation->slots[found.value] = NULL;
    delegation->free_slots++;
    delegation->count--;
}

struct uab *delegation_find(const struct delegation *delegation, enum family family,
                            struct unit unit)
{
    struct interval found;
    return interval_map_find(index_of(delegation, family), unit.index, &found)
               ? delegation->slots[found.value]
               : NULL;
}

struct uab *delegation_next(const struct delegation *delegation, enum family family,
                            struct unit from)
{
    struct interval found;
    return interval_map_next(index_of(delegation, family), from.index, &found)
               ? delegation->slots[found.value]
               : NULL;
}

struct uab *delegation_check(const struct delegation *delegation, const char *user,
                             const struct range *range, struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char uab_text[RANGE_TEXT_MAX];
    struct uab *uab = overlapping(delegation, range);
    if (uab == NULL) {
        (void)error_set(error, ERROR_DENIED, "not-your-uab", "%s is delegated to nobody",
                        range_print(range, text));
        return NULL;
    }
    if (strcmp(uab->user, user) != 0) {
        (void)error_set(error, ERROR_DENIED, "not-your-uab",
                        "%s is not yours: %s is delegated to \"%s\"", range_print(range, text),
                        range_print(&uab->range, uab_text), uab->user);
        return NULL;
    }
    if (!range_contains(&uab->range, range)) {
        (void)error_set(error, ERROR_DENIED, "outside-your-uab",
                        "%s reaches outside your UAB %s; a micronet lies inside one UAB",
                        range_print(range, text), range_print(&uab->range, uab_text));
        return NULL;
    }
    return uab;
}
