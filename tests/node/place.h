// SPDX-License-Identifier: BSD-2-Clause
// A RUAS with its store in a directory of its own, without a node around it.
#ifndef IVIP_TESTS_PLACE_H
#define IVIP_TESTS_PLACE_H

#include "../authority/world.h"
#include "node/authority/master.h"

struct place {
    char directory[64];
    struct world *world; // MABs 20.0.0.0/14 and 2001:db8::/32; time goes by hand
    struct master master;
};

// A fresh directory below /tmp with users anna (UABs 20.1.0.0/24 and 2001:db8:0:40::/60) and ben
// (20.1.1.0-20.1.1.99).
void place_make(struct place *place);
// The users and UABs of place_make.
void place_populate(struct place *place);
// Opens what is in place->directory, as a start does.
void place_open(struct place *place);
void place_close(struct place *place);
void place_remove(struct place *place);
// The same for cmocka, whose state is the place.
int place_set_up(void **state);
int place_tear_down(void **state);
// As a restart.
void place_reopen(struct place *place);

// Stores and commits the change that world_prepare and the like left in world->change.
bool place_commit(struct place *place);
// A set of a user's, from prepare to commit; false where it was refused or not stored.
bool place_do(struct place *place, const char *user, const char *set);
void place_must(struct place *place, const char *user, const char *set);
// As place_do, but holds the set, for a master_settle to come.
bool place_hold(struct place *place, const char *user, const char *set);
// Holds up to `most` random sets of anna's; how many were good.
size_t place_hold_random(struct place *place, struct random_source *random, size_t most);
// A random set of anna's in 20.1.0.0/24; many are refused.
bool place_do_random(struct place *place, struct random_source *random);
// The state of MAB number 0, by its running hash.
struct mapping_hash place_hash(const struct place *place);
void place_expect(const struct place *place, struct mapping_hash hash);
// The state that the journal's sets up to `stop` make of an empty MAB number 0.
struct mapping_hash place_replay(const struct place *place, uint64_t stop);

#endif
