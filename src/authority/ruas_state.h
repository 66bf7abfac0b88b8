// SPDX-License-Identifier: BSD-2-Clause
// What is inside a struct ruas; only for ruas*.c. See ruas.h for what it does.
#ifndef IVIP_AUTHORITY_RUAS_STATE_H
#define IVIP_AUTHORITY_RUAS_STATE_H

#include "authority/ruas.h"

#include "authority/etr_policy.h"
#include "authority/throttle.h"
#include "base/random.h"
#include "mapping/mab_table.h"

struct master_mab {
    struct mapping *mapping;
    uint64_t sequence;
    struct wall_time changed;
};

// A set that may yet have to be taken back.
struct held {
    struct held *before; // the one held before it
    size_t mab;
    struct wall_time changed; // of the MAB, before this set
    size_t touched_count;
    struct range *touched; // owned
    size_t micronet_count;
    struct micronet *micronets; // owned: those in the touched ranges, before this set
};

struct ruas {
    struct random_source random;
    struct accounts accounts;
    struct delegation *delegation;
    struct schedule schedule;

    struct master_mab *mabs;
    size_t mab_count;
    struct mab_table *mab_table; // address -> number in `mabs`
    struct prefix *refused;
    struct etr_policy etr_policy;

    struct throttle *login_sources;
    struct throttle *login_users;
    struct throttle *commands;
    char decoy_password[PASSWORD_HASH_MAX];

    // The change under way: NULL, or what a prepare filled in.
    const struct change *pending;
    struct update_set updates;
    struct range touched[UPDATE_SET_MAX];
    size_t touched_count;
    struct micronet *old; // those in the touched ranges before the set; owned
    size_t old_count;
    size_t old_capacity;
    struct uab *pending_uabs[UPDATE_SET_MAX]; // those with a `pending` other than 0, perhaps
    size_t pending_uab_count;

    struct held *held; // the last one
    size_t held_count;
};

// Begins a change once nothing can refuse it any more: clears it and notes that it is under way.
void ruas_begin_change(struct ruas *ruas, struct change *change, enum change_kind kind,
                       struct wall_time time);

// The rules of a set that do not depend on what is mapped where (ruas_rules.c). Fills
// ruas->updates and `*mab`.
bool ruas_check_set(struct ruas *ruas, const struct grant *grant, struct command_set *set,
                    size_t *mab, size_t *failed, struct error *error);
// Checks and applies a set, without the limit of commands a minute; fills the fields of a
// CHANGE_SET (ruas_set.c). Refuses one that touches more than `touched_max` micronets. How many it
// touched, or looked at, is then ruas->old_count.
bool ruas_apply_set(struct ruas *ruas, const struct grant *grant, struct command_set *set,
                    uint64_t touched_max, struct change *change, size_t *failed,
                    struct error *error);
// What commit and abort do for a CHANGE_SET.
void ruas_commit_set(struct ruas *ruas, const struct change *change);
void ruas_abort_set(struct ruas *ruas, const struct change *change);
// The next micronet that begins in the range, which cuts none, from `*from` on; `*from` is then
// behind it. False at the end.
bool ruas_next_micronet(const struct mapping *mapping, const struct range *range, uint64_t *from,
                        struct micronet *found);
// Micronets that begin in the range.
uint64_t ruas_count_micronets(const struct ruas *ruas, const struct range *range);
// Counts the commands of a request against the user's limit.
bool ruas_count_commands(struct ruas *ruas, const struct ruas_request *request,
                         struct error *error);

#endif
