// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/list_store.h"

#include "base/cursor.h"
#include "base/memory.h"
#include "node/whole_file.h"
#include "query/mab_index.h"

#include <sodium.h>
#include <string.h>

#define VERSION      1
#define HEADER_BYTES (8 + 2 + 8 + 1 + MAB_PAGE_NAME_OCTETS)

static const uint8_t magic[8] = "IVIPMABS";

static size_t most_bytes(const struct page_shelf *shelf)
{
    return HEADER_BYTES + page_shelf_count(shelf) * (2 + MAB_PAGE_BYTES_MAX) +
           WHOLE_FILE_SEAL_BYTES;
}

static void write_header(struct writer *writer, const struct mab_root *root,
                         struct wall_time confirmed)
{
    uint8_t name[MAB_PAGE_NAME_OCTETS];
    mab_page_name_pack(root->page, name);
    writer_bytes(writer, magic, sizeof(magic));
    writer_u16(writer, VERSION);
    writer_u64(writer, confirmed.ms);
    writer_u8(writer, (uint8_t)root->level);
    writer_bytes(writer, name, sizeof(name));
}

uint8_t *list_store_encode(const struct page_shelf *shelf, struct wall_time confirmed,
                           size_t *length)
{
    struct hash_key key;
    struct mab_index index;
    char name[MAB_PAGE_NAME_TEXT_MAX];
    size_t size = most_bytes(shelf);
    uint8_t *bytes = memory_new(size);
    struct writer writer = writer_over(bytes, size - WHOLE_FILE_SEAL_BYTES);
    write_header(&writer, page_shelf_root(shelf), confirmed);
    randombytes_buf(key.bytes, sizeof(key.bytes));
    mab_index_init(&index, key);
    mab_index_begin(&index, page_shelf_root(shelf));
    while (mab_index_next(&index, name)) {
        size_t page_length = 0;
        const uint8_t *page = page_shelf_find(shelf, name, &page_length);
        (void)mab_index_take(&index, name, page, page_length);
        writer_u16(&writer, (uint16_t)page_length);
        writer_bytes(&writer, page, page_length);
    }
    mab_index_release(&index);
    size_t written = writer_length(&writer);
    whole_file_seal(bytes, written);
    *length = written + WHOLE_FILE_SEAL_BYTES;
    return bytes;
}

static bool read_header(struct reader *reader, struct mab_root *root, struct wall_time *confirmed)
{
    uint8_t name[MAB_PAGE_NAME_OCTETS] = {0};
    uint8_t begin[sizeof(magic)] = {0};
    reader_bytes(reader, begin, sizeof(begin));
    uint16_t version = reader_u16(reader);
    confirmed->ms = reader_u64(reader);
    root->level = reader_u8(reader);
    reader_bytes(reader, name, sizeof(name));
    mab_page_name_unpack(name, root->page);
    return !reader->failed && memcmp(begin, magic, sizeof(magic)) == 0 && version == VERSION &&
           root->level <= MAB_PAGE_LEVEL_MAX && root->page[0] != '\0';
}

// All pages below the root, and nothing else.
static bool read_pages(struct reader *reader, struct mab_index *index)
{
    char name[MAB_PAGE_NAME_TEXT_MAX];
    while (mab_index_next(index, name)) {
        uint16_t length = reader_u16(reader);
        const uint8_t *page = reader_take(reader, length);
        if (page == NULL || !mab_index_take(index, name, page, length))
            return false;
    }
    return !reader->failed && reader_left(reader) == 0;
}

struct page_shelf *list_store_decode(const uint8_t *bytes, size_t length,
                                     struct wall_time *confirmed, struct error *error)
{
    struct hash_key key;
    struct mab_index index;
    struct mab_root root = {0};
    struct page_shelf *shelf = NULL;
    struct reader reader =
        reader_over(bytes, whole_file_intact(bytes, length) ? length - WHOLE_FILE_SEAL_BYTES : 0);
    randombytes_buf(key.bytes, sizeof(key.bytes));
    mab_index_init(&index, key);
    if (read_header(&reader, &root, confirmed)) {
        mab_index_begin(&index, &root);
        if (read_pages(&reader, &index))
            shelf = page_shelf_of_index(&index, &root);
    }
    mab_index_release(&index);
    if (shelf == NULL)
        error_set(error, ERROR_INPUT, "list-damaged", "it is damaged");
    return shelf;
}
