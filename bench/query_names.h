// SPDX-License-Identifier: BSD-2-Clause
// What the servers that are compared hold: micronet i is one address, and name i is "m<i>.bench.".
// Both lead to the same address, so every answer can be checked from its question.
#ifndef IVIP_BENCH_QUERY_NAMES_H
#define IVIP_BENCH_QUERY_NAMES_H

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

#define MICRONETS_BASE 0x14000000u // 20.0.0.0
#define MICRONETS_MOST 0x1000000u
#define ZONE_NAME      "bench"
#define NAME_FORMAT    "m%" PRIu32
#define ETR_BASE       0xc6120000u // 198.18.0.0/15
#define ETR_VERSIONS   500

// 198.18.v.n or 198.19.v.n: the last octet tells the micronet, the others how often it changed.
static inline struct address etr_of(uint32_t micronet, uint32_t version)
{
    return address_from_ipv4(ETR_BASE + (version % ETR_VERSIONS << 8) + micronet % 251 + 1);
}

// Whether that is the ETR of the micronet in any of its versions.
static inline bool etr_is_of(const struct address *etr, uint32_t micronet)
{
    return etr->family == FAMILY_IPV4 && etr->octets[0] == 198 && (etr->octets[1] & 0xfe) == 18 &&
           etr->octets[3] == micronet % 251 + 1;
}

#endif
