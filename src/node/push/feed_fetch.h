// SPDX-License-Identifier: BSD-2-Clause
// Fetches what a receiver asks for (directories, payloads, snapshots) over HTTP, makes of it what
// the receiver takes, and hands that over. Directories and snapshots, which may take long to check,
// are read in a worker.
#ifndef IVIP_NODE_PUSH_FEED_FETCH_H
#define IVIP_NODE_PUSH_FEED_FETCH_H

#include "node/node.h"
#include "push/receiver.h"

#include <stdbool.h>
#include <stddef.h>

// A RUAS and where it can be reached: the URL that was of use last is tried first.
struct feed_ruas {
    struct public_key key;
    size_t url_count;
    const char **urls;
};

// What came of a fetch; which fields count depends on `event.kind`.
struct feed_fetched {
    struct receiver_event event;       // what was asked for
    const struct directory *directory; // NULL: failed
    enum fetch_result result;          // payloads
    const uint8_t *bytes;
    size_t length;
    struct snapshot_info info;
    struct mapping *mapping; // NULL: failed; taken over
};

// Called once for each fetch, in the loop's thread. True: it was of use.
typedef bool feed_fetched(void *state, const struct feed_fetched *fetched);

struct feed_fetcher;

// `ruas` must stay until feed_fetcher_stop.
struct feed_fetcher *feed_fetcher_new(struct node *node, const struct feed_ruas *ruas,
                                      size_t ruas_count, feed_fetched *fetched, void *state);
// Cancels everything; nothing is handed over any more.
void feed_fetcher_stop(struct feed_fetcher *fetcher);
// Fetches what an event of kind RECEIVER_FETCH_... asks for.
void feed_fetcher_get(struct feed_fetcher *fetcher, const struct receiver_event *event);

#endif
