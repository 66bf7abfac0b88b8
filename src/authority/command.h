// SPDX-License-Identifier: BSD-2-Clause
// Commands: what an end user asks for (the UMUC of fast-push §3.7), and how it becomes updates.
//
// A command speaks of whole micronets and says what the user sees; an update is the smallest step
// that the mapping engine and the wire know. One command becomes one or more updates:
//
//     map     R to E                  map R E
//     define  R to E                  define R E
//     split   R into R1, R2, ... Rn   split R at R2, split R2..Rn at R3, ... (n-1 updates)
//     join    R1, ... Rn              join R1..Rn
//     delete  R                       delete R
//
// Commands of one set are executed in order, but as if at once.
#ifndef IVIP_AUTHORITY_COMMAND_H
#define IVIP_AUTHORITY_COMMAND_H

#include "base/error.h"
#include "base/range.h"
#include "mapping/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_SET_MAX   UPDATE_SET_MAX // commands in one set
#define COMMAND_PARTS_MAX UPDATE_SET_MAX // ranges that one split makes or one join takes

enum command_kind {
    COMMAND_MAP = 1,
    COMMAND_DEFINE = 2,
    COMMAND_SPLIT = 3,
    COMMAND_JOIN = 4,
    COMMAND_DELETE = 5,
};

struct command {
    enum command_kind kind;
    struct range
        micronet;        // map, define, split, delete; join: all of it, filled in by command_check
    struct address etr;  // map, define; FAMILY_NONE is zero
    struct range *parts; // split: what it becomes; join: what is joined. Owned by the set
    size_t part_count;
};

// A set of commands, in order. Owns everything in it.
struct command_set {
    struct command *commands;
    size_t count;
};

struct command_set *command_set_new(void);
void command_set_free(struct command_set *set);
// Adds an empty command of that kind, to be filled by the caller; NULL when the set is full.
// Valid until the next is added.
struct command *command_set_add(struct command_set *set, enum command_kind kind);
// Adds a part to a split or join; false when it has COMMAND_PARTS_MAX.
bool command_add_part(struct command *command, const struct range *part);

// "map", "define", ...
const char *command_kind_name(enum command_kind kind);
bool command_kind_parse(const char *text, enum command_kind *kind, struct error *error);

// Checks what can be said of a command without looking at any database: parts in order, touching,
// of one family, and together the micronet. Sorts the parts and fills in a join's micronet.
bool command_check(struct command *command, struct error *error);

// The updates of a set whose commands passed command_check.
struct update_set {
    struct update updates[UPDATE_SET_MAX];
    uint16_t command[UPDATE_SET_MAX]; // which command of the set each update comes from
    size_t count;
};

// Fills `updates`. False where there would be more than UPDATE_SET_MAX; `*failed` is then the
// command that did not fit.
bool command_set_translate(const struct command_set *set, struct update_set *updates,
                           size_t *failed, struct error *error);

#endif
