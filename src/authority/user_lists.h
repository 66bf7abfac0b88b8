// SPDX-License-Identifier: BSD-2-Clause
// What each user has, by the user's name: a list for everyone who has something, found without
// looking at others'. Whoever uses it knows what the nodes are part of, and in which order they
// are.
#ifndef IVIP_AUTHORITY_USER_LISTS_H
#define IVIP_AUTHORITY_USER_LISTS_H

#include "base/hash.h"
#include "base/list.h"
#include "base/random.h"
#include "base/table.h"

struct user_lists {
    struct table lists;
    struct hash_key key;
};

void user_lists_init(struct user_lists *lists, struct random_source *random);
// Every node must have left.
void user_lists_release(struct user_lists *lists);

// The list of a user, made where there is none, for a node to be put into it at once: an empty one
// is only given up when a node leaves it. It is owned by `lists`.
struct list_node *user_lists_open(struct user_lists *lists, const char *user);
// Takes a node out of the list of its user. A list goes with its last node.
void user_lists_leave(struct user_lists *lists, const char *user, struct list_node *node);
// The node behind another of the same user; the first for NULL. NULL at the end.
struct list_node *user_lists_next(const struct user_lists *lists, const char *user,
                                  const struct list_node *node);

#endif
