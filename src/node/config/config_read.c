// SPDX-License-Identifier: BSD-2-Clause
#include "node/config/config_read.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define READ_FIRST 8192 // bytes; most files are smaller

struct config_block {
    struct config_block *next;
    max_align_t bytes[];
};

void *config_memory_new(struct config_memory *memory, size_t count, size_t size)
{
    assert(size == 0 || count <= (SIZE_MAX - sizeof(struct config_block)) / size);
    struct config_block *block = memory_new(sizeof(*block) + count * size);
    block->next = memory->blocks;
    memory->blocks = block;
    return block->bytes;
}

char *config_memory_text(struct config_memory *memory, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(config_memory_new(memory, 1, size), text, size);
}

void config_memory_release(struct config_memory *memory)
{
    while (memory->blocks != NULL) {
        struct config_block *block = memory->blocks;
        memory->blocks = block->next;
        memory_free(block);
    }
}

static bool refuse(struct config_reader *reader, const yaml_mark_t *mark, const char *format,
                   va_list arguments) __attribute__((format(printf, 3, 0)));

static bool refuse(struct config_reader *reader, const yaml_mark_t *mark, const char *format,
                   va_list arguments)
{
    char text[ERROR_TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), format, arguments);
    return error_set(reader->error, ERROR_INPUT, "bad-config", "%s:%zu:%zu: %s%s%s", reader->path,
                     mark->line + 1, mark->column + 1, reader->where,
                     reader->where[0] == '\0' ? "" : ": ", text);
}

bool config_refuse(struct config_reader *reader, const yaml_node_t *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)refuse(reader, &node->start_mark, format, arguments);
    va_end(arguments);
    return false;
}

static yaml_node_t *value_of(struct config_reader *reader, const yaml_node_t *mapping,
                             const char *key, size_t length)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);
        if (name->type == YAML_SCALAR_NODE && name->data.scalar.length == length &&
            memcmp(name->data.scalar.value, key, length) == 0)
            return yaml_document_get_node(&reader->document, pair->value);
    }
    return NULL;
}

bool config_refuse_key(struct config_reader *reader, const char *key, size_t index,
                       const char *format, ...)
{
    // As deep as the file goes: a default has no place of its own, but its section has.
    const yaml_node_t *node = yaml_document_get_root_node(&reader->document);
    const char *rest = key;
    while (*rest != '\0') {
        size_t length = strcspn(rest, ".");
        const yaml_node_t *next = value_of(reader, node, rest, length);
        if (next == NULL)
            break;
        node = next;
        rest += length + (rest[length] == '.');
    }
    (void)snprintf(reader->where, sizeof(reader->where), "%s", key);
    if (index != SIZE_MAX && node->type == YAML_SEQUENCE_NODE) {
        (void)snprintf(reader->where, sizeof(reader->where), "%s[%zu]", key, index);
        node = yaml_document_get_node(&reader->document, node->data.sequence.items.start[index]);
    }
    va_list arguments;
    va_start(arguments, format);
    (void)refuse(reader, &node->start_mark, format, arguments);
    va_end(arguments);
    return false;
}

// What the parser stumbled over. Of octets that are no text it knows the offset alone.
static bool not_yaml(struct config_reader *reader, const yaml_parser_t *parser, const char *bytes,
                     size_t length)
{
    size_t line = parser->problem_mark.line;
    size_t column = parser->problem_mark.column;
    if (parser->error == YAML_READER_ERROR) {
        size_t offset = parser->problem_offset < length ? parser->problem_offset : length;
        line = column = 0;
        for (const char *c = bytes; c < bytes + offset; c++) {
            column = *c == '\n' ? 0 : column + 1;
            line += *c == '\n';
        }
    }
    return error_set(reader->error, ERROR_INPUT, "bad-config", "%s:%zu:%zu: not YAML: %s",
                     reader->path, line + 1, column + 1,
                     parser->problem != NULL ? parser->problem : "it cannot be read");
}

// libyaml's time grows with the square of the depth of brackets, and no file of ours is deep. What
// stands in quotes and comments is counted too, which takes nothing from a file that people write.
static bool check_depth(struct config_reader *reader, const char *bytes, size_t length)
{
    size_t depth = 0;
    size_t line = 1;
    for (const char *c = bytes; c < bytes + length; c++) {
        line += *c == '\n';
        if (*c == '[' || *c == '{')
            depth++;
        else if ((*c == ']' || *c == '}') && depth > 0)
            depth--;
        if (depth > CONFIG_DEPTH_MAX)
            return error_set(reader->error, ERROR_INPUT, "bad-config",
                             "%s:%zu:1: over %d brackets are open at once; is one not closed?",
                             reader->path, line, CONFIG_DEPTH_MAX);
    }
    return true;
}

static bool parse(struct config_reader *reader, const char *bytes, size_t length)
{
    yaml_parser_t parser;
    if (!check_depth(reader, bytes, length))
        return false;
    if (yaml_parser_initialize(&parser) == 0)
        return error_set(reader->error, ERROR_SYSTEM, "bad-config", "libyaml did not start");
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, length);
    bool loaded = yaml_parser_load(&parser, &reader->document) != 0;
    yaml_document_t second;
    bool good = loaded && yaml_parser_load(&parser, &second) != 0;
    if (good) {
        const yaml_node_t *root = yaml_document_get_root_node(&second);
        good = root == NULL ||
               config_refuse(reader, root, "one document was expected, here begins a second");
        yaml_document_delete(&second);
    } else {
        (void)not_yaml(reader, &parser, bytes, length);
    }
    if (loaded && !good)
        yaml_document_delete(&reader->document);
    yaml_parser_delete(&parser);
    return good;
}

// The whole file, also of a pipe; NULL with the error filled. The caller frees it.
static char *read_whole(const char *path, FILE *file, size_t *length, struct error *error)
{
    size_t capacity = READ_FIRST;
    char *bytes = memory_new(capacity);
    *length = 0;
    for (;;) {
        *length += fread(bytes + *length, 1, capacity - *length, file);
        if (*length < capacity || capacity > CONFIG_FILE_MAX)
            break;
        capacity = capacity * 2 <= CONFIG_FILE_MAX ? capacity * 2 : CONFIG_FILE_MAX + 1;
        bytes = memory_resize(bytes, capacity);
    }
    if (ferror(file) != 0)
        error_set(error, ERROR_SYSTEM, "no-config", "%s cannot be read: %s", path, strerror(errno));
    else if (*length > CONFIG_FILE_MAX)
        error_set(error, ERROR_INPUT, "no-config", "%s is over %d MiB, too large for such a file",
                  path, CONFIG_FILE_MAX >> 20);
    else
        return bytes;
    memory_free(bytes);
    return NULL;
}

bool config_reader_open(struct config_reader *reader, const char *path,
                        struct config_memory *memory, struct error *error)
{
    *reader = (struct config_reader){.path = path, .memory = memory, .error = error};
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, "no-config",
                         "%s cannot be read: %s", path, strerror(errno));
    size_t length = 0;
    char *bytes = read_whole(path, file, &length, error);
    (void)fclose(file);
    bool good = bytes != NULL && parse(reader, bytes, length);
    memory_free(bytes);
    return good;
}

void config_reader_close(struct config_reader *reader)
{
    yaml_document_delete(&reader->document);
}

// Writes the names of all keys of a section: "listen, feed, ruas or caching_time".
static const char *list_keys(const struct config_keys *keys, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < keys->count && used < size; i++) {
        const char *between = i == 0 ? "" : i + 1 == keys->count ? " or " : ", ";
        int length = snprintf(buffer + used, size - used, "%s%s", between, keys->items[i].name);
        used += (size_t)length;
    }
    return buffer;
}

static const struct config_key *find_key(const struct config_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->items[i].name, name) == 0)
            return &keys->items[i];
    return NULL;
}

// Reads one pair of a mapping; `where` grows by the key while its value is read.
static bool read_pair(struct config_reader *reader, const yaml_node_pair_t *pair,
                      const struct config_keys *keys, bool *seen, char *base)
{
    const yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);
    char list[200];
    if (name->type != YAML_SCALAR_NODE)
        return config_refuse(reader, name, "a key was expected: %s",
                             list_keys(keys, list, sizeof(list)));
    const char *text = (const char *)name->data.scalar.value;
    const struct config_key *key = find_key(keys, text);
    if (key == NULL)
        return config_refuse(reader, name, "\"%.40s\" is no key here; expected %s", text,
                             list_keys(keys, list, sizeof(list)));
    size_t place = (size_t)(key - keys->items);
    if (seen[place])
        return config_refuse(reader, name, "\"%s\" is written twice", text);
    seen[place] = true;
    size_t length = strlen(reader->where);
    (void)snprintf(reader->where + length, sizeof(reader->where) - length, "%s%s",
                   length == 0 ? "" : ".", text);
    yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
    if (!key->read(reader, value, key, base + key->offset))
        return false;
    reader->where[length] = '\0';
    return true;
}

bool config_read_mapping(struct config_reader *reader, yaml_node_t *node,
                         const struct config_keys *keys, void *base)
{
    char list[200];
    if (node->type != YAML_MAPPING_NODE)
        return config_refuse(reader, node, "keys with values were expected: %s",
                             list_keys(keys, list, sizeof(list)));
    bool seen[32] = {0};
    assert(keys->count <= sizeof(seen) / sizeof(seen[0]));
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        if (!read_pair(reader, pair, keys, seen, base))
            return false;
    for (size_t i = 0; i < keys->count; i++)
        if (keys->items[i].required && !seen[i])
            return config_refuse(reader, node, "\"%s\" is missing", keys->items[i].name);
    return true;
}

bool config_read_section(struct config_reader *reader, yaml_node_t *node,
                         const struct config_key *key, void *field)
{
    void *section = config_memory_new(reader->memory, 1, key->keys->size);
    if (key->set_defaults != NULL)
        key->set_defaults(section, reader->memory);
    if (!config_read_mapping(reader, node, key->keys, section))
        return false;
    memcpy(field, &section, sizeof(section));
    return true;
}

bool config_read_sections(struct config_reader *reader, yaml_node_t *node,
                          const struct config_key *key, void *field)
{
    struct {
        size_t count;
        void *items;
    } list = {0};
    if (node->type != YAML_SEQUENCE_NODE)
        return config_refuse(reader, node, "a list was expected, its items beginning with \"- \"");
    const yaml_node_item_t *items = node->data.sequence.items.start;
    list.count = (size_t)(node->data.sequence.items.top - items);
    list.items = config_memory_new(reader->memory, list.count, key->keys->size);
    size_t length = strlen(reader->where);
    for (size_t i = 0; i < list.count; i++) {
        (void)snprintf(reader->where + length, sizeof(reader->where) - length, "[%zu]", i);
        char *section = (char *)list.items + i * key->keys->size;
        if (key->set_defaults != NULL)
            key->set_defaults(section, reader->memory);
        yaml_node_t *item = yaml_document_get_node(&reader->document, items[i]);
        if (!config_read_mapping(reader, item, key->keys, section))
            return false;
    }
    reader->where[length] = '\0';
    memcpy(field, &list, sizeof(list));
    return true;
}
