// SPDX-License-Identifier: BSD-2-Clause
#include "authority/delegation.h"

#include "authority/user_lists.h"
#include "base/memory.h"
#include "mapping/interval_map.h"

#include <assert.h>
#include <string.h>

struct delegation {
    struct interval_map *index[2]; // IPv4, IPv6: units -> slot
    struct uab **slots;            // owned
    uint32_t count;
    uint32_t capacity;
    struct user_lists of_users; // IPv4 first, by start
};

static struct interval_map *index_of(const struct delegation *delegation, enum family family)
{
    assert(family == FAMILY_IPV4 || family == FAMILY_IPV6);
    return delegation->index[family == FAMILY_IPV6];
}

struct delegation *delegation_new(struct random_source *random)
{
    struct delegation *delegation = memory_new(sizeof(*delegation));
    delegation->index[0] = interval_map_new();
    delegation->index[1] = interval_map_new();
    user_lists_init(&delegation->of_users, random);
    return delegation;
}

void delegation_free(struct delegation *delegation)
{
    if (delegation == NULL)
        return;
    while (delegation->count > 0)
        delegation_remove(delegation, delegation->slots[0]);
    memory_free(delegation->slots);
    user_lists_release(&delegation->of_users);
    interval_map_free(delegation->index[0]);
    interval_map_free(delegation->index[1]);
    memory_free(delegation);
}

size_t delegation_count(const struct delegation *delegation)
{
    return delegation->count;
}

// --- users ---------------------------------------------------------------------------------------

static bool comes_before(const struct uab *a, const struct uab *b)
{
    return a->range.family != b->range.family ? a->range.family < b->range.family
                                              : a->range.start.index < b->range.start.index;
}

// Puts the UAB in its place among those of its user.
static void link_to_user(struct delegation *delegation, struct uab *uab)
{
    struct list_node *uabs = user_lists_open(&delegation->of_users, uab->user);
    struct list_node *after = uabs->next;
    while (after != uabs && comes_before(container_of(after, struct uab, of_user), uab))
        after = after->next;
    list_append(after, &uab->of_user); // in front of it
}

struct uab *delegation_next_of(const struct delegation *delegation, const char *user,
                               const struct uab *uab)
{
    struct list_node *next =
        user_lists_next(&delegation->of_users, user, uab == NULL ? NULL : &uab->of_user);
    return next == NULL ? NULL : container_of(next, struct uab, of_user);
}

// --- UABs ----------------------------------------------------------------------------------------

static uint32_t take_slot(struct delegation *delegation)
{
    if (delegation->count == delegation->capacity) {
        delegation->capacity = delegation->capacity == 0 ? 64 : delegation->capacity * 2;
        delegation->slots =
            memory_resize(delegation->slots, delegation->capacity * sizeof(struct uab *));
    }
    return delegation->count++;
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
    struct uab *added = memory_copy(uab, sizeof(*uab));
    delegation->slots[slot] = added;
    struct interval interval = {uab->range.start.index, uab->range.length.units, slot};
    bool inserted = interval_map_insert(index_of(delegation, uab->range.family), &interval);
    assert(inserted);
    (void)inserted;
    link_to_user(delegation, added);
}

void delegation_remove(struct delegation *delegation, struct uab *uab)
{
    struct interval found = {0};
    struct interval_map *index = index_of(delegation, uab->range.family);
    bool done = interval_map_find(index, uab->range.start.index, &found);
    assert(done && delegation->slots[found.value] == uab);
    done = interval_map_remove(index, found.start);
    assert(done);
    // The last slot's UAB moves into the one that got free.
    struct uab *last = delegation->slots[--delegation->count];
    if (last != uab) {
        delegation->slots[found.value] = last;
        done = interval_map_set_value(index_of(delegation, last->range.family),
                                      last->range.start.index, found.value);
        assert(done);
    }
    (void)done;
    user_lists_leave(&delegation->of_users, uab->user, &uab->of_user);
    memory_free(uab);
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
