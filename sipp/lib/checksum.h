// SPDX-License-Identifier: BSD-2-Clause
// The Internet checksum over a SIPP pseudo-header (overview §2: over the two identifying
// addresses; RFC 8507 §6).
//
//     +----------------------------+----------------------------+
//     | source identifying address | destination identifying    |   64 bits each; of an address
//     with
//     +----------------------------+----------------------------+   the C-bit only the low 32
//     count, | payload length 32          | zeros 24  | payload type 8 |   for its node knows no
//     others
//     +----------------------------+----------------------------+
//
// Neither changes while a packet advances, so no router ever touches a transport checksum.
#ifndef SIPP_LIB_CHECKSUM_H
#define SIPP_LIB_CHECKSUM_H

#include "sipp/lib/address.h"

#include <stddef.h>

// The checksum to put in a message whose checksum field holds zeros; host byte order. Over a
// message that carries its right checksum it gives 0. `length` is at most 65,535.
uint16_t sipp_checksum(struct sipp_address source, struct sipp_address destination,
                       uint8_t payload_type, const uint8_t *payload, size_t length);

#endif
