// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/registry.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct assignment {
    char name[NAME_TEXT_MAX];
    struct sipp_prefix prefix;
};

struct registry {
    struct assignment *entries;
    size_t count;
    size_t capacity;
};

struct registry *registry_new(void)
{
    return memory_new(sizeof(struct registry));
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    memory_free(registry->entries);
    memory_free(registry);
}

size_t registry_count(const struct registry *registry)
{
    return registry->count;
}

const char *registry_entry(const struct registry *registry, size_t i, struct sipp_prefix *prefix)
{
    if (i >= registry->count)
        return NULL;
    *prefix = registry->entries[i].prefix;
    return registry->entries[i].name;
}

static struct assignment *find(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->entries[i].name, name) == 0)
            return &registry->entries[i];
    }
    return NULL;
}

// Length of the name of the parent; 0 for a provider.
static size_t parent_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? 0 : (size_t)(dot - name);
}

// True when `child` is one word below the first `length` characters of `parent` (0: a provider).
static bool is_child(const char *child, const char *parent, size_t length)
{
    return parent_length(child) == length && strncmp(child, parent, length) == 0;
}

// The prefix that assignments to `name` are made from.
static bool parent_prefix(const struct registry *registry, const char *name,
                          struct sipp_prefix *prefix, struct error *error)
{
    size_t length = parent_length(name);
    if (length == 0) {
        *prefix = (struct sipp_prefix){SIPP_ADDRESS_NONE, REGISTRY_PROVIDER_START};
        return true;
    }
    char parent_name[NAME_TEXT_MAX];
    (void)snprintf(parent_name, sizeof(parent_name), "%.*s", (int)length, name);
    const struct assignment *parent = find(registry, parent_name);
    if (parent == NULL)
        return error_set(error, ERROR_NOT_FOUND, "no-parent", "%s is not assigned yet",
                         parent_name);
    *prefix = parent->prefix;
    return true;
}

// A neighbour of `name` (same parent, another name) that overlaps `prefix`, or NULL.
static const struct assignment *neighbour_in(const struct registry *registry, const char *name,
                                             const struct sipp_prefix *prefix)
{
    size_t length = parent_length(name);
    for (size_t i = 0; i < registry->count; i++) {
        const struct assignment *entry = &registry->entries[i];
        if (is_child(entry->name, name, length) && strcmp(entry->name, name) != 0 &&
            sipp_prefix_overlaps(&entry->prefix, prefix))
            return entry;
    }
    return NULL;
}

static bool store(struct registry *registry, const char *name, const struct sipp_prefix *prefix,
                  struct error *error)
{
    if (registry->count == NAMES_MAX)
        return error_set(error, ERROR_LIMIT, "too-many-names", "more than %d assignments",
                         NAMES_MAX);
    if (registry->count == registry->capacity) {
        registry->capacity = registry->capacity == 0 ? 32 : registry->capacity * 2;
        registry->entries =
            memory_resize(registry->entries, registry->capacity * sizeof(struct assignment));
    }
    struct assignment *entry = &registry->entries[registry->count++];
    (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->prefix = *prefix;
    return true;
}

static bool check_new(const struct registry *registry, const char *name, struct error *error)
{
    struct names *checker = names_new(); // knows what a well-formed name is
    struct sipp_prefix any = {SIPP_ADDRESS_NONE, 0};
    bool good = names_add(checker, name, &any, error);
    names_free(checker);
    if (!good)
        return false;
    if (find(registry, name) != NULL)
        return error_set(error, ERROR_CONFLICT, "name-taken", "%s is assigned already", name);
    return true;
}

static bool load_entry(struct registry *registry, const char *name,
                       const struct sipp_prefix *prefix, struct error *error)
{
    struct sipp_prefix parent = {SIPP_ADDRESS_NONE, 0};
    enum sipp_kind kind = sipp_address_kind(prefix->address);
    if (kind == SIPP_MULTICAST || kind == SIPP_LOCAL_USE ||
        !parent_prefix(registry, name, &parent, NULL))
        return true;
    if (prefix->length <= parent.length || !sipp_prefix_contains(&parent, prefix->address))
        return error_set(error, ERROR_CONFLICT, "outside-parent",
                         "%s does not lie inside what its parent was assigned", name);
    const struct assignment *other = neighbour_in(registry, name, prefix);
    if (other != NULL)
        return error_set(error, ERROR_CONFLICT, "overlap", "%s overlaps %s", name, other->name);
    return store(registry, name, prefix, error);
}

bool registry_load(struct registry *registry, const struct names *names, struct error *error)
{
    struct sipp_prefix prefix;
    const char *name;
    for (size_t i = 0; (name = names_entry(names, i, &prefix)) != NULL; i++) {
        if (!load_entry(registry, name, &prefix, error))
            return false;
    }
    return true;
}

// The number whose `width` bits are those of `value` in mirror image: counting in `value` fills
// ones in from the left.
static uint64_t mirror(uint64_t value, unsigned width)
{
    uint64_t mirrored = 0;
    for (unsigned i = 0; i < width; i++)
        mirrored |= (value >> i & 1) << (width - 1 - i);
    return mirrored;
}

// The first number counted from the left (or, for nodes, from the right) that overlaps no
// neighbour.
static bool assign(struct registry *registry, const char *name, const struct sipp_prefix *parent,
                   unsigned width, bool from_left, struct sipp_prefix *prefix, struct error *error)
{
    unsigned length = parent->length + width;
    uint64_t last = width >= 63 ? UINT64_MAX >> 1 : (UINT64_C(1) << width) - 1;
    // Of NAMES_MAX neighbours each can spoil many numbers; past this many tries there is no room.
    uint64_t tries = last < UINT64_C(1) << 20 ? last : UINT64_C(1) << 20;
    for (uint64_t i = 1; i <= tries; i++) {
        uint64_t number = from_left ? mirror(i, width) : i;
        struct sipp_prefix candidate = {
            {parent->address.bits | number << (SIPP_ADDRESS_BITS - length)}, (uint8_t)length};
        if (neighbour_in(registry, name, &candidate) != NULL)
            continue;
        *prefix = candidate;
        return store(registry, name, &candidate, error);
    }
    return error_set(error, ERROR_LIMIT, "full", "no number of %u bits is left for %s", width,
                     name);
}

bool registry_add(struct registry *registry, const char *name, unsigned width,
                  struct sipp_prefix *prefix, struct error *error)
{
    struct sipp_prefix parent = {SIPP_ADDRESS_NONE, 0};
    if (!check_new(registry, name, error) || !parent_prefix(registry, name, &parent, error))
        return false;
    if (parent_length(name) == 0)
        width = REGISTRY_PROVIDER_WIDTH;
    unsigned room = SIPP_ADDRESS_BITS - parent.length;
    if (width == 0 || width > room)
        return error_set(error, ERROR_INPUT, "no-room",
                         "numbers below the parent of %s can have 1 to %u bits", name, room);
    return assign(registry, name, &parent, width, true, prefix, error);
}

bool registry_add_node(struct registry *registry, const char *name, struct sipp_prefix *prefix,
                       struct error *error)
{
    struct sipp_prefix parent = {SIPP_ADDRESS_NONE, 0};
    if (!check_new(registry, name, error) || !parent_prefix(registry, name, &parent, error))
        return false;
    unsigned room = SIPP_ADDRESS_BITS - parent.length;
    if (room == 0 || parent_length(name) == 0)
        return error_set(error, ERROR_INPUT, "no-room", "%s has no parent with room for nodes",
                         name);
    return assign(registry, name, &parent, room, false, prefix, error);
}

// True when an entry stands below `name`, directly or not.
static bool is_below(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '.';
}

bool registry_remove(struct registry *registry, const char *name, struct error *error)
{
    struct assignment *found = find(registry, name);
    if (found == NULL)
        return error_set(error, ERROR_NOT_FOUND, "unknown-name", "%s is not assigned", name);
    for (size_t i = 0; i < registry->count; i++) {
        if (is_below(registry->entries[i].name, name))
            return error_set(error, ERROR_CONFLICT, "has-children",
                             "%s is assigned below %s; give it back first",
                             registry->entries[i].name, name);
    }
    size_t place = (size_t)(found - registry->entries);
    memmove(found, found + 1, (registry->count - place - 1) * sizeof(*found));
    registry->count--;
    return true;
}

// A mask may shrink while the shorter prefix keeps all its ones, stays below its parent and meets
// no neighbour.
static unsigned shortest_mask(const struct registry *registry, const struct assignment *entry,
                              const struct sipp_prefix *parent)
{
    unsigned length = entry->prefix.length;
    while (length > parent->length + 1u) {
        struct sipp_prefix shorter = sipp_prefix_of(entry->prefix.address, length - 1);
        if (!sipp_address_equal(shorter.address, entry->prefix.address) ||
            neighbour_in(registry, entry->name, &shorter) != NULL)
            break;
        length--;
    }
    return length;
}

// A mask may grow while everything assigned below still lies inside, behind the mask.
static unsigned longest_mask(const struct registry *registry, const struct assignment *entry)
{
    unsigned longest = SIPP_ADDRESS_BITS;
    for (size_t i = 0; i < registry->count; i++) {
        const struct assignment *child = &registry->entries[i];
        if (!is_below(child->name, entry->name))
            continue;
        unsigned shared = sipp_common_bits(child->prefix.address, entry->prefix.address);
        if (shared > child->prefix.length - 1u)
            shared = child->prefix.length - 1u;
        if (shared < longest)
            longest = shared;
    }
    return longest;
}

bool registry_limits(const struct registry *registry, const char *name, unsigned *shortest,
                     unsigned *longest, struct error *error)
{
    const struct assignment *entry = find(registry, name);
    if (entry == NULL)
        return error_set(error, ERROR_NOT_FOUND, "unknown-name", "%s is not assigned", name);
    struct sipp_prefix parent = {SIPP_ADDRESS_NONE, 0};
    if (!parent_prefix(registry, name, &parent, error))
        return false;
    *shortest = shortest_mask(registry, entry, &parent);
    *longest = longest_mask(registry, entry);
    assert(*shortest <= entry->prefix.length && entry->prefix.length <= *longest);
    return true;
}

bool registry_set_mask(struct registry *registry, const char *name, unsigned length,
                       struct error *error)
{
    unsigned shortest = 0;
    unsigned longest = 0;
    if (!registry_limits(registry, name, &shortest, &longest, error))
        return false;
    if (length < shortest || length > longest)
        return error_set(
            error, ERROR_CONFLICT, "mask-limit",
            "the mask of %s can have %u to %u bits; beyond that addresses would change", name,
            shortest, longest);
    struct assignment *entry = find(registry, name);
    assert(entry != NULL);
    entry->prefix.length = (uint8_t)length;
    return true;
}
