// SPDX-License-Identifier: BSD-2-Clause
// The shell of the MAB list: learns the set of MABs from the query servers that an ITR or a QSC
// asks, over a socket of its own (query/mab_list.h).
#ifndef IVIP_NODE_QUERY_LIST_CLIENT_H
#define IVIP_NODE_QUERY_LIST_CLIENT_H

#include "node/metrics.h"
#include "node/node.h"
#include "query/mab_list.h"
#include "query/querier.h"

struct list_client;

// `changed` is called, from the loop, for each event of the list. `role` is a constant.
struct list_client *list_client_open(struct node *node, const char *role,
                                     void (*changed)(void *state, enum mab_list_event event),
                                     void *state, struct error *error);
// Keeps what servers tell over restarts, and takes over what an earlier run kept; to be called
// once, before there are servers.
void list_client_keep(struct list_client *client);
// NULL does nothing.
void list_client_close(struct list_client *client);
// The servers to learn from, in order of preference.
void list_client_set_servers(struct list_client *client, const struct querier_server *servers,
                             size_t count);
void list_client_set_endpoints(struct list_client *client, const struct endpoint *servers,
                               size_t count);

// The set of MABs may be another one by now; see mab_list_hurry.
void list_client_hurry(struct list_client *client);
// The core, for what it knows; to be changed by the client only.
struct mab_list *list_client_list(struct list_client *client);

void list_client_write_metrics(const struct list_client *client, struct metrics_page *page);
// A new reference to a JSON object.
json_t *list_client_status(const struct list_client *client);

#endif
