// SPDX-License-Identifier: BSD-2-Clause
#include "push/assembly.h"

void assembly_reset(struct assembly *assembly)
{
    assembly->parts = 0;
    assembly->next_part = 0;
    assembly->count = 0;
}

static void begin_set(struct assembly *assembly, const struct payload_section *section)
{
    assembly_reset(assembly);
    assembly->mab = section->mab;
    assembly->sequence = section->mab_sequence;
    assembly->parts = section->parts;
}

static bool is_next_part(const struct assembly *assembly, const struct payload_section *section)
{
    return assembly->parts == section->parts && assembly->next_part == section->part &&
           assembly->sequence == section->mab_sequence &&
           prefix_equal(&assembly->mab, &section->mab);
}

// Decodes behind what is there; false where the set grows too large or makes no sense.
static bool decode_updates(struct assembly *assembly, struct payload_section *section)
{
    enum family family = (enum family)section->mab.address.family;
    while (assembly->count < UPDATE_SET_MAX &&
           update_decode(&section->updates, family, &assembly->updates[assembly->count]))
        assembly->count++;
    return !section->updates.failed && reader_left(&section->updates) == 0;
}

enum assembly_outcome assembly_add(struct assembly *assembly, struct payload_section *section)
{
    if (section->part == 0)
        begin_set(assembly, section);
    if (!is_next_part(assembly, section) || !decode_updates(assembly, section)) {
        assembly_reset(assembly);
        return ASSEMBLY_BROKEN;
    }
    assembly->next_part++;
    if (assembly->next_part < assembly->parts)
        return ASSEMBLY_PART;
    assembly->parts = 0;
    return ASSEMBLY_WHOLE;
}
