// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/zone_store.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"
#include "node/whole_file.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define VERSION 1

static const uint8_t magic[8] = {'I', 'V', 'I', 'P', 'Z', 'O', 'N', 'E'};

struct entry {
    struct table_node by_question;
    char name[DNS_NAME_TEXT_MAX];
    enum dns_type type;
    bool marked;
    size_t count;  // of records
    size_t length; // of the octets behind: each record with its length before it, as in the file
    uint8_t bytes[];
};

struct zone_store {
    struct hash_key key;
    struct table entries;
    size_t size; // of all entries, as in a file
};

struct zone_store *zone_store_new(void)
{
    struct zone_store *store = memory_new(sizeof(*store));
    randombytes_buf(store->key.bytes, sizeof(store->key.bytes));
    table_init(&store->entries);
    return store;
}

// What an entry takes in a file.
static size_t entry_size(const struct entry *entry)
{
    return 2 + 1 + strlen(entry->name) + 2 + entry->length;
}

static void remove_entry(struct zone_store *store, struct entry *entry)
{
    store->size -= entry_size(entry);
    table_remove(&store->entries, &entry->by_question);
    memory_free(entry);
}

// Removes those entries that `stays` does not want; NULL: all.
static void remove_entries(struct zone_store *store, bool (*stays)(struct entry *entry))
{
    struct table_node *node = table_next(&store->entries, NULL);
    while (node != NULL) {
        struct entry *entry = container_of(node, struct entry, by_question);
        node = table_next(&store->entries, node);
        if (stays != NULL && stays(entry))
            continue;
        remove_entry(store, entry);
    }
}

void zone_store_free(struct zone_store *store)
{
    if (store == NULL)
        return;
    remove_entries(store, NULL);
    table_release(&store->entries);
    memory_free(store);
}

static bool is_answer_to(const struct table_node *node, const void *key)
{
    const struct entry *entry = container_of(node, const struct entry, by_question);
    const struct dns_question *question = key;
    return entry->type == question->type && strcmp(entry->name, question->name) == 0;
}

static uint64_t hash_question(const struct zone_store *store, const struct dns_question *question)
{
    return hash_bytes(&store->key, question->name, strlen(question->name)) + question->type;
}

static struct entry *find(const struct zone_store *store, const struct dns_question *question)
{
    struct table_node *node =
        table_find(&store->entries, hash_question(store, question), is_answer_to, question);
    return node == NULL ? NULL : container_of(node, struct entry, by_question);
}

static void insert(struct zone_store *store, const struct dns_question *question, size_t count,
                   const uint8_t *bytes, size_t length)
{
    struct entry *before = find(store, question);
    if (before != NULL)
        remove_entry(store, before);
    struct entry *entry = memory_new(sizeof(*entry) + length);
    memcpy(entry->name, question->name, sizeof(entry->name));
    entry->type = question->type;
    entry->count = count;
    entry->length = length;
    if (length > 0)
        memcpy(entry->bytes, bytes, length);
    store->size += entry_size(entry);
    table_insert(&store->entries, &entry->by_question, hash_question(store, question));
}

void zone_store_put(struct zone_store *store, const struct dns_question *question,
                    const struct dns_answer *answer)
{
    assert(answer->outcome == DNS_SECURE || answer->outcome == DNS_NOTHING);
    size_t count = answer->outcome == DNS_NOTHING ? 0 : answer->count;
    if (count > ZONE_STORE_RECORDS_MAX)
        count = ZONE_STORE_RECORDS_MAX;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 2 + answer->records[i].length;
    uint8_t *bytes = memory_new(size + 1);
    struct writer writer = writer_over(bytes, size);
    for (size_t i = 0; i < count; i++) {
        writer_u16(&writer, (uint16_t)answer->records[i].length);
        writer_bytes(&writer, answer->records[i].bytes, answer->records[i].length);
    }
    assert(!writer.failed);
    insert(store, question, count, bytes, size);
    memory_free(bytes);
}

bool zone_store_find(const struct zone_store *store, const struct dns_question *question,
                     struct zone_answer *answer)
{
    const struct entry *entry = find(store, question);
    if (entry == NULL)
        return false;
    struct reader reader = reader_over(entry->bytes, entry->length);
    answer->count = entry->count;
    for (size_t i = 0; i < entry->count; i++) {
        size_t length = reader_u16(&reader);
        answer->records[i] = (struct dns_record){reader_take(&reader, length), length};
    }
    assert(!reader.failed);
    return true;
}

size_t zone_store_count(const struct zone_store *store)
{
    return store->entries.count;
}

size_t zone_store_size(const struct zone_store *store)
{
    return store->size;
}

void zone_store_mark(struct zone_store *store, const struct dns_question *question)
{
    struct entry *entry = find(store, question);
    if (entry != NULL)
        entry->marked = true;
}

static bool was_marked(struct entry *entry)
{
    bool marked = entry->marked;
    entry->marked = false;
    return marked;
}

void zone_store_sweep(struct zone_store *store)
{
    remove_entries(store, was_marked);
}

// --- as a file -----------------------------------------------------------------------------------

static void put_text(struct writer *writer, const char *text)
{
    writer_u8(writer, (uint8_t)strlen(text));
    writer_bytes(writer, text, strlen(text));
}

static size_t head_size(const struct zone_label *label)
{
    return sizeof(magic) + 2 + ZONE_ANCHOR_BYTES + 8 + 1 + strlen(label->domain) + 4;
}

uint8_t *zone_store_encode(const struct zone_store *store, const struct zone_label *label,
                           size_t *length)
{
    size_t size = head_size(label) + store->size + WHOLE_FILE_SEAL_BYTES;
    const struct table_node *node;
    if (size > ZONE_STORE_BYTES_MAX)
        return NULL;
    uint8_t *bytes = memory_new(size);
    struct writer writer = writer_over(bytes, size);
    writer_bytes(&writer, magic, sizeof(magic));
    writer_u16(&writer, VERSION);
    writer_bytes(&writer, label->anchor, sizeof(label->anchor));
    writer_u64(&writer, label->confirmed.ms);
    put_text(&writer, label->domain);
    writer_u32(&writer, (uint32_t)store->entries.count);
    for (node = table_next(&store->entries, NULL); node != NULL;
         node = table_next(&store->entries, node)) {
        const struct entry *entry = container_of(node, const struct entry, by_question);
        writer_u16(&writer, (uint16_t)entry->type);
        put_text(&writer, entry->name);
        writer_u16(&writer, (uint16_t)entry->count);
        writer_bytes(&writer, entry->bytes, entry->length);
    }
    assert(!writer.failed && writer_left(&writer) == WHOLE_FILE_SEAL_BYTES);
    whole_file_seal(bytes, size - WHOLE_FILE_SEAL_BYTES);
    *length = size;
    return bytes;
}

static bool take_text(struct reader *reader, char text[DNS_NAME_TEXT_MAX])
{
    size_t length = reader_u8(reader);
    memset(text, 0, DNS_NAME_TEXT_MAX);
    static_assert(DNS_NAME_TEXT_MAX > UINT8_MAX, "every length fits");
    reader_bytes(reader, text, length);
    return !reader->failed && strlen(text) == length;
}

static bool take_entry(struct reader *reader, struct zone_store *store)
{
    struct dns_question question = {.type = (enum dns_type)reader_u16(reader)};
    if (!take_text(reader, question.name))
        return false;
    size_t count = reader_u16(reader);
    const uint8_t *begin = reader->next;
    for (size_t i = 0; i < count && !reader->failed; i++)
        (void)reader_take(reader, reader_u16(reader));
    if (reader->failed || count > ZONE_STORE_RECORDS_MAX)
        return false;
    insert(store, &question, count, begin, (size_t)(reader->next - begin));
    return true;
}

static bool decode(struct reader *reader, struct zone_store *store, struct zone_label *label)
{
    uint8_t begin[sizeof(magic)] = {0};
    reader_bytes(reader, begin, sizeof(begin));
    if (memcmp(begin, magic, sizeof(magic)) != 0 || reader_u16(reader) != VERSION)
        return false;
    reader_bytes(reader, label->anchor, sizeof(label->anchor));
    label->confirmed.ms = reader_u64(reader);
    if (!take_text(reader, label->domain))
        return false;
    uint32_t count = reader_u32(reader);
    for (uint32_t i = 0; i < count; i++)
        if (!take_entry(reader, store))
            return false;
    return !reader->failed && reader_left(reader) == 0;
}

struct zone_store *zone_store_decode(const uint8_t *bytes, size_t length, struct zone_label *label,
                                     struct error *error)
{
    struct zone_store *store = zone_store_new();
    if (whole_file_intact(bytes, length)) {
        struct reader reader = reader_over(bytes, length - WHOLE_FILE_SEAL_BYTES);
        if (decode(&reader, store, label))
            return store;
    }
    zone_store_free(store);
    (void)error_set(error, ERROR_FORMAT, "zone-damaged",
                    "it is damaged, or another version of this program wrote it");
    return NULL;
}
