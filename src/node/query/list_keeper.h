// SPDX-License-Identifier: BSD-2-Clause
// Keeps the set of MABs that query servers told over restarts, in STATE/mabs-ROLE.list
// (docs/discovery.md, "The set of MABs from a query server"). A worker writes it.
#ifndef IVIP_NODE_QUERY_LIST_KEEPER_H
#define IVIP_NODE_QUERY_LIST_KEEPER_H

#include "node/node.h"
#include "query/page_shelf.h"

#define LIST_KEPT_SECONDS_MAX     (7 * 86400) // how old it may be to be used
#define LIST_KEPT_REFRESH_SECONDS 3600        // how exactly the file says when it was confirmed

struct list_keeper;

struct list_keeper *list_keeper_open(struct node *node, const char *role);
// NULL does nothing.
void list_keeper_close(struct list_keeper *keeper);

// What an earlier run kept: one holder; NULL where there is nothing, or nothing to be used, which
// is logged.
struct page_shelf *list_keeper_load(struct list_keeper *keeper);
// A server has just said that the version with that root is in force. True where it is to be saved:
// it is another one than that on disk, or was confirmed too long ago.
bool list_keeper_wants(const struct list_keeper *keeper, const struct mab_root *root);
// Saves that version. Takes over a holder.
void list_keeper_save(struct list_keeper *keeper, struct page_shelf *shelf);

#endif
