// SPDX-License-Identifier: BSD-2-Clause
#include "vectors.h"

#include "../check.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_AT    4 // in the header of every message
#define HEADER_BYTES 8

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(text->bytes + text->used, sizeof(text->bytes) - text->used, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && text->used + (size_t)length < sizeof(text->bytes));
    text->used += (size_t)length;
}

FILE *vectors_open(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", VECTORS_DIRECTORY, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    return file;
}

size_t vectors_hex(const char *text, uint8_t *bytes, size_t size)
{
    size_t length = 0;
    const char *end = NULL;
    assert_int_equal(sodium_hex2bin(bytes, size, text, strlen(text), "\n", &length, &end), 0);
    assert_int_equal(*end, '\0');
    return length;
}

// What follows "key: " in a line, or NULL where the line has another key.
static const char *value_of(const char *line, const char *key)
{
    size_t length = strlen(key);
    bool same = strncmp(line, key, length) == 0 && strncmp(line + length, ": ", 2) == 0;
    return same ? line + length + 2 : NULL;
}

bool vectors_next(FILE *file, struct vector *vector)
{
    static char line[2 * VECTOR_BYTES_MAX + 16];
    memset(vector, 0, sizeof(*vector));
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *name = value_of(line, "name");
        const char *hex = strcmp(line, "hex:\n") == 0 ? "" : value_of(line, "hex");
        if (name != NULL)
            (void)snprintf(vector->name, sizeof(vector->name), "%.*s", (int)strcspn(name, "\n"),
                           name);
        else if (hex != NULL) {
            vector->length = vectors_hex(hex, vector->bytes, sizeof(vector->bytes));
            return true;
        } else if (vector->name[0] != '\0') {
            size_t used = strlen(vector->meaning);
            assert_true(used + strlen(line) < sizeof(vector->meaning));
            memcpy(vector->meaning + used, line, strlen(line) + 1);
        }
    }
    return false;
}

void vectors_cut_anywhere(const char *name, bool (*decodes)(const uint8_t *bytes, size_t length))
{
    FILE *file = vectors_open(name);
    static struct vector vector;
    while (vectors_next(file, &vector)) {
        bool good = strstr(vector.meaning, "refused") == NULL;
        for (size_t length = 0; good && length < vector.length; length++) {
            uint8_t *bytes = malloc(length == 0 ? 1 : length);
            assert_non_null(bytes);
            memcpy(bytes, vector.bytes, length);
            assert_false(decodes(bytes, length));
            if (length >= HEADER_BYTES) {
                bytes[LENGTH_AT] = (uint8_t)(length >> 8);
                bytes[LENGTH_AT + 1] = (uint8_t)length;
                (void)decodes(bytes, length);
            }
            free(bytes);
        }
    }
    (void)fclose(file);
}
