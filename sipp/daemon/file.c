// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/daemon/sippd.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (1 << 20)

char *file_read(const char *file, struct error *error)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "cannot-read", "cannot read %s: %s", file,
                        strerror(errno));
        return NULL;
    }
    char *text = memory_new(FILE_MAX + 2);
    // One byte more than may be there, so that the end is seen.
    size_t length = fread(text, 1, FILE_MAX + 1, stream);
    text[length] = '\0';
    bool whole = feof(stream) != 0;
    (void)fclose(stream);
    if (whole && strlen(text) == length)
        return text;
    memory_free(text);
    (void)error_set(error, ERROR_INPUT, "no-text",
                    whole ? "%s is no text: it has a zero byte" : "%s is longer than a megabyte",
                    file);
    return NULL;
}
