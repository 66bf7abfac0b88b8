// SPDX-License-Identifier: BSD-2-Clause
// The receiving end of fast push: runs the receiver core on a UDP socket, fetches what it asks for
// over HTTP, and keeps the databases of a QSA or full-database ITR in step.
#ifndef IVIP_NODE_PUSH_FEED_IN_H
#define IVIP_NODE_PUSH_FEED_IN_H

#include "mapping/database.h"
#include "node/config/config.h"
#include "node/node.h"
#include "push/receiver.h"

#include <stdbool.h>
#include <stddef.h>

// What the owner of the database is told, in the loop's thread. It must not call feed_in_close.
struct feed_in_handlers {
    void *state;
    // RECEIVER_APPLIED, RELOADED, READY, LOST or REMOVED; the database is as the event left it.
    void (*event)(void *state, const struct receiver_event *event);
    // The ETR prefixes that the RUASes refuse, all together, have changed.
    void (*refused)(void *state, const struct prefix *prefixes, size_t count);
    // What was heard by now is in the database, and was told. May be NULL.
    void (*heard)(void *state);
};

struct feed_in;

// Listens on config->feed and begins to load. RUASes that are listed several times with one key
// are one RUAS with several URLs, tried in turn. The database must stay until feed_in_close and
// changes only inside this feed.
struct feed_in *feed_in_open(struct node *node, const struct config_qsa *config,
                             struct database *database, const struct feed_in_handlers *handlers,
                             struct error *error);
// No handler is called and the database not touched any more when it returns.
void feed_in_close(struct feed_in *feed);

// Takes other URLs for the RUASes that it follows. False, and nothing changes, where the keys are
// others than before.
bool feed_in_set_urls(struct feed_in *feed, const struct config_qsa *config, struct error *error);

// True when each RUAS has named its MABs, and there is a copy in step of every one. Takes time in
// proportion to their number.
bool feed_in_complete(const struct feed_in *feed);
const struct receiver *feed_in_receiver(const struct feed_in *feed);
struct endpoint feed_in_local(const struct feed_in *feed);

void feed_in_write_metrics(const struct feed_in *feed, struct metrics_page *page);
// A new reference: for each RUAS epoch, sequence, age of the last payload; for each MAB sequence,
// hash, in step or not.
json_t *feed_in_status(const struct feed_in *feed);
// True when every MAB of every RUAS is in step and no RUAS is silent; otherwise `why` says what is
// missing.
bool feed_in_healthy(const struct feed_in *feed, char *why, size_t size);

#endif
