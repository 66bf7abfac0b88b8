// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/checksum.h"

#include <assert.h>

static uint64_t address_sum(struct sipp_address address)
{
    uint64_t bits = sipp_address_ipv4(address) ? sipp_address_to_ipv4(address) : address.bits;
    return (bits >> 48) + (bits >> 32 & 0xffff) + (bits >> 16 & 0xffff) + (bits & 0xffff);
}

uint16_t sipp_checksum(struct sipp_address source, struct sipp_address destination,
                       uint8_t payload_type, const uint8_t *payload, size_t length)
{
    assert(length <= UINT16_MAX);
    uint64_t sum = address_sum(source) + address_sum(destination) + length + payload_type;
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += (uint64_t)payload[i] << 8 | payload[i + 1];
    if (length % 2 != 0)
        sum += (uint64_t)payload[length - 1] << 8;
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)~sum;
}
