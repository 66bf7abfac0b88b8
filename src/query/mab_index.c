// SPDX-License-Identifier: BSD-2-Clause
#include "query/mab_index.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum page_state { PAGE_WANTED, PAGE_OPEN, PAGE_HELD };

struct page {
    struct table_node by_name;
    struct list_node node; // while wanted
    char name[MAB_PAGE_NAME_TEXT_MAX];
    enum page_state state;
    unsigned level;
    uint32_t walked; // number of the walk that met it last
    size_t length;
    uint8_t *bytes; // RDATA, owned, while held
    // Those of its entries, in their order, owned, while held at level 0: to read them from text
    // takes longer than anybody should wait for all of a set.
    struct prefix *prefixes;
    size_t prefix_count;
};

void mab_index_init(struct mab_index *index, struct hash_key key)
{
    memset(index, 0, sizeof(*index));
    index->key = key;
    table_init(&index->pages);
    list_init(&index->wanted);
}

// Pages

static uint64_t name_hash(const struct mab_index *index, const char *name)
{
    return hash_bytes(&index->key, name, MAB_PAGE_NAME_CHARACTERS);
}

static bool name_matches(const struct table_node *node, const void *key)
{
    return strcmp(container_of(node, const struct page, by_name)->name, key) == 0;
}

static struct page *find_page(const struct mab_index *index, const char *name)
{
    struct table_node *node = table_find(&index->pages, name_hash(index, name), name_matches, name);
    return node == NULL ? NULL : container_of(node, struct page, by_name);
}

static void drop_page(struct mab_index *index, struct page *page)
{
    table_remove(&index->pages, &page->by_name);
    list_remove(&page->node);
    index->octets -= page->length + page->prefix_count * sizeof(*page->prefixes);
    memory_free(page->bytes);
    memory_free(page->prefixes);
    memory_free(page);
}

// Drops what `doomed` says; the table is left before a page goes.
static void sweep(struct mab_index *index,
                  bool (*doomed)(const struct mab_index *index, const struct page *page))
{
    struct table_node *node = table_next(&index->pages, NULL);
    while (node != NULL) {
        struct page *page = container_of(node, struct page, by_name);
        node = table_next(&index->pages, node);
        if (doomed(index, page))
            drop_page(index, page);
    }
}

static bool any(const struct mab_index *index, const struct page *page)
{
    (void)index;
    (void)page;
    return true;
}

static bool is_wanted(const struct mab_index *index, const struct page *page)
{
    (void)index;
    return page->state == PAGE_WANTED;
}

static bool not_walked(const struct mab_index *index, const struct page *page)
{
    return page->state == PAGE_HELD && page->walked != index->walk;
}

void mab_index_release(struct mab_index *index)
{
    sweep(index, any);
    table_release(&index->pages);
}

bool mab_index_next_held(const struct mab_index *index, const struct table_node **place,
                         char name[MAB_PAGE_NAME_TEXT_MAX])
{
    while ((*place = table_next(&index->pages, *place)) != NULL) {
        const struct page *page = container_of(*place, const struct page, by_name);
        if (page->state != PAGE_HELD)
            continue;
        memcpy(name, page->name, sizeof(page->name));
        return true;
    }
    return false;
}

size_t mab_index_memory(const struct mab_index *index)
{
    return index->octets + index->pages.count * sizeof(struct page);
}

// Walking. The depth is bounded by the levels, which fall from page to page.

static void add_prefix(struct mab_index *index, struct page *page, const struct prefix *prefix)
{
    page->prefixes[page->prefix_count++] = *prefix;
    index->octets += sizeof(*prefix);
}

// Reads the page once, and keeps its prefixes. False where it makes no sense.
static bool read_page(struct mab_index *index, struct page *page)
{
    struct reader reader = reader_over(page->bytes, page->length);
    char name[MAB_PAGE_NAME_TEXT_MAX];
    struct mab_entry entry;
    const char *text;
    size_t length;
    size_t strings = 0;
    if (page->level == 0)
        page->prefixes = memory_new_array(page->length / 2 + 1, sizeof(*page->prefixes));
    for (; dns_txt_next(&reader, &text, &length); strings++) {
        bool good = page->level == 0 ? mab_entry_decode(text, length, &entry)
                                     : mab_page_name_decode(text, length, name);
        if (!good && !(page->level == 0 && length == 0)) // an empty string: there are no MABs
            return false;
        if (good && page->level == 0)
            add_prefix(index, page, &entry.prefix);
    }
    if (page->level == 0)
        page->prefixes =
            memory_resize(page->prefixes, page->prefix_count * sizeof(*page->prefixes));
    return !reader.failed && strings > 0;
}

static void reach(struct mab_index *index, const char *name, unsigned level);

static void reach_children(struct mab_index *index, const struct page *page)
{
    struct reader reader = reader_over(page->bytes, page->length);
    char name[MAB_PAGE_NAME_TEXT_MAX];
    const char *text;
    size_t length;
    while (page->level > 0 && dns_txt_next(&reader, &text, &length))
        if (mab_page_name_decode(text, length, name))
            reach(index, name, page->level - 1);
}

// Wants the page, or goes on to those below it. Each is met once in a walk.
static void reach(struct mab_index *index, const char *name, unsigned level)
{
    struct page *page = find_page(index, name);
    if (page == NULL) {
        if (index->pages.count >= MAB_INDEX_PAGES_MAX)
            return;
        page = memory_new(sizeof(*page));
        memcpy(page->name, name, sizeof(page->name));
        page->level = level;
        list_init(&page->node);
        list_append(&index->wanted, &page->node);
        table_insert(&index->pages, &page->by_name, name_hash(index, name));
    } else if (page->walked == index->walk) {
        return;
    }
    page->walked = index->walk;
    if (page->state == PAGE_HELD && page->level == level)
        reach_children(index, page);
}

void mab_index_begin(struct mab_index *index, const struct mab_root *root)
{
    sweep(index, is_wanted);
    index->walk++;
    reach(index, root->page, root->level);
}

bool mab_index_next(struct mab_index *index, char name[MAB_PAGE_NAME_TEXT_MAX])
{
    struct list_node *node = list_first(&index->wanted);
    if (node == NULL)
        return false;
    struct page *page = container_of(node, struct page, node);
    list_remove(node);
    page->state = PAGE_OPEN;
    index->open++;
    memcpy(name, page->name, sizeof(page->name));
    return true;
}

bool mab_index_take(struct mab_index *index, const char *name, const uint8_t *bytes, size_t length)
{
    struct page *page = find_page(index, name);
    assert(page != NULL && page->state == PAGE_OPEN && index->open > 0);
    char right[MAB_PAGE_NAME_TEXT_MAX];
    mab_page_name(bytes, length, right);
    page->bytes = memory_copy(bytes, length);
    page->length = length;
    index->octets += length;
    if (length > MAB_PAGE_BYTES_MAX || strcmp(right, name) != 0 || !read_page(index, page)) {
        mab_index_give_up(index, name);
        return false;
    }
    index->open--;
    page->state = PAGE_HELD;
    if (page->walked == index->walk)
        reach_children(index, page);
    return true;
}

void mab_index_give_up(struct mab_index *index, const char *name)
{
    struct page *page = find_page(index, name);
    assert(page != NULL && page->state == PAGE_OPEN && index->open > 0);
    index->open--;
    drop_page(index, page);
    sweep(index, is_wanted);
}

bool mab_index_needs(const struct mab_index *index, const char *name)
{
    const struct page *page = find_page(index, name);
    assert(page != NULL && page->state == PAGE_OPEN);
    return page->walked == index->walk;
}

bool mab_index_idle(const struct mab_index *index)
{
    return index->open == 0 && list_empty(&index->wanted);
}

// Gathering

struct gathering {
    struct mab_entries *entries;
    size_t capacity;
};

// Room for one entry more, or NULL.
static struct mab_entry *add_entry(struct gathering *gathering)
{
    struct mab_entries *entries = gathering->entries;
    if (entries->count == MAB_INDEX_ENTRIES_MAX)
        return NULL;
    if (entries->count == gathering->capacity) {
        gathering->capacity = gathering->capacity == 0 ? 64 : 2 * gathering->capacity;
        entries->items =
            memory_resize(entries->items, gathering->capacity * sizeof(*entries->items));
    }
    return &entries->items[entries->count++];
}

static bool gather_entries(const struct page *page, struct gathering *gathering)
{
    struct reader reader = reader_over(page->bytes, page->length);
    const char *text;
    size_t length;
    size_t next = 0;
    while (dns_txt_next(&reader, &text, &length)) {
        if (length == 0)
            continue;
        struct mab_entry *entry = add_entry(gathering);
        if (entry == NULL)
            return false;
        assert(next < page->prefix_count);
        entry->prefix = page->prefixes[next++];
        entry->number = 0;
        mab_entry_dsoc(text, length, entry->dsoc);
    }
    return true;
}

static bool gather(struct mab_index *index, const char *name, unsigned level,
                   struct gathering *gathering);

static bool gather_children(struct mab_index *index, const struct page *page,
                            struct gathering *gathering)
{
    struct reader reader = reader_over(page->bytes, page->length);
    char child[MAB_PAGE_NAME_TEXT_MAX];
    const char *text;
    size_t length;
    while (dns_txt_next(&reader, &text, &length))
        if (!mab_page_name_decode(text, length, child) ||
            !gather(index, child, page->level - 1, gathering))
            return false;
    return true;
}

// A page that is named twice makes no sense, and could be made to cost much.
static bool gather(struct mab_index *index, const char *name, unsigned level,
                   struct gathering *gathering)
{
    struct page *page = find_page(index, name);
    if (page == NULL || page->state != PAGE_HELD || page->level != level ||
        page->walked == index->walk)
        return false;
    page->walked = index->walk;
    return level == 0 ? gather_entries(page, gathering) : gather_children(index, page, gathering);
}

static int compare_entries(const void *a, const void *b)
{
    return mab_entry_compare(a, b);
}

// Pages are made in order, so it is rare that there is anything to sort.
static bool is_sorted(const struct mab_entries *entries)
{
    for (size_t i = 1; i < entries->count; i++)
        if (mab_entry_compare(&entries->items[i - 1], &entries->items[i]) > 0)
            return false;
    return true;
}

// In sorted order an entry that overlaps any before it overlaps the one before it, or is in one
// that holds that too.
static bool is_disjoint(const struct mab_entries *entries)
{
    for (size_t i = 1; i < entries->count; i++)
        if (prefix_overlaps(&entries->items[i - 1].prefix, &entries->items[i].prefix))
            return false;
    return true;
}

bool mab_index_gather(struct mab_index *index, const struct mab_root *root,
                      struct mab_entries *entries)
{
    struct gathering gathering = {.entries = entries};
    *entries = (struct mab_entries){0};
    index->walk++;
    bool good = gather(index, root->page, root->level, &gathering);
    if (good) {
        if (!is_sorted(entries))
            qsort(entries->items, entries->count, sizeof(*entries->items), compare_entries);
        good = is_disjoint(entries);
    }
    sweep(index, not_walked);
    if (!good) {
        memory_free(entries->items);
        *entries = (struct mab_entries){0};
    }
    return good;
}

// All pages

void mab_index_mark(struct mab_index *index, const struct mab_root *root)
{
    index->walk++;
    reach(index, root->page, root->level);
}

bool mab_index_next_marked(const struct mab_index *index, struct mab_index_page *page)
{
    for (page->at = table_next(&index->pages, page->at); page->at != NULL;
         page->at = table_next(&index->pages, page->at)) {
        const struct page *found = container_of(page->at, const struct page, by_name);
        if (found->walked != index->walk || found->state != PAGE_HELD)
            continue;
        page->name = found->name;
        page->bytes = found->bytes;
        page->length = found->length;
        return true;
    }
    return false;
}
