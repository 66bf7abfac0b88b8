// SPDX-License-Identifier: BSD-2-Clause
// The DNS records by which MABs and their servers are found: their RDATA, as a validating resolver
// gives it (docs/discovery.md; RFC 1035 §3.3.14, RFC 2782).
#ifndef IVIP_WIRE_DNS_RECORD_H
#define IVIP_WIRE_DNS_RECORD_H

#include "base/address.h"
#include "base/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_TEXT_MAX  256 // longest name in text, without escapes, and the final NUL
#define DNS_LABEL_TEXT_MAX 64
#define DNS_STRING_MAX     255 // octets of one string of a TXT record

enum dns_type {
    DNS_A = 1,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
};

struct dns_srv {
    uint16_t priority;
    uint16_t port;
    char target[DNS_NAME_TEXT_MAX]; // without the final dot; "" is the root: no such service
};

// Reads the RDATA of an SRV record. False where it is malformed, or the target has octets other
// than letters, digits, "-" and "_".
bool dns_srv_decode(const uint8_t *bytes, size_t length, struct dns_srv *srv);

// Takes the next string of a TXT record's RDATA: its octets in the input, and their number. False
// at the end and, with `reader` failed, where it is cut off.
bool dns_txt_next(struct reader *reader, const char **text, size_t *length);

// An A or AAAA record's address.
bool dns_address_decode(enum dns_type type, const uint8_t *bytes, size_t length,
                        struct address *address);

// True for a label of letters, digits and inner dashes, as DSOCs have.
bool dns_label_valid(const char *text, size_t length);
// True for a text of such labels with dots between, whatever its length.
bool dns_name_valid(const char *text);

#endif
