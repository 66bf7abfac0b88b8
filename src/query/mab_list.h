// SPDX-License-Identifier: BSD-2-Clause
// The querier's half of "The set of MABs" (docs/protocol.md): learns the whole set from a query
// server, page by page, and follows its changes. ITRs know by it which packets are theirs, QSCs
// what they are asked about (docs/discovery.md; DRTM §2).
//
//     every LIST_POLL_MS        root as before: nothing to do
//          |                    another root
//          v                          |          one that is not held: asked for, up to
//     asks the server its root -------+--> page --> page ...     LIST_OPEN_MAX at a time
//                                     |                 |  all held, and the set makes sense
//                                     +-----------------+-----------------> version in force
//
// A page is what its name says, so nothing but the name of the root has to be believed, and only
// pages that differ from the version before are asked for. Each reply names the root that is in
// force at the server: a version that changes while it is fetched is noticed with the next reply.
// Until another version is there whole, the one before stays in force.
//
// A core without I/O.
#ifndef IVIP_QUERY_MAB_LIST_H
#define IVIP_QUERY_MAB_LIST_H

#include "base/address.h"
#include "base/instant.h"
#include "base/random.h"
#include "query/mab_index.h"
#include "query/mab_set.h"
#include "query/page_shelf.h"
#include "wire/page_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_SERVERS_MAX 16
#define LIST_OPEN_MAX    32    // pages asked for at a time
#define LIST_POLL_MS     2000  // between questions for the root
#define LIST_HURRY_MS    250   // least between them
#define LIST_LOST_MS     10000 // without any answer, the servers are lost
#define LIST_RETRY_MS    250   // after which a request is sent again, then doubling
#define LIST_TRIES_MAX   4     // then the server is left for the next
#define LIST_REST_MS     1000  // before the round of servers begins again; doubles
#define LIST_REST_MS_MAX 10000 // at most; and before a version that was refused is tried again

enum mab_list_event {
    MAB_LIST_VERSION, // another version is in force, or the one restored is confirmed
    MAB_LIST_LOST,    // no server answers for LIST_LOST_MS; what is in force stays
    MAB_LIST_FOUND,   // one answers again, or for the first time
};

struct mab_list_counters {
    uint64_t asked, repeated; // requests; of these sent again
    uint64_t pages;           // taken
    uint64_t versions;        // taken over
    uint64_t damaged;         // pages that are not what their name says, or no pages
    uint64_t refused;         // versions that make no sense as a whole
    uint64_t withheld;        // pages that the server which named them does not give
    uint64_t servers_lost;    // that left LIST_TRIES_MAX requests unanswered
    uint64_t dropped_malformed, dropped_source, dropped_nonce;
};

struct mab_list;

struct mab_list *mab_list_new(struct random_seed seed, struct instant now);
void mab_list_free(struct mab_list *list);

// Takes over a version that an earlier run kept, before any other: it is in force until a server
// tells another, but not confirmed (mab_list_confirmed). False where it makes no sense.
bool mab_list_restore(struct mab_list *list, const struct page_shelf *shelf);
// The servers to learn from, in order of preference; at most LIST_SERVERS_MAX are used, also none.
// The one in use stays in use where it is among them.
void mab_list_set_servers(struct mab_list *list, struct instant now, const struct endpoint *servers,
                          size_t count);

// Something was heard that does not agree with the set in force: the root is asked for soon, at the
// latest LIST_HURRY_MS after it was asked for last.
void mab_list_hurry(struct mab_list *list, struct instant now);

void mab_list_input(struct mab_list *list, struct instant now, const struct endpoint *from,
                    const uint8_t *bytes, size_t length);
// As for all cores; `buffer` has PAGE_MESSAGE_BYTES_MAX octets.
size_t mab_list_next_output(struct mab_list *list, struct instant now, struct endpoint *to,
                            uint8_t *buffer);
bool mab_list_next_event(struct mab_list *list, enum mab_list_event *event);
struct instant mab_list_next_deadline(const struct mab_list *list);
void mab_list_tick(struct mab_list *list, struct instant now);

// The version in force, empty before the first, and the one before it. Both until the next
// mab_list_input or mab_list_tick.
const struct mab_set *mab_list_set(const struct mab_list *list);
const struct mab_set *mab_list_set_before(const struct mab_list *list);
// Its root; page "" before the first version.
const struct mab_root *mab_list_root(const struct mab_list *list);
// Its pages, to be passed on. One holder; NULL before the first version, and while pages of another
// version are being fetched.
struct page_shelf *mab_list_shelf(struct mab_list *list);
// Whether a server has told that the version in force is that, and not only an earlier run.
bool mab_list_confirmed(const struct mab_list *list);
// Whether a server answers.
bool mab_list_answered(const struct mab_list *list);
// The server in use; NULL where there is none.
const struct endpoint *mab_list_server(const struct mab_list *list);
const struct mab_list_counters *mab_list_counters(const struct mab_list *list);
// Octets of memory for pages and sets.
size_t mab_list_memory(const struct mab_list *list);

#endif
