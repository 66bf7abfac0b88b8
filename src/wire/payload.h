// SPDX-License-Identifier: BSD-2-Clause
// Encoding and decoding of fast-push payloads (docs/protocol.md, "Payload"; fast-push §3.9, §4).
//
// Reading: payload_open checks the frame, payload_verify the signature, payload_next_section walks
// the sections, update_decode the updates in one. Writing: a struct payload_writer fills one
// payload until a section does not fit any more; payload_seal signs it.
#ifndef IVIP_WIRE_PAYLOAD_H
#define IVIP_WIRE_PAYLOAD_H

#include "base/cursor.h"
#include "base/instant.h"
#include "base/key.h"
#include "mapping/mapping.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_BYTES_MAX    1232 // 1280 less IPv6 and UDP headers
#define PAYLOAD_HEADER_BYTES 40
#define PAYLOAD_CONTEXT      "ivip payload v1"
#define SECTION_HEADER_BYTES 4
#define UPDATES_HEADER_BYTES 24 // of an updates section, before its first update
#define SNAPSHOT_BODY_BYTES  56
#define STATE_BODY_BYTES     40
#define SECTION_PARTS_MAX    64 // most sections that one set may be spread over
#define PAYLOAD_SECTION_ROOM (PAYLOAD_BYTES_MAX - PAYLOAD_HEADER_BYTES - SIGNATURE_BYTES)
#define PAYLOAD_UPDATES_ROOM (PAYLOAD_SECTION_ROOM - SECTION_HEADER_BYTES - UPDATES_HEADER_BYTES)

struct payload_header {
    uint64_t ruas;     // key_id of its public key
    uint64_t epoch;    // at least 1
    uint64_t sequence; // at least 1
    struct wall_time time;
};

enum section_type {
    SECTION_UPDATES = 1,
    SECTION_HEARTBEAT = 2,
    SECTION_SNAPSHOT = 3,
    SECTION_STATE = 4,
};

// One section, decoded. Which fields count depends on `type`.
struct payload_section {
    uint8_t type;             // enum section_type, or one this program does not know
    bool critical;            // of an unknown type: without it the payload must not be applied
    struct prefix mab;        // updates, snapshot, state
    uint64_t mab_sequence;    // updates (at least 1), snapshot, state
    uint16_t part;            // updates: 0 .. parts-1
    uint16_t parts;           // updates: at least 1
    struct reader updates;    // updates: for update_decode, inside the payload's bytes
    struct mapping_hash hash; // snapshot, state
    struct wall_time time;    // snapshot
    uint64_t micronets;       // snapshot
};

// Reads the header; on DECODE_OK `sections` stands over the sections, without the signature. Only
// the frame is checked: the sections, and who signed them, are not.
enum decode_reason payload_open(const uint8_t *bytes, size_t length, struct payload_header *header,
                                struct reader *sections);
// True when the bytes, a frame that payload_open accepted, are signed with that key.
bool payload_verify(const uint8_t *bytes, size_t length, const struct public_key *key);
// The next section. False at the end, and where the rest makes no sense: then sections->failed.
bool payload_next_section(struct reader *sections, struct payload_section *section);

// Reads the next update of a section; `family` is that of the MAB. False at the end, and where the
// rest makes no sense: then updates->failed.
bool update_decode(struct reader *updates, enum family family, struct update *update);
// Writes one; `writer` fails where it does not fit.
void update_encode(struct writer *writer, enum family family, const struct update *update);
// How many octets update_encode writes.
size_t update_octets(enum family family, const struct update *update);
// Over how many sections a set has to be spread when each has a payload of its own; at most
// SECTION_PARTS_MAX for UPDATE_SET_MAX updates.
uint16_t updates_parts(enum family family, const struct update *updates, size_t count);

// A payload being filled.
struct payload_writer {
    uint8_t bytes[PAYLOAD_BYTES_MAX];
    struct writer writer; // over the octets before the signature
};

void payload_begin(struct payload_writer *payload, const struct payload_header *header);
// True while no section was added.
bool payload_empty(const struct payload_writer *payload);
// Octets that sections may still take.
size_t payload_room(const struct payload_writer *payload);
// Adds as many of `count` updates as fit and returns how many (0: nothing was added); `part` and
// `parts` as in the format. The updates must lie in the MAB's family.
size_t payload_add_updates(struct payload_writer *payload, const struct prefix *mab,
                           uint64_t mab_sequence, uint16_t part, uint16_t parts,
                           const struct update *updates, size_t count);
// Adds a heartbeat, snapshot or state section; false where it does not fit.
bool payload_add_section(struct payload_writer *payload, const struct payload_section *section);
// Signs; the payload is then payload->bytes with the returned length.
size_t payload_seal(struct payload_writer *payload, const struct secret_key *key);

#endif
