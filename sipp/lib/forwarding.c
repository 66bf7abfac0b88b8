// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/forwarding.h"

#include "base/memory.h"

#include <assert.h>

struct branch {
    struct sipp_prefix prefix;
    bool filled; // has a next hop; without one it only joins its two children
    struct next_hop next_hop;
    struct branch *children[2];
};

struct forwarding {
    struct branch *root;
    size_t count;
};

struct forwarding *forwarding_new(void)
{
    return memory_new(sizeof(struct forwarding));
}

// Depth is at most 65, so recursion is bounded.
static void free_branch(struct branch *branch)
{
    if (branch == NULL)
        return;
    free_branch(branch->children[0]);
    free_branch(branch->children[1]);
    memory_free(branch);
}

void forwarding_free(struct forwarding *table)
{
    if (table == NULL)
        return;
    free_branch(table->root);
    memory_free(table);
}

size_t forwarding_count(const struct forwarding *table)
{
    return table->count;
}

// Which child of a branch of `length` bits an address lies under.
static unsigned side(struct sipp_address address, unsigned length)
{
    assert(length < SIPP_ADDRESS_BITS);
    return (unsigned)(address.bits >> (SIPP_ADDRESS_BITS - 1 - length) & 1);
}

static struct branch *branch_new(struct sipp_prefix prefix)
{
    struct branch *branch = memory_new(sizeof(*branch));
    branch->prefix = prefix;
    return branch;
}

// The link (in the parent or the root) where the branch of `prefix` hangs or would have to.
static struct branch **place_of(struct branch **link, const struct sipp_prefix *prefix)
{
    while (*link != NULL && (*link)->prefix.length < prefix->length &&
           sipp_prefix_contains(&(*link)->prefix, prefix->address))
        link = &(*link)->children[side(prefix->address, (*link)->prefix.length)];
    return link;
}

// Hangs a new branch for `prefix` at `link`, above or beside what hangs there.
static struct branch *insert(struct branch **link, const struct sipp_prefix *prefix)
{
    struct branch *below = *link;
    struct branch *made = branch_new(*prefix);
    *link = made;
    if (below == NULL)
        return made;
    unsigned shared = sipp_common_bits(prefix->address, below->prefix.address);
    if (shared >= prefix->length) {
        made->children[side(below->prefix.address, prefix->length)] = below;
        return made;
    }
    struct branch *fork = branch_new(sipp_prefix_of(prefix->address, shared));
    fork->children[side(prefix->address, shared)] = made;
    fork->children[side(below->prefix.address, shared)] = below;
    *link = fork;
    return made;
}

void forwarding_set(struct forwarding *table, const struct sipp_prefix *prefix,
                    struct next_hop next_hop)
{
    assert(prefix->length <= SIPP_ADDRESS_BITS);
    assert((prefix->address.bits & ~sipp_mask(prefix->length)) == 0);
    struct branch **link = place_of(&table->root, prefix);
    struct branch *branch = *link;
    if (branch == NULL || !sipp_prefix_equal(&branch->prefix, prefix))
        branch = insert(link, prefix);
    if (!branch->filled)
        table->count++;
    branch->filled = true;
    branch->next_hop = next_hop;
}

// Takes an empty branch with at most one child out.
static void prune(struct branch **link)
{
    struct branch *branch = *link;
    if (branch == NULL || branch->filled ||
        (branch->children[0] != NULL && branch->children[1] != NULL))
        return;
    *link = branch->children[branch->children[0] == NULL];
    memory_free(branch);
}

bool forwarding_remove(struct forwarding *table, const struct sipp_prefix *prefix)
{
    struct branch **parent = NULL;
    struct branch **link = &table->root;
    while (*link != NULL && (*link)->prefix.length < prefix->length &&
           sipp_prefix_contains(&(*link)->prefix, prefix->address)) {
        parent = link;
        link = &(*link)->children[side(prefix->address, (*link)->prefix.length)];
    }
    struct branch *branch = *link;
    if (branch == NULL || !branch->filled || !sipp_prefix_equal(&branch->prefix, prefix))
        return false;
    branch->filled = false;
    assert(table->count > 0);
    table->count--;
    prune(link);
    if (parent != NULL)
        prune(parent);
    return true;
}

const struct next_hop *forwarding_look_up(const struct forwarding *table,
                                          struct sipp_address address)
{
    const struct next_hop *best = NULL;
    const struct branch *branch = table->root;
    while (branch != NULL && sipp_prefix_contains(&branch->prefix, address)) {
        if (branch->filled)
            best = &branch->next_hop;
        if (branch->prefix.length == SIPP_ADDRESS_BITS)
            break;
        branch = branch->children[side(address, branch->prefix.length)];
    }
    return best;
}

const struct next_hop *forwarding_get(const struct forwarding *table,
                                      const struct sipp_prefix *prefix)
{
    struct branch *root = table->root;
    const struct branch *branch = *place_of(&root, prefix);
    bool found = branch != NULL && branch->filled && sipp_prefix_equal(&branch->prefix, prefix);
    return found ? &branch->next_hop : NULL;
}

static void walk(const struct branch *branch, forwarding_visit *visit, void *state)
{
    if (branch == NULL)
        return;
    if (branch->filled)
        visit(state, &branch->prefix, &branch->next_hop);
    walk(branch->children[0], visit, state);
    walk(branch->children[1], visit, state);
}

void forwarding_walk(const struct forwarding *table, forwarding_visit *visit, void *state)
{
    walk(table->root, visit, state);
}
