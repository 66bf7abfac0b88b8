// SPDX-License-Identifier: BSD-2-Clause
// What every fuzzer is: one function over any octets, which aborts where something does not hold.
#ifndef IVIP_FUZZ_FUZZER_H
#define IVIP_FUZZ_FUZZER_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// libFuzzer's name for it, and replay.c's. Returns 0.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

// Aborts also where asserts are off.
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#endif
