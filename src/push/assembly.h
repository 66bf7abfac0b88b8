// SPDX-License-Identifier: BSD-2-Clause
// Puts a set of updates together from the sections it is spread over.
#ifndef IVIP_PUSH_ASSEMBLY_H
#define IVIP_PUSH_ASSEMBLY_H

#include "wire/payload.h"

enum assembly_outcome {
    ASSEMBLY_WHOLE,  // `updates` holds the set
    ASSEMBLY_PART,   // more parts are to come
    ASSEMBLY_BROKEN, // parts are missing or do not belong together, or the set is too large
};

struct assembly {
    struct prefix mab;
    uint64_t sequence;
    uint16_t parts; // 0 while no set is being put together
    uint16_t next_part;
    size_t count;
    struct update updates[UPDATE_SET_MAX];
};

// Forgets a set of which only parts have come.
void assembly_reset(struct assembly *assembly);
// Takes an updates section. On ASSEMBLY_WHOLE the updates are valid until the next call.
enum assembly_outcome assembly_add(struct assembly *assembly, struct payload_section *section);

#endif
