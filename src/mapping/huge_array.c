// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/huge_array.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

void *huge_array_new(size_t bytes)
{
    size_t pages = whole_pages(bytes);
    size_t slack = pages >= HUGE_PAGE ? HUGE_PAGE : 0;
    char *memory = mmap(NULL, pages + slack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        (void)fprintf(stderr, "ivip: out of memory: %zu bytes more could not be had\n", bytes);
        abort();
    }
    if (slack == 0)
        return memory;
    // The part that begins at a huge page is kept.
    size_t before = -(uintptr_t)memory & (HUGE_PAGE - 1);
    if (before > 0)
        (void)munmap(memory, before);
    if (slack > before)
        (void)munmap(memory + before + pages, slack - before);
    return memory + before;
}

void huge_array_free(void *array, size_t bytes)
{
    (void)munmap(array, whole_pages(bytes));
}

void huge_array_ask(void *array, size_t bytes)
{
    (void)madvise(array, whole_pages(bytes), MADV_HUGEPAGE);
}
