// SPDX-License-Identifier: BSD-2-Clause
// Who asks the RUAS of the simulated world for changes, as far as it acknowledged them: users,
// their UABs, tokens and scheduled sets.
#ifndef IVIP_SIM_NODES_PEOPLE_H
#define IVIP_SIM_NODES_PEOPLE_H

#include "authority/ruas.h"
#include "sim/nodes/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;

#define WORLD_USERS    4
#define WORLD_UABS     6
#define WORLD_NO_TOKEN SIZE_MAX // in place of a token's number: the password is used

struct world_uab {
    struct range range;
    size_t user; // WORLD_USERS: nobody has it
};

struct world_token {
    char text[TOKEN_TEXT_MAX];
    struct token_digest digest;
    size_t user;
    enum token_scope scope;
    bool limited;
    struct range only;
    struct wall_time expires; // 0: never
    bool revoked;
};

struct world_scheduled {
    uint64_t id;
    size_t user;
    struct wall_time at;
    enum scheduled_state state;
};

struct world_people {
    struct world_uab uabs[WORLD_UABS];
    size_t token_count;
    struct world_token *tokens; // all that there ever were
    size_t scheduled_with;      // the token that a set was scheduled with last
    size_t scheduled_count;
    struct world_scheduled *scheduled;
};

void world_people_begin(struct world *world);
void world_people_release(struct world *world);
const char *world_user_name(size_t user);
// Something of theirs was acknowledged.
void world_people_note(struct world *world, const struct disk_record *record);
// A set made at random from a number, an act of the operator, and what a scenario asks for: the
// RUAS is up.
void world_people_change(struct world *world, uint64_t number);
void world_people_administer(struct world *world, uint64_t number);
void world_people_map(struct world *world, const struct range *range, const struct address *etr);

#endif
