// SPDX-License-Identifier: BSD-2-Clause
// What receiver.c (what comes in) and receiver_events.c (what follows from it) share.
#ifndef IVIP_PUSH_RECEIVER_STATE_H
#define IVIP_PUSH_RECEIVER_STATE_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "push/receiver.h"
#include "push/replica.h"
#include "push/subscription.h"
#include "push/suspicion.h"

struct receiver {
    struct database *database; // the caller's
    size_t buffer_max;         // of one subscription
    struct random_source random;
    struct hash_key hash_key;
    struct suspicion suspicion;
    struct subscription *subscriptions;
    size_t subscription_count;
    struct list_node active;  // subscriptions that something happened to
    struct heap timers;       // all others, by when something is due
    struct table by_prefix;   // replicas
    struct list_node changed; // replicas whose owner is to be told something
    struct heap stales;       // replicas not ready, by when their old copy may answer no more
    struct receiver_counters counters;
};

struct replica *receiver_find(const struct receiver *receiver, const struct prefix *mab);
struct replica *receiver_add_replica(struct receiver *receiver, const struct prefix *mab,
                                     struct subscription *subscription);
// Takes it out of everything; it is freed once RECEIVER_REMOVED was told.
void receiver_remove_replica(struct receiver *receiver, struct replica *replica);

// Something happened to this subscription: the next events are looked for there.
void receiver_activate(struct receiver *receiver, struct subscription *subscription);
// The owner may have to be told something of this replica.
void receiver_changed(struct receiver *receiver, struct replica *replica);
// After anything that was done with a replica: wants a snapshot where it needs one, starts or ends
// the time that an old copy may still answer.
void receiver_follow_up(struct receiver *receiver, struct instant now, struct replica *replica,
                        enum replica_outcome outcome);
// True when queries for that MAB may be answered from its copy now.
bool receiver_may_answer(const struct receiver *receiver, struct instant now,
                         const struct replica *replica);

#endif
