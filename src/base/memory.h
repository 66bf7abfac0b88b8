// SPDX-License-Identifier: BSD-2-Clause
// Allocation. Everything a peer can make grow has a named limit, so running out of memory means a
// machine too small for its config, not an attack: it ends the process with a sentence, and the
// code that allocates needs no error path. Nothing allocates per packet.
#ifndef IVIP_BASE_MEMORY_H
#define IVIP_BASE_MEMORY_H

#include <stddef.h>

// Zeroed memory, never NULL; the caller owns it and gives it back to memory_free.
void *memory_new(size_t size);
void *memory_new_array(size_t count, size_t size);
// The same at a multiple of `alignment`, a power of two, of which `size` is a multiple.
void *memory_new_aligned(size_t alignment, size_t size);
// As realloc, never NULL; new bytes are not initialised.
void *memory_resize(void *memory, size_t size);
char *memory_copy_text(const char *text);
void *memory_copy(const void *bytes, size_t length);
void memory_free(void *memory);

#endif
