// SPDX-License-Identifier: BSD-2-Clause
// The Internet checksum (RFC 1071) and its incremental change (RFC 1624). Compiles for BPF.
//
// A running sum is a 64-bit number to which 16-bit words in network order are added; it is folded
// once at the end. It has room for far more than any packet.
#ifndef IVIP_TUNNEL_CHECKSUM_H
#define IVIP_TUNNEL_CHECKSUM_H

#include "tunnel/byte_order.h"

#include <stdint.h>

// Folds a running sum to 16 bits, carries added back in.
static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

// Adds `length` octets to the running sum; they must start at an even place of what is summed.
//
// The sum of 16-bit words does not depend on byte order but for a swap of the result (RFC 1071
// §2(B)), so eight octets at a time are added as the machine holds them, and swapped at the end.
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, uint32_t length)
{
    uint64_t native = 0;
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        __builtin_memcpy(&word, bytes, sizeof(word));
        native += (word & 0xffffffff) + (word >> 32);
    }
    for (; length >= 2; bytes += 2, length -= 2) {
        uint16_t word;
        __builtin_memcpy(&word, bytes, sizeof(word));
        native += word;
    }
    uint16_t folded = checksum_fold(native);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    folded = __builtin_bswap16(folded);
#endif
    sum += folded;
    return length == 0 ? sum : sum + ((uint64_t)bytes[0] << 8);
}

// The value for the checksum field: the complement of the folded sum.
static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}

// The checksum after one 16-bit word under it changed from `before` to `after` (RFC 1624
// equation 3).
static inline uint16_t checksum_replace(uint16_t checksum, uint16_t before, uint16_t after)
{
    return checksum_finish((uint64_t)(uint16_t)~checksum + (uint16_t)~before + after);
}

// Begins a sum with the pseudo-header of TCP, UDP or ICMPv6: both addresses (`octets` each, 4 or
// 16), the protocol and the length of what is under the checksum.
static inline uint64_t checksum_pseudo_header(const uint8_t *source, const uint8_t *destination,
                                              uint32_t octets, uint8_t protocol, uint32_t length)
{
    uint64_t sum = (uint64_t)protocol + length;
    sum = checksum_add(sum, source, octets);
    return checksum_add(sum, destination, octets);
}

#endif
