// SPDX-License-Identifier: BSD-2-Clause
// Scheduled sets: commands that wait for their time (fast-push §4.3: "a time in the future the
// update should be executed ... stored by RUAS-X").
//
//     waiting --(its time has come, valid)----> executed
//        |  \---(its time has come, refused)--> refused, with the reason
//        \------(its user thought better)-----> cancelled
//
// What a set may do is decided again when it is executed: UABs, tokens and micronets may have
// changed since. Ended sets stay to be looked at until SCHEDULED_ENDED_MAX newer ones of the same
// user have ended.
#ifndef IVIP_AUTHORITY_SCHEDULE_H
#define IVIP_AUTHORITY_SCHEDULE_H

#include "authority/account.h"
#include "authority/command.h"
#include "authority/user_lists.h"
#include "base/heap.h"
#include "base/instant.h"
#include "base/list.h"
#include "base/random.h"
#include "base/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULED_ENDED_MAX 100                    // ended sets remembered for each user
#define SCHEDULED_DAYS_MAX  366                    // how far ahead a set can be scheduled
#define SCHEDULED_MS_MAX    (UINT64_MAX / 1000000) // no `at` is as late: nanoseconds have 64 bits

enum scheduled_state {
    SCHEDULED_WAITING = 1,
    SCHEDULED_EXECUTED = 2,
    SCHEDULED_REFUSED = 3,
    SCHEDULED_CANCELLED = 4,
};

struct scheduled {
    uint64_t id; // 1, 2, 3 ...; never used again
    char user[USER_NAME_MAX];
    struct grant grant;     // with which it was scheduled
    struct address from;    // by whom
    struct wall_time made;  // when it was handed in
    struct wall_time at;    // when it is to be executed
    struct wall_time ended; // when it was executed, refused or cancelled; 0 while waiting
    enum scheduled_state state;
    uint64_t sequence;             // executed: the set's number in its MAB
    char reason[ERROR_REASON_MAX]; // refused: why, in a word
    char text[ERROR_TEXT_MAX];     // refused: why, in a sentence
    struct command_set *set;       // owned by the schedule once it is in
    struct heap_node due;          // in schedule.waiting while it waits
    struct list_node all;          // in schedule.all, oldest first
    struct list_node of_user;      // in the list of its user, oldest first
    struct table_node numbered;    // in schedule.by_id
};

// The sets of a user are found without looking at others', and so is the one of an id: at midnight
// everybody's sets are due at once.
struct schedule {
    struct heap waiting;
    struct list_node all;
    struct table by_id;
    struct user_lists of_users;
    uint64_t next_id;
};

void schedule_init(struct schedule *schedule, struct random_source *random);
void schedule_release(struct schedule *schedule);

// Takes in a copy of `scheduled`, and its commands with it. Its id must be new.
struct scheduled *schedule_add(struct schedule *schedule, const struct scheduled *scheduled);
struct scheduled *schedule_find(const struct schedule *schedule, uint64_t id);
// The set to be executed next, whether its time has come or not; NULL when none waits.
struct scheduled *schedule_first(const struct schedule *schedule);
// The next in the order they came, NULL at the end; start with NULL.
struct scheduled *schedule_next(const struct schedule *schedule, const struct scheduled *scheduled);
// The same of one user's sets.
struct scheduled *schedule_next_of(const struct schedule *schedule, const char *user,
                                   const struct scheduled *scheduled);
// Notes how it ended (state, ended, sequence, reason and text of `outcome`).
void schedule_end(struct schedule *schedule, struct scheduled *scheduled,
                  const struct scheduled *outcome);
// Takes it out and frees it with its commands.
void schedule_remove(struct schedule *schedule, struct scheduled *scheduled);
// The ended set of that user to forget when one more ends; NULL while there is room.
struct scheduled *schedule_oldest_ended(const struct schedule *schedule, const char *user);

// "waiting", "executed", "refused", "cancelled".
const char *scheduled_state_name(enum scheduled_state state);

#endif
