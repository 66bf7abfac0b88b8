// SPDX-License-Identifier: BSD-2-Clause
#include "query/page_shelf.h"

#include "base/memory.h"
#include "wire/mab_page_writer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct place {
    char name[MAB_PAGE_NAME_TEXT_MAX];
    uint16_t length;
    uint32_t offset;
};

struct page_shelf {
    atomic_uint holders;
    struct mab_root root;
    size_t count;
    struct place *places; // owned, sorted
    uint8_t *bytes;       // owned
};

static struct page_shelf *make_shelf(const struct mab_root *root, size_t count, size_t octets)
{
    struct page_shelf *shelf = memory_new(sizeof(*shelf));
    atomic_init(&shelf->holders, 1);
    shelf->root = *root;
    shelf->places = memory_new_array(count, sizeof(*shelf->places));
    shelf->bytes = memory_new(octets);
    return shelf;
}

static void put_page(struct page_shelf *shelf, size_t *used, const char *name, const uint8_t *bytes,
                     size_t length)
{
    assert(length > 0 && length <= MAB_PAGE_BYTES_MAX);
    struct place *place = &shelf->places[shelf->count++];
    memcpy(place->name, name, sizeof(place->name));
    place->length = (uint16_t)length;
    place->offset = (uint32_t)*used;
    memcpy(shelf->bytes + *used, bytes, length);
    *used += length;
}

static int compare_places(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static void sort_places(struct page_shelf *shelf)
{
    qsort(shelf->places, shelf->count, sizeof(*shelf->places), compare_places);
}

struct page_shelf *page_shelf_of_index(struct mab_index *index, const struct mab_root *root)
{
    size_t count = 0;
    size_t octets = 0;
    size_t used = 0;
    mab_index_mark(index, root);
    for (struct mab_index_page page = {0}; mab_index_next_marked(index, &page); count++)
        octets += page.length;
    struct page_shelf *shelf = make_shelf(root, count, octets);
    for (struct mab_index_page page = {0}; mab_index_next_marked(index, &page);)
        put_page(shelf, &used, page.name, page.bytes, page.length);
    sort_places(shelf);
    return shelf;
}

// Making pages of a set that may overlap itself

static bool is_refused(const struct mab_entry *entry)
{
    return strcmp(entry->dsoc, "-") == 0;
}

static int compare_entries(const void *a, const void *b)
{
    return mab_entry_compare(a, b);
}

struct entry_list {
    struct mab_entry *items; // owned
    size_t count;
    size_t capacity;
};

static void add_entry(struct entry_list *list, const struct mab_entry *entry)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        list->items = memory_resize(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->count++] = *entry;
}

// The first of the sorted entries that may overlap the prefix or lie behind it.
static size_t first_at(const struct entry_list *list, const struct prefix *prefix)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct prefix *here = &list->items[middle].prefix;
        bool before =
            !prefix_overlaps(here, prefix) && address_compare(&here->address, &prefix->address) < 0;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

// Adds the parts of a refused prefix that lie in no MAB, by halves; no ETR may be in a MAB anyway.
// The depth is bounded by the length of a MAB.
static void add_parts(struct entry_list *parts, const struct entry_list *mabs,
                      const struct mab_entry *refused)
{
    if (parts->count >= MAB_INDEX_ENTRIES_MAX)
        return;
    size_t at = first_at(mabs, &refused->prefix);
    const struct mab_entry *mab = at < mabs->count ? &mabs->items[at] : NULL;
    if (mab == NULL || !prefix_overlaps(&mab->prefix, &refused->prefix)) {
        add_entry(parts, refused);
        return;
    }
    if (mab->prefix.length <= refused->prefix.length)
        return;
    struct mab_entry half = *refused;
    half.prefix.length++;
    add_parts(parts, mabs, &half);
    size_t bit = refused->prefix.length;
    half.prefix.address.octets[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    add_parts(parts, mabs, &half);
}

// Sorts, and drops what overlaps an entry before it.
static void make_disjoint(struct entry_list *list)
{
    size_t kept = 0;
    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), compare_entries);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || !prefix_overlaps(&list->items[kept - 1].prefix, &list->items[i].prefix))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

// MABs, and of what is refused the rest, all sorted and without overlap.
static struct entry_list separate(const struct mab_entry *entries, size_t count)
{
    struct entry_list mabs = {0};
    struct entry_list parts = {0};
    for (size_t i = 0; i < count; i++)
        if (!is_refused(&entries[i]))
            add_entry(&mabs, &entries[i]);
    make_disjoint(&mabs);
    for (size_t i = 0; i < count; i++)
        if (is_refused(&entries[i]))
            add_parts(&parts, &mabs, &entries[i]);
    make_disjoint(&parts);
    for (size_t i = 0; i < parts.count; i++)
        add_entry(&mabs, &parts.items[i]);
    make_disjoint(&mabs);
    memory_free(parts.items);
    return mabs;
}

struct page_shelf *page_shelf_of_entries(const struct mab_entry *entries, size_t count)
{
    struct entry_list list = separate(entries, count);
    struct mab_pages pages;
    size_t octets = 0;
    size_t used = 0;
    mab_pages_make(&pages, list.items, list.count);
    memory_free(list.items);
    for (size_t i = 0; i < pages.count; i++)
        octets += pages.items[i].length;
    const struct mab_page *last = &pages.items[pages.count - 1];
    struct mab_root root = {.level = last->level};
    memcpy(root.page, last->name, sizeof(root.page));
    struct page_shelf *shelf = make_shelf(&root, pages.count, octets);
    for (size_t i = 0; i < pages.count; i++)
        put_page(shelf, &used, pages.items[i].name, pages.items[i].bytes, pages.items[i].length);
    mab_pages_release(&pages);
    sort_places(shelf);
    return shelf;
}

// Holding and looking

struct page_shelf *page_shelf_hold(struct page_shelf *shelf)
{
    unsigned before = atomic_fetch_add(&shelf->holders, 1);
    assert(before > 0);
    (void)before;
    return shelf;
}

void page_shelf_release(struct page_shelf *shelf)
{
    if (shelf == NULL || atomic_fetch_sub(&shelf->holders, 1) > 1)
        return;
    memory_free(shelf->places);
    memory_free(shelf->bytes);
    memory_free(shelf);
}

const struct mab_root *page_shelf_root(const struct page_shelf *shelf)
{
    return &shelf->root;
}

const uint8_t *page_shelf_find(const struct page_shelf *shelf, const char *name, size_t *length)
{
    struct place key;
    (void)memcpy(key.name, name, sizeof(key.name));
    const struct place *place =
        bsearch(&key, shelf->places, shelf->count, sizeof(*shelf->places), compare_places);
    if (place == NULL)
        return NULL;
    *length = place->length;
    return shelf->bytes + place->offset;
}

size_t page_shelf_count(const struct page_shelf *shelf)
{
    return shelf->count;
}
