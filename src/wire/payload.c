// SPDX-License-Identifier: BSD-2-Clause
//     0        8       16       24       32     40                       n-64        n
//     +--------+--------+--------+--------+------+-----------+-----------+-----------+
//     | common | RUAS   | epoch  | seq.   | time | section   | section.. | signature |
//     +--------+--------+--------+--------+------+-----------+-----------+-----------+
//
// There is one way to write each payload. What no encoder writes (reserved octets that are not
// zero, a prefix with bits below its length, an empty set) is refused, so that two implementations
// cannot come to read the same signed octets differently.
#include "wire/payload.h"

#include <assert.h>
#include <string.h>

#define SECTION_CRITICAL 0x01

_Static_assert(PAYLOAD_UPDATES_ROOM / 34 * SECTION_PARTS_MAX >= UPDATE_SET_MAX,
               "the largest set of the largest updates fits the parts allowed");

enum decode_reason payload_open(const uint8_t *bytes, size_t length, struct payload_header *header,
                                struct reader *sections)
{
    struct reader reader = reader_over(bytes, length);
    enum message_type type = MESSAGE_PAYLOAD;
    enum decode_reason reason = message_decode_header(&reader, length, &type);
    if (reason != DECODE_OK)
        return reason;
    if (type != MESSAGE_PAYLOAD)
        return DECODE_TYPE;
    if (length > PAYLOAD_BYTES_MAX)
        return DECODE_LENGTH;
    if (length < PAYLOAD_HEADER_BYTES + SECTION_HEADER_BYTES + SIGNATURE_BYTES)
        return DECODE_SHORT;
    header->ruas = reader_u64(&reader);
    header->epoch = reader_u64(&reader);
    header->sequence = reader_u64(&reader);
    header->time.ms = reader_u64(&reader);
    if (header->epoch == 0 || header->sequence == 0)
        return DECODE_VALUE;
    *sections = reader_sub(&reader, reader_left(&reader) - SIGNATURE_BYTES);
    assert(!sections->failed);
    return DECODE_OK;
}

bool payload_verify(const uint8_t *bytes, size_t length, const struct public_key *key)
{
    assert(length > SIGNATURE_BYTES);
    struct signature signature;
    memcpy(signature.bytes, bytes + length - SIGNATURE_BYTES, SIGNATURE_BYTES);
    return key_verify(key, PAYLOAD_CONTEXT, bytes, length - SIGNATURE_BYTES, &signature);
}

// The prefix of a MAB from its family, length and upper 64 bits; false where no MAB can have it.
static bool mab_from_wire(uint8_t family, uint8_t length, uint64_t upper, struct prefix *mab)
{
    if (family != FAMILY_IPV4 && family != FAMILY_IPV6)
        return false;
    if (family == FAMILY_IPV4 && (upper & UINT32_MAX) != 0)
        return false;
    uint64_t index = family == FAMILY_IPV4 ? upper >> 32 : upper;
    *mab = (struct prefix){unit_address((enum family)family, (struct unit){index}), length};
    struct range units;
    return mab_check(mab, &units, NULL) && (index & (units.length.units - 1)) == 0;
}

static uint64_t mab_to_wire(const struct prefix *mab)
{
    uint64_t index = unit_of_address(&mab->address).index;
    return mab->address.family == FAMILY_IPV4 ? index << 32 : index;
}

static bool zeros_follow(struct reader *body, size_t length)
{
    bool zeros = true;
    for (size_t i = 0; i < length; i++)
        zeros &= reader_u8(body) == 0;
    return zeros;
}

static bool decode_updates(struct reader *body, struct payload_section *section)
{
    uint8_t family = reader_u8(body);
    uint8_t length = reader_u8(body);
    section->part = reader_u16(body);
    section->parts = reader_u16(body);
    bool canonical = zeros_follow(body, 2);
    uint64_t upper = reader_u64(body);
    section->mab_sequence = reader_u64(body);
    if (body->failed || reader_left(body) == 0)
        return false;
    section->updates = *body;
    return canonical && mab_from_wire(family, length, upper, &section->mab) &&
           section->mab_sequence > 0 && section->part < section->parts &&
           section->parts <= SECTION_PARTS_MAX;
}

// State, and what a snapshot section begins with.
static bool decode_state(struct reader *body, struct payload_section *section)
{
    uint8_t family = reader_u8(body);
    uint8_t length = reader_u8(body);
    bool canonical = zeros_follow(body, 6);
    uint64_t upper = reader_u64(body);
    section->mab_sequence = reader_u64(body);
    section->hash.lanes[0] = reader_u64(body);
    section->hash.lanes[1] = reader_u64(body);
    return canonical && !body->failed && mab_from_wire(family, length, upper, &section->mab);
}

static bool decode_snapshot(struct reader *body, struct payload_section *section)
{
    if (!decode_state(body, section))
        return false;
    section->time.ms = reader_u64(body);
    section->micronets = reader_u64(body);
    return !body->failed;
}

static bool decode_body(struct reader *body, struct payload_section *section)
{
    switch (section->type) {
    case SECTION_UPDATES:
        return decode_updates(body, section); // the updates are for update_decode
    case SECTION_HEARTBEAT:
        break;
    case SECTION_SNAPSHOT:
        if (!decode_snapshot(body, section))
            return false;
        break;
    case SECTION_STATE:
        if (!decode_state(body, section))
            return false;
        break;
    default:
        return true;
    }
    return reader_left(body) == 0;
}

static bool section_known(uint8_t type)
{
    return type >= SECTION_UPDATES && type <= SECTION_STATE;
}

bool payload_next_section(struct reader *sections, struct payload_section *section)
{
    if (reader_left(sections) == 0)
        return false;
    memset(section, 0, sizeof(*section));
    section->type = reader_u8(sections);
    uint8_t flags = reader_u8(sections);
    size_t length = reader_u16(sections);
    struct reader body = reader_sub(sections, length);
    section->critical = (flags & SECTION_CRITICAL) != 0;
    bool sound = !body.failed && section->type != 0 &&
                 (flags == 0 || !section_known(section->type)) && decode_body(&body, section);
    if (!sound)
        sections->failed = true;
    return sound;
}

static uint64_t read_unit(struct reader *reader, enum family family)
{
    return family == FAMILY_IPV4 ? reader_u32(reader) : reader_u64(reader);
}

static void write_unit(struct writer *writer, enum family family, uint64_t value)
{
    if (family == FAMILY_IPV4) {
        assert(value <= UINT32_MAX);
        writer_u32(writer, (uint32_t)value);
    } else
        writer_u64(writer, value);
}

static bool kind_has_etr(enum update_kind kind)
{
    return kind == UPDATE_MAP || kind == UPDATE_DEFINE;
}

// What is particular to a kind: the ETR, or where to split.
static bool decode_kind(struct reader *updates, uint8_t etr_family, struct update *update)
{
    if (kind_has_etr(update->kind)) {
        if (etr_family != FAMILY_NONE)
            update->etr = reader_address(updates, (enum family)etr_family);
        return !updates->failed;
    }
    if (etr_family != FAMILY_NONE)
        return false;
    if (update->kind != UPDATE_SPLIT)
        return true;
    update->at.index = read_unit(updates, update->range.family);
    return !updates->failed && update->at.index != update->range.start.index &&
           range_contains_unit(&update->range, update->range.family, update->at);
}

bool update_decode(struct reader *updates, enum family family, struct update *update)
{
    assert(family == FAMILY_IPV4 || family == FAMILY_IPV6);
    if (reader_left(updates) == 0)
        return false;
    memset(update, 0, sizeof(*update));
    uint8_t kind = reader_u8(updates);
    uint8_t etr_family = reader_u8(updates);
    update->kind = (enum update_kind)kind;
    update->range.family = family;
    update->range.start.index = read_unit(updates, family);
    update->range.length.units = read_unit(updates, family);
    bool sound = !updates->failed && kind >= UPDATE_MAP && kind <= UPDATE_DELETE &&
                 range_valid(&update->range) && decode_kind(updates, etr_family, update);
    if (!sound)
        updates->failed = true;
    return sound;
}

void update_encode(struct writer *writer, enum family family, const struct update *update)
{
    assert(update->range.family == family && range_valid(&update->range));
    bool has_etr = kind_has_etr(update->kind);
    writer_u8(writer, (uint8_t)update->kind);
    writer_u8(writer, has_etr ? update->etr.family : (uint8_t)FAMILY_NONE);
    write_unit(writer, family, update->range.start.index);
    write_unit(writer, family, update->range.length.units);
    if (has_etr)
        writer_address(writer, &update->etr);
    else if (update->kind == UPDATE_SPLIT)
        write_unit(writer, family, update->at.index);
}

size_t update_octets(enum family family, const struct update *update)
{
    size_t unit = family == FAMILY_IPV4 ? 4 : 8;
    size_t octets = 2 + 2 * unit;
    if (kind_has_etr(update->kind))
        octets += family_octets((enum family)update->etr.family);
    else if (update->kind == UPDATE_SPLIT)
        octets += unit;
    return octets;
}

uint16_t updates_parts(enum family family, const struct update *updates, size_t count)
{
    assert(count > 0 && count <= UPDATE_SET_MAX);
    uint16_t parts = 1;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t octets = update_octets(family, &updates[i]);
        if (used + octets > PAYLOAD_UPDATES_ROOM) {
            parts++;
            used = 0;
        }
        used += octets;
    }
    assert(parts <= SECTION_PARTS_MAX);
    return parts;
}

void payload_begin(struct payload_writer *payload, const struct payload_header *header)
{
    assert(header->epoch > 0 && header->sequence > 0);
    payload->writer = writer_over(payload->bytes, PAYLOAD_BYTES_MAX - SIGNATURE_BYTES);
    message_encode_header(&payload->writer, MESSAGE_PAYLOAD);
    writer_u64(&payload->writer, header->ruas);
    writer_u64(&payload->writer, header->epoch);
    writer_u64(&payload->writer, header->sequence);
    writer_u64(&payload->writer, header->time.ms);
    assert(writer_length(&payload->writer) == PAYLOAD_HEADER_BYTES);
}

bool payload_empty(const struct payload_writer *payload)
{
    return writer_length(&payload->writer) == PAYLOAD_HEADER_BYTES;
}

size_t payload_room(const struct payload_writer *payload)
{
    return writer_left(&payload->writer);
}

// Writes a section's header and returns the place of its length.
static uint8_t *begin_section(struct writer *writer, enum section_type type)
{
    writer_u8(writer, (uint8_t)type);
    writer_u8(writer, 0);
    return writer_reserve_u16(writer);
}

static void begin_updates(struct writer *writer, const struct prefix *mab, uint64_t mab_sequence,
                          uint16_t part, uint16_t parts)
{
    writer_u8(writer, mab->address.family);
    writer_u8(writer, mab->length);
    writer_u16(writer, part);
    writer_u16(writer, parts);
    writer_zeros(writer, 2);
    writer_u64(writer, mab_to_wire(mab));
    writer_u64(writer, mab_sequence);
}

size_t payload_add_updates(struct payload_writer *payload, const struct prefix *mab,
                           uint64_t mab_sequence, uint16_t part, uint16_t parts,
                           const struct update *updates, size_t count)
{
    assert(count > 0 && part < parts && mab_sequence > 0);
    struct writer *writer = &payload->writer;
    enum family family = (enum family)mab->address.family;
    size_t first = SECTION_HEADER_BYTES + UPDATES_HEADER_BYTES + update_octets(family, updates);
    if (writer_left(writer) < first)
        return 0;
    uint8_t *length = begin_section(writer, SECTION_UPDATES);
    begin_updates(writer, mab, mab_sequence, part, parts);
    size_t added = 0;
    while (added < count && writer_left(writer) >= update_octets(family, &updates[added]))
        update_encode(writer, family, &updates[added++]);
    writer_patch_u16(writer, length);
    assert(!writer->failed && added > 0);
    return added;
}

// The octets of a section's body; see payload_add_section for which types.
static size_t body_octets(const struct payload_section *section)
{
    switch (section->type) {
    case SECTION_SNAPSHOT:
        return SNAPSHOT_BODY_BYTES;
    case SECTION_STATE:
        return STATE_BODY_BYTES;
    default:
        assert(section->type == SECTION_HEARTBEAT);
        return 0;
    }
}

bool payload_add_section(struct payload_writer *payload, const struct payload_section *section)
{
    struct writer *writer = &payload->writer;
    if (writer_left(writer) < SECTION_HEADER_BYTES + body_octets(section))
        return false;
    uint8_t *length = begin_section(writer, (enum section_type)section->type);
    if (section->type != SECTION_HEARTBEAT) {
        writer_u8(writer, section->mab.address.family);
        writer_u8(writer, section->mab.length);
        writer_zeros(writer, 6);
        writer_u64(writer, mab_to_wire(&section->mab));
        writer_u64(writer, section->mab_sequence);
        writer_u64(writer, section->hash.lanes[0]);
        writer_u64(writer, section->hash.lanes[1]);
    }
    if (section->type == SECTION_SNAPSHOT) {
        writer_u64(writer, section->time.ms);
        writer_u64(writer, section->micronets);
    }
    writer_patch_u16(writer, length);
    assert(!writer->failed);
    return true;
}

size_t payload_seal(struct payload_writer *payload, const struct secret_key *key)
{
    assert(!payload_empty(payload));
    struct writer *writer = &payload->writer;
    writer->end += SIGNATURE_BYTES;
    uint8_t *place = writer->next;
    writer_zeros(writer, SIGNATURE_BYTES);
    size_t length = message_finish(writer); // before signing: the length is signed too
    struct signature signature;
    key_sign(key, PAYLOAD_CONTEXT, payload->bytes, length - SIGNATURE_BYTES, &signature);
    memcpy(place, signature.bytes, SIGNATURE_BYTES);
    return length;
}
