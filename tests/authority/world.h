// SPDX-License-Identifier: BSD-2-Clause
// A small RUAS to test: MABs 20.0.0.0/14 and 2001:db8::/32, users anna and ben with a UAB of each
// family, and short ways to send it commands.
#ifndef IVIP_TESTS_AUTHORITY_WORLD_H
#define IVIP_TESTS_AUTHORITY_WORLD_H

#include "../check.h"
#include "authority/ruas.h"

#define ANNA_UAB  "20.1.0.0/24"
#define ANNA_UAB6 "2001:db8:0:40::/60"
#define BEN_UAB   "20.1.1.0-20.1.1.99"
#define ETR1      "198.18.3.1"
#define ETR2      "198.18.4.1"
#define ETR6      "2001:2::1"

// Time goes by hand.
struct world {
    struct ruas *ruas;
    struct instant now;
    struct wall_time time;
    struct change change; // the last prepared
    struct error error;   // of the last refusal
    size_t failed;
};

struct world *world_new(void);
// A RUAS of these MABs (ended by NULL) without users.
struct world *world_with(const char *const *mabs);
void world_free(struct world *world);
void world_sleep(struct world *world, uint64_t seconds);

struct range world_range(const char *text);
struct address world_address(const char *text); // "zero" too
struct grant world_grant(const char *user);

void world_add_user(struct world *world, const char *name);
void world_add_uab(struct world *world, const char *range, const char *user,
                   uint64_t micronets_max);

// A set, written as "map 20.1.0.0/28 198.18.3.1; split 20.1.0.0/28 20.1.0.0/29 20.1.0.8/29; ...".
struct command_set *world_set(const char *text);
// Prepares the set; true where it was accepted and waits for commit or abort.
bool world_prepare(struct world *world, const struct grant *grant, const char *set);
// Prepares and commits.
bool world_do(struct world *world, const char *user, const char *set);
void world_must(struct world *world, const char *user, const char *set);
// Must be refused for this reason, with `says` in the sentence, and change nothing.
void world_refused(struct world *world, const char *user, const char *set, const char *reason,
                   const char *says);
// All micronets of MAB number 0, as "20.1.0.0/28>198.18.3.1 20.1.0.16/28>zero".
const char *world_micronets(const struct world *world);

#endif
