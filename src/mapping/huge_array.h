// SPDX-License-Identifier: BSD-2-Clause
// Large arrays on pages of their own: zeroed, and without memory behind them until they are
// written, so that an array may be as long as it could ever have to be.
#ifndef IVIP_MAPPING_HUGE_ARRAY_H
#define IVIP_MAPPING_HUGE_ARRAY_H

#include <stddef.h>

#define HUGE_PAGE ((size_t)2 << 20)

// An array of `bytes`; one of HUGE_PAGE or more begins at a huge page. The caller gives it back to
// huge_array_free. Where there is no address space left, the process ends.
void *huge_array_new(size_t bytes);
void huge_array_free(void *array, size_t bytes);
// Asks the kernel for huge pages from now on: for arrays that are looked up at random.
void huge_array_ask(void *array, size_t bytes);

#endif
