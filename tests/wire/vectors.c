// SPDX-License-Identifier: BSD-2-Clause
#include "vectors.h"

#include "../check.h"

#include <sodium.h>
#include <string.h>

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
