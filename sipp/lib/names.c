// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/names.h"

#include "base/memory.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 256

struct name {
    char text[NAME_TEXT_MAX];
    struct sipp_prefix prefix;
};

struct names {
    struct name *entries;
    size_t count;
    size_t capacity;
};

struct names *names_new(void)
{
    return memory_new(sizeof(struct names));
}

void names_free(struct names *names)
{
    if (names == NULL)
        return;
    memory_free(names->entries);
    memory_free(names);
}

size_t names_count(const struct names *names)
{
    return names->count;
}

static const struct name *find(const struct names *names, const char *text)
{
    for (size_t i = 0; names != NULL && i < names->count; i++) {
        if (strcmp(names->entries[i].text, text) == 0)
            return &names->entries[i];
    }
    return NULL;
}

bool names_find(const struct names *names, const char *name, struct sipp_prefix *prefix)
{
    const struct name *found = find(names, name);
    if (found == NULL)
        return false;
    *prefix = found->prefix;
    return true;
}

const char *names_entry(const struct names *names, size_t i, struct sipp_prefix *prefix)
{
    if (i >= names->count)
        return NULL;
    *prefix = names->entries[i].prefix;
    return names->entries[i].text;
}

// Words of letters, digits, '-' and '_' joined by single dots, none of them "0".
static bool name_well_formed(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > NAME_TEXT_MAX - 3)
        return false;
    size_t word = 0;
    for (size_t i = 0; i <= length; i++) {
        if (text[i] == '.' || text[i] == '\0') {
            if (word == 0 || (word == 1 && text[i - 1] == '0'))
                return false;
            word = 0;
        } else if (isalnum((unsigned char)text[i]) || text[i] == '-' || text[i] == '_') {
            word++;
        } else {
            return false;
        }
    }
    return true;
}

bool names_add(struct names *names, const char *name, const struct sipp_prefix *prefix,
               struct error *error)
{
    if (!name_well_formed(name))
        return error_set(error, ERROR_INPUT, "bad-name",
                         "\"%.70s\" cannot be a name; use words of letters, digits, '-' and '_' "
                         "joined by dots, none of them \"0\", at most %d characters",
                         name, NAME_TEXT_MAX - 3);
    if (find(names, name) != NULL)
        return error_set(error, ERROR_CONFLICT, "name-taken", "the name %s is given twice", name);
    if (names->count == NAMES_MAX)
        return error_set(error, ERROR_LIMIT, "too-many-names", "more than %d names", NAMES_MAX);
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 32 : names->capacity * 2;
        names->entries = memory_resize(names->entries, names->capacity * sizeof(struct name));
    }
    struct name *entry = &names->entries[names->count++];
    (void)snprintf(entry->text, sizeof(entry->text), "%s", name);
    entry->prefix = *prefix;
    return true;
}

// Reads "+NUMBER/WIDTH": a number right behind the prefix of the name's parent.
static bool parse_relative(const struct names *names, const char *name, const char *text,
                           struct sipp_prefix *prefix, struct error *error)
{
    char parent_name[NAME_TEXT_MAX];
    (void)snprintf(parent_name, sizeof(parent_name), "%s", name);
    char *dot = strrchr(parent_name, '.');
    if (dot != NULL)
        *dot = '\0';
    const struct name *parent = dot == NULL ? NULL : find(names, parent_name);
    if (parent == NULL)
        return error_set(error, ERROR_INPUT, "no-parent",
                         "%s stands relative to a parent that has no line above it", name);
    char *end = NULL;
    char *width_end = NULL;
    unsigned long long number = strtoull(text, &end, 0);
    unsigned long width = *end == '/' ? strtoul(end + 1, &width_end, 10) : 0;
    unsigned room = SIPP_ADDRESS_BITS - parent->prefix.length;
    if (end == text || width_end == NULL || *width_end != '\0' || width == 0 || width > room ||
        (width < 64 && number >> width != 0))
        return error_set(error, ERROR_INPUT, "bad-number",
                         "\"+%.40s\" does not fit behind %s; write +NUMBER/WIDTH with a width of 1 "
                         "to %u bits and a number that fits in it",
                         text, parent_name, room);
    unsigned length = parent->prefix.length + (unsigned)width;
    *prefix = (struct sipp_prefix){
        {parent->prefix.address.bits | (uint64_t)number << (SIPP_ADDRESS_BITS - length)},
        (uint8_t)length};
    return true;
}

// Reads one line, whose comment and end are cut off already.
static bool read_line(struct names *names, char *line, struct error *error)
{
    char *rest = NULL;
    const char *name = strtok_r(line, " \t\r", &rest);
    if (name == NULL)
        return true;
    const char *value = strtok_r(NULL, " \t\r", &rest);
    if (value == NULL || strtok_r(NULL, " \t\r", &rest) != NULL)
        return error_set(error, ERROR_INPUT, "bad-line", "write a name and what it stands for");
    struct sipp_prefix prefix;
    if (value[0] == '+') {
        if (!parse_relative(names, name, value + 1, &prefix, error))
            return false;
    } else if (strchr(value, '/') != NULL) {
        if (!sipp_prefix_parse(value, &prefix, error))
            return false;
    } else {
        prefix.length = SIPP_ADDRESS_BITS;
        if (!sipp_address_parse(value, &prefix.address, error))
            return false;
    }
    return names_add(names, name, &prefix, error);
}

bool names_read(struct names *names, const char *text, struct error *error)
{
    unsigned number = 0;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        char line[LINE_MAX_BYTES];
        number++;
        if (length >= sizeof(line))
            return error_set(error, ERROR_INPUT, "bad-line", "line %u: longer than %d characters",
                             number, LINE_MAX_BYTES - 1);
        memcpy(line, at, length);
        line[length] = '\0';
        line[strcspn(line, "#")] = '\0';
        if (!read_line(names, line, error)) {
            error_prefix(error, "line %u", number);
            return false;
        }
        at += length;
        if (*at == '\n')
            at++;
    }
    return true;
}

// True for text that can only be meant as hexadecimal groups.
static bool looks_hexadecimal(const char *text)
{
    return strchr(text, ':') != NULL;
}

bool names_parse(const struct names *names, const char *text, struct sipp_address *address,
                 struct error *error)
{
    if (looks_hexadecimal(text))
        return sipp_address_parse(text, address, error);
    size_t length = strlen(text);
    const struct name *found = find(names, text);
    if (found != NULL && found->prefix.length == SIPP_ADDRESS_BITS) {
        *address = found->prefix.address;
        return true;
    }
    if (found != NULL)
        return error_set(error, ERROR_INPUT, "names-a-prefix",
                         "%s is a prefix, not an address; its cluster address is %s.0", text, text);
    if (length > 2 && length < NAME_TEXT_MAX && strcmp(text + length - 2, ".0") == 0) {
        char prefix_name[NAME_TEXT_MAX];
        (void)snprintf(prefix_name, sizeof(prefix_name), "%.*s", (int)(length - 2), text);
        found = find(names, prefix_name);
    }
    if (found == NULL)
        return error_set(error, ERROR_NOT_FOUND, "unknown-name", "no line names \"%.70s\"", text);
    *address = sipp_cluster(&found->prefix);
    return true;
}

bool names_parse_prefix(const struct names *names, const char *text, struct sipp_prefix *prefix,
                        struct error *error)
{
    if (strchr(text, '/') != NULL)
        return sipp_prefix_parse(text, prefix, error);
    if (names_find(names, text, prefix))
        return true;
    prefix->length = SIPP_ADDRESS_BITS;
    return names_parse(names, text, &prefix->address, error);
}

const char *names_print(const struct names *names, struct sipp_address address,
                        char buffer[NAME_TEXT_MAX])
{
    const struct name *best = NULL;
    for (size_t i = 0; names != NULL && i < names->count; i++) {
        const struct name *entry = &names->entries[i];
        if (sipp_address_equal(entry->prefix.address, address) &&
            (best == NULL || entry->prefix.length > best->prefix.length))
            best = entry;
    }
    if (best == NULL)
        return sipp_address_print(address, buffer);
    bool whole = best->prefix.length == SIPP_ADDRESS_BITS;
    (void)snprintf(buffer, NAME_TEXT_MAX, "%s%s", best->text, whole ? "" : ".0");
    return buffer;
}
