// SPDX-License-Identifier: BSD-2-Clause
// Big-endian numbers at fixed places of a packet header.
//
// Packet surgery does not use `struct reader`: it must also compile for BPF, where the verifier
// wants fixed offsets behind one length check. packet_parse makes that check, once for all.
#ifndef IVIP_TUNNEL_BYTE_ORDER_H
#define IVIP_TUNNEL_BYTE_ORDER_H

#include <stdint.h>

static inline uint16_t load_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void store_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void store_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

#endif
