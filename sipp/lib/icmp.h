// SPDX-License-Identifier: BSD-2-Clause
// ICMP messages of SIPP: errors, echo, discovery (overview §7.1, §8), and the two messages whose
// form the document leaves open, registration with a home station and configuration.
//
// All begin with type 8, code 8, checksum 16 over the pseudo-header (sipp/lib/checksum.h). Types
// are those of IPv4 where the meaning is the same, and those that IANA keeps from 1993 for the
// rest: 33 Where-Are-You, 34 I-Am-Here, 35 and 36 mobile registration. Configuration uses 253,
// which is set aside for experiments.
//
//   error        | parameter 32 | up to 256 octets of the packet |
//   echo         | identifier 16 | number 16 | data |
//   where-are-you| reserved 16 | link address 48 | address sought 64 |
//                |   sought 0: any router; All Nodes: all are to announce themselves
//   i-am-here    | lifetime 16, seconds | link address 48 | identifying address 64 |
//                | count 8 | reserved 24 | count x { address 64 | length 8 | zeros 24 } |
//   registration | lifetime 16 | reserved 16 | number 64 | mobile 64 | base station 64 |
//                | authenticator 256 |                      the reply has the same form
//   configuration| reserved 32 | number 64 | zeros 16 | link address 48 |
//                | count 8 | reserved 24 | count x address 64 |     a request has count 0
#ifndef SIPP_LIB_ICMP_H
#define SIPP_LIB_ICMP_H

#include "base/cursor.h"
#include "sipp/lib/packet.h"

#define ICMP_HEADER_BYTES       4
#define ICMP_QUOTE_MAX          256 // octets of the packet that an error quotes (RFC 8507)
#define ICMP_MESSAGE_MAX        (8 + ICMP_QUOTE_MAX)
#define ICMP_PREFIXES_MAX       16 // prefixes and groups in one I-Am-Here
#define ICMP_AUTHENTICATOR_SIZE 32
#define MOBILE_KEY_BYTES        32

enum icmp_type {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12,
    ICMP_WHERE_ARE_YOU = 33,
    ICMP_I_AM_HERE = 34,
    ICMP_REGISTRATION_REQUEST = 35,
    ICMP_REGISTRATION_REPLY = 36,
    ICMP_CONFIGURATION = 253,
};

enum icmp_unreachable_code {
    ICMP_NO_ROUTE = 0,
    ICMP_NO_NODE = 1, // on the last link nobody answers for the address
    ICMP_NO_PAYLOAD_TYPE = 2,
    ICMP_NO_PORT = 3,
    ICMP_TOO_BIG = 4,       // the parameter is the largest packet that fits
    ICMP_NO_RELAY = 5,      // the route leads through a host, which passes nothing on
    ICMP_BEYOND_SCOPE = 13, // the source could never be answered from there
};

enum icmp_presence_code { ICMP_HOST = 0, ICMP_ROUTER = 1, ICMP_BASE_STATION = 2 };
enum icmp_registration_code { ICMP_REGISTRATION_ACCEPTED = 0, ICMP_REGISTRATION_DENIED = 1 };
enum icmp_configuration_code { ICMP_CONFIGURATION_REQUEST = 0, ICMP_CONFIGURATION_REPLY = 1 };

struct icmp_error {
    uint32_t parameter;
    const uint8_t *quote; // inside the message
    size_t quote_length;
};

struct icmp_echo {
    uint16_t identifier;
    uint16_t number;
    const uint8_t *data; // inside the message
    size_t length;
};

struct icmp_where_are_you {
    struct link_address link; // of the asker
    struct sipp_address sought;
};

struct icmp_i_am_here {
    uint16_t lifetime; // seconds
    struct link_address link;
    struct sipp_address identity;
    uint8_t count;
    struct sipp_prefix prefixes[ICMP_PREFIXES_MAX]; // of the link; of a host: its groups
};

struct icmp_registration {
    uint16_t lifetime; // seconds; 0 takes the registration back
    uint64_t number;   // greater than in every earlier request of this mobile host
    struct sipp_address mobile;
    struct sipp_address base;
    uint8_t authenticator[ICMP_AUTHENTICATOR_SIZE];
};

struct icmp_configuration {
    uint64_t number; // the reply repeats the request's
    struct link_address link;
    struct sequence sequence; // count 0 in a request
};

struct mobile_key {
    uint8_t bytes[MOBILE_KEY_BYTES];
};

struct icmp_message {
    uint8_t type;
    uint8_t code;
    union {
        struct icmp_error error;
        struct icmp_echo echo;
        struct icmp_where_are_you where;
        struct icmp_i_am_here here;
        struct icmp_registration registration;
        struct icmp_configuration configuration;
    };
};

// True for types that report errors; no error may ever answer one.
bool icmp_is_error(uint8_t type);
// "time-exceeded", ... ; "unknown" for other types.
const char *icmp_type_name(uint8_t type);

// Reads a message; `source` and `destination` are the identifying addresses of the packet. False
// for a wrong checksum, an unknown type or a body that does not follow the form above.
bool icmp_decode(struct sipp_address source, struct sipp_address destination, const uint8_t *bytes,
                 size_t length, struct icmp_message *message);
// Writes a message with its checksum; returns its length, or 0 where `size` does not hold it.
size_t icmp_encode(struct sipp_address source, struct sipp_address destination,
                   const struct icmp_message *message, uint8_t *bytes, size_t size);

// Fills in and checks the authenticator: BLAKE2b keyed with what mobile host and home station
// share, over direction (type), code and all fields. The check takes constant time.
void icmp_registration_sign(struct icmp_message *message, const struct mobile_key *key);
bool icmp_registration_verify(const struct icmp_message *message, const struct mobile_key *key);

#endif
