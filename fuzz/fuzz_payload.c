// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a payload. What is read without complaint, and holds only what this program knows,
// must be written back as the very same octets: there is one way to write each payload.
#include "fuzzer.h"

#include "wire/payload.h"

#include <assert.h>
#include <string.h>

// Reads the updates of a section and writes them again. False where they are malformed.
static bool copy_updates(struct payload_writer *copy, struct payload_section *section)
{
    static struct update updates[UPDATE_SET_MAX];
    enum family family = (enum family)section->mab.address.family;
    size_t count = 0;
    while (count < UPDATE_SET_MAX && update_decode(&section->updates, family, &updates[count]))
        count++;
    if (section->updates.failed)
        return false;
    REQUIRE(count > 0 && updates_parts(family, updates, count) == 1);
    REQUIRE(payload_add_updates(copy, &section->mab, section->mab_sequence, section->part,
                                section->parts, updates, count) == count);
    return true;
}

// False where a section is malformed, or of a type that this program cannot write.
static bool copy_section(struct payload_writer *copy, struct payload_section *section)
{
    if (section->type < SECTION_UPDATES || section->type > SECTION_STATE)
        return false;
    if (section->type == SECTION_UPDATES)
        return copy_updates(copy, section);
    REQUIRE(payload_add_section(copy, section));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct payload_header header;
    struct reader sections;
    if (payload_open(bytes, length, &header, &sections) != DECODE_OK)
        return 0;
    static struct payload_writer copy;
    payload_begin(&copy, &header);
    struct payload_section section;
    bool known = true;
    while (payload_next_section(&sections, &section))
        known = copy_section(&copy, &section) && known;
    if (!known || sections.failed)
        return 0;
    struct secret_key key;
    uint8_t seed[32] = {1};
    key_from_seed(seed, &key);
    size_t written = payload_seal(&copy, &key);
    REQUIRE(written == length);
    // All but the flags of the common header, which a reader ignores, and the signature.
    REQUIRE(memcmp(copy.bytes, bytes, 6) == 0);
    REQUIRE(memcmp(copy.bytes + 8, bytes + 8, length - 8 - SIGNATURE_BYTES) == 0);
    return 0;
}
