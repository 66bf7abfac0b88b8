// SPDX-License-Identifier: BSD-2-Clause
#include "base/memory.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t size)
{
    if (memory != NULL)
        return memory;
    (void)fprintf(stderr, "ivip: out of memory: %zu bytes more could not be had\n", size);
    abort();
}

void *memory_new(size_t size)
{
    return memory_new_array(1, size);
}

void *memory_new_array(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return checked(calloc(count, size), count <= SIZE_MAX / size ? count * size : SIZE_MAX);
}

void *memory_new_aligned(size_t alignment, size_t size)
{
    assert(size > 0 && size % alignment == 0);
    return memset(checked(aligned_alloc(alignment, size), size), 0, size);
}

void *memory_resize(void *memory, size_t size)
{
    return checked(realloc(memory, size == 0 ? 1 : size), size);
}

char *memory_copy_text(const char *text)
{
    return memory_copy(text, strlen(text) + 1);
}

void *memory_copy(const void *bytes, size_t length)
{
    void *copy = checked(malloc(length == 0 ? 1 : length), length);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

void memory_free(void *memory)
{
    free(memory);
}
