// SPDX-License-Identifier: BSD-2-Clause
// Assignment of addresses (overview appendix A, after RFC 1219): numbers are handed out from the
// left, nodes from the right, and the zeros between them belong to nobody yet.
//
//     0000000 C | 110000...0 | 0100..0 |  ...      0101 |
//               | provider   | subscr. |   zeros   node |
//               | ->         | ->      |             <- |
//
// So the mask of an assignment can later shrink (it takes over zeros on its left, where no
// neighbour has a one) or grow (it gives up zeros on its right, where none of its own children has
// a one) and no address ever changes, nor does the cluster address.
//
// An entry is a dotted name and a prefix; its parent is the name without the last word. Entries of
// one word are providers. The text form is a names file (sipp/lib/names.h).
#ifndef SIPP_LIB_REGISTRY_H
#define SIPP_LIB_REGISTRY_H

#include "sipp/lib/names.h"

#define REGISTRY_PROVIDER_START 8 // bits on the left that stay 0: the C-bit and 7 for growth
#define REGISTRY_PROVIDER_WIDTH 24

struct registry; // owns its entries

struct registry *registry_new(void);
void registry_free(struct registry *registry);

// Takes over what a names file assigned before. Entries must lie inside their parent and not
// overlap their neighbours ("overlap", "outside-parent"); multicast and local-use addresses and
// names whose parent has no entry are not assignments and are left out.
bool registry_load(struct registry *registry, const struct names *names, struct error *error);

// Assigns the next prefix from the left to `name`: providers (one word) get the next of the 24-bit
// provider IDs, others the next number of `width` bits behind their parent's mask. Zero is never
// assigned, it is the cluster address. Refuses "name-taken", "no-parent", "no-room", "full".
bool registry_add(struct registry *registry, const char *name, unsigned width,
                  struct sipp_prefix *prefix, struct error *error);
// Assigns the next whole address from the right, inside the parent of `name`, to a node.
bool registry_add_node(struct registry *registry, const char *name, struct sipp_prefix *prefix,
                       struct error *error);
// Gives an assignment back; refuses while it has children ("has-children").
bool registry_remove(struct registry *registry, const char *name, struct error *error);

// The shortest and the longest mask that `name` could have without changing any address.
bool registry_limits(const struct registry *registry, const char *name, unsigned *shortest,
                     unsigned *longest, struct error *error);
// Gives `name` a mask of `length` bits; refuses one outside the limits ("mask-limit").
bool registry_set_mask(struct registry *registry, const char *name, unsigned length,
                       struct error *error);

size_t registry_count(const struct registry *registry);
// The i-th entry in the order of assignment; NULL behind the last.
const char *registry_entry(const struct registry *registry, size_t i, struct sipp_prefix *prefix);

#endif
