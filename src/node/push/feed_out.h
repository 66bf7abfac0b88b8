// SPDX-License-Identifier: BSD-2-Clause
// The sending end of fast push in a RUAS: runs the sender core, sends its payloads to every feed,
// keeps snapshots, and serves all of it over HTTP.
#ifndef IVIP_NODE_PUSH_FEED_OUT_H
#define IVIP_NODE_PUSH_FEED_OUT_H

#include "mapping/mapping.h"
#include "node/config/config.h"
#include "node/node.h"
#include "node/push/public_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where the RUAS's own databases are. Mapping and sequence of a MAB always belong together. When
// feed_out_new is called they are durable; later they may be ahead of what was.
struct feed_source {
    void *state;
    size_t (*mab_count)(void *state);
    const struct mapping *(*mapping)(void *state, size_t i);
    uint64_t (*sequence)(void *state, size_t i); // of the last set in it
    const struct config_prefixes *refused;       // ETR prefixes refused
};

struct feed_out;

// Writes the first snapshots, listens on config->public_listen and begins to send. `epoch` is above
// that of every start before.
struct feed_out *feed_out_new(struct node *node, const struct config_ruas *config,
                              const struct feed_source *source, uint64_t epoch,
                              struct error *error);
// Sends a set that is durable now: the next of its MAB.
void feed_out_set(struct feed_out *feed, const struct prefix *mab, uint64_t mab_sequence,
                  const struct update *updates, size_t count);
// Takes over `feeds`, `snapshot_every` and `refuse` of a new config, which must stay.
void feed_out_reload(struct feed_out *feed, const struct config_ruas *config);
// Takes usage reports at the public server.
void feed_out_set_usage(struct feed_out *feed, public_take *take, void *state);
// Closes everything; the source is not used any more when it returns.
void feed_out_stop(struct feed_out *feed);

// Where HTTP is served.
struct endpoint feed_out_public(const struct feed_out *feed);
void feed_out_write_metrics(const struct feed_out *feed, struct metrics_page *page);
// A new reference: epoch, sequence, feeds, counters.
json_t *feed_out_status(const struct feed_out *feed);

#endif
