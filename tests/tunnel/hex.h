// SPDX-License-Identifier: BSD-2-Clause
// Packets written as hexadecimal text.
#ifndef IVIP_TESTS_TUNNEL_HEX_H
#define IVIP_TESTS_TUNNEL_HEX_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t hex_digit(char digit)
{
    assert((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'));
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

// Reads the text into `bytes`, of `size` octets, and returns how many there are.
static inline uint32_t hex_read(const char *text, uint8_t *bytes, uint32_t size)
{
    uint32_t length = (uint32_t)strlen(text) / 2;
    assert(length <= size);
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(hex_digit(text[i * 2]) << 4 | hex_digit(text[i * 2 + 1]));
    return length;
}

#endif
