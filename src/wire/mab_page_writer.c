// SPDX-License-Identifier: BSD-2-Clause
#include "wire/mab_page_writer.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// A page ends behind one in so many strings, where it is not full before.
#define CUT_ONE_IN 64
// A page of names has at least so many, so that each level has at most half as many pages as the
// one below, whatever the names are.
#define NAMES_MIN 2

struct page_writer {
    struct mab_pages *pages;
    size_t capacity;
    unsigned level;
    bool open; // the last page takes more
};

static void begin_page(struct page_writer *writer)
{
    struct mab_pages *pages = writer->pages;
    if (pages->count == writer->capacity) {
        writer->capacity = writer->capacity == 0 ? 16 : 2 * writer->capacity;
        pages->items = memory_resize(pages->items, writer->capacity * sizeof(*pages->items));
    }
    struct mab_page *page = &pages->items[pages->count++];
    memset(page, 0, sizeof(*page));
    page->level = writer->level;
    writer->open = true;
}

static void end_page(struct page_writer *writer)
{
    if (!writer->open)
        return;
    struct mab_page *page = &writer->pages->items[writer->pages->count - 1];
    mab_page_name(page->bytes, page->length, page->name);
    writer->open = false;
}

// Whether a page ends behind that string: hangs on nothing but the string.
static bool is_cut(const char *text, size_t length)
{
    char name[MAB_PAGE_NAME_TEXT_MAX];
    mab_page_name((const uint8_t *)text, length, name);
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++)
        value = value * 33 + (uint8_t)name[i];
    return value % CUT_ONE_IN == 0;
}

static void put(struct page_writer *writer, const char *text)
{
    size_t length = strlen(text);
    assert(length <= DNS_STRING_MAX);
    struct mab_pages *pages = writer->pages;
    if (writer->open && pages->items[pages->count - 1].length + 1 + length > MAB_PAGE_BYTES_MAX)
        end_page(writer);
    if (!writer->open)
        begin_page(writer);
    struct mab_page *page = &pages->items[pages->count - 1];
    page->bytes[page->length++] = (uint8_t)length;
    memcpy(page->bytes + page->length, text, length);
    page->length += length;
    page->strings++;
    if ((page->level == 0 || page->strings >= NAMES_MIN) && is_cut(text, length))
        end_page(writer);
}

void mab_pages_make(struct mab_pages *pages, const struct mab_entry *entries, size_t count)
{
    *pages = (struct mab_pages){0};
    struct page_writer writer = {.pages = pages};
    for (size_t i = 0; i < count; i++) {
        char prefix[PREFIX_TEXT_MAX];
        char text[PREFIX_TEXT_MAX + DNS_LABEL_TEXT_MAX];
        assert(i == 0 || mab_entry_compare(&entries[i - 1], &entries[i]) < 0);
        (void)snprintf(text, sizeof(text), "%s %s", prefix_print(&entries[i].prefix, prefix),
                       entries[i].dsoc);
        put(&writer, text);
    }
    if (count == 0)
        put(&writer, "");
    end_page(&writer);
    for (size_t first = 0; pages->count - first > 1;) {
        size_t end = pages->count;
        writer.level++;
        for (; first < end; first++) {
            char name[MAB_PAGE_NAME_TEXT_MAX]; // the array may move
            memcpy(name, pages->items[first].name, sizeof(name));
            put(&writer, name);
        }
        end_page(&writer);
    }
    assert(writer.level <= MAB_PAGE_LEVEL_MAX);
}

void mab_pages_release(struct mab_pages *pages)
{
    memory_free(pages->items);
    *pages = (struct mab_pages){0};
}
