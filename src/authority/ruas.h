// SPDX-License-Identifier: BSD-2-Clause
// The RUAS core: the master database of its MABs, and the front door to it
// (fast-push §3.5-3.8, §4.3; arch §2.10, §2.11, §2.17).
//
// What a mapping change is, from the user's command to the packet that carries it to the world:
//
//     who (struct grant)    what (struct command_set)
//              \              /
//               ruas_prepare             refuses, or applies the set to the master in memory and
//                    |                   says what is to be stored (struct change)
//               the shell stores it      one durable transaction
//              /             \                                                      .
//      ruas_commit        ruas_abort     stored: the set has its number and is
//           |                  |         acknowledged, and the push side sends it;
//     acknowledged         refused       not stored: the master is as it was before
//
// So nothing is acknowledged that a crash could lose, and nothing refused leaves a trace. All other
// durable changes (users, UABs, tokens, scheduled sets) take the same three steps. One change is
// under way at a time: between a prepare that returned true and its commit or abort nothing else
// may be called but functions that only read. A dry run is a prepare that is always aborted.
//
// Syncing a disk takes as long for one set as for a hundred. So that many can share one durable
// transaction, a set can be held instead of committed: the next is then prepared on top of it, and
// in the end all that are held are settled, or all taken back (ruas_hold).
//
// Rules that a set must keep, in the order in which they are checked, with the `reason` of the
// error:
//
//     too-many-commands                the user's commands a minute, refused ones counted, and the
//                                      micronets they touch
//     empty-set, set-too-large         1 to UPDATE_SET_MAX updates
//     bad-parts, too-few-parts         split and join name what touches
//     scope, outside-token             what the token may do
//     not-your-mab, several-mabs       one MAB, of this RUAS
//     not-your-uab, outside-your-uab   each range in one UAB of the user
//     etr-not-global, etr-inside-mab,  where ITRs can and may tunnel to (etr_policy.h)
//     etr-refused
//     (those of mapping.h)             exactly a micronet; zero before it is split, joined or
//                                      deleted; nothing defined over mapped space
//     too-many-micronets               the UAB's limit
#ifndef IVIP_AUTHORITY_RUAS_H
#define IVIP_AUTHORITY_RUAS_H

#include "authority/account.h"
#include "authority/command.h"
#include "authority/delegation.h"
#include "authority/schedule.h"
#include "base/address.h"
#include "base/error.h"
#include "base/instant.h"
#include "base/random.h"
#include "base/range.h"
#include "mapping/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMANDS_MINUTE_MAX     6000 // commands a user may send a minute, refused ones too
#define TOUCHED_A_COMMAND       100  // micronets that a set touches which count as a command more
#define SCHEDULED_WAITING_MAX   100  // sets of one user that wait
#define TOKENS_USER_MAX         64   // tokens of one user
#define LOGIN_SOURCE_FAILURES   10   // wrong passwords from one source before it must wait
#define LOGIN_SOURCE_REFILL_S   6    // seconds until it may fail once more
#define LOGIN_USER_FAILURES     30   // wrong passwords for one name, from wherever
#define LOGIN_USER_REFILL_S     4    // seconds until one more is taken
#define LOGIN_THROTTLE_KEYS_MAX 65536

struct ruas_config {
    const struct prefix *mabs; // copied
    size_t mab_count;
    const struct prefix *refused; // ETR prefixes refused besides those always refused; copied
    size_t refused_count;
    char decoy_password[PASSWORD_HASH_MAX]; // a hash nobody knows the password of, of the same
                                            // cost as those of users
};

struct ruas;

struct ruas *ruas_new(const struct ruas_config *config, struct random_seed seed,
                      struct error *error);
void ruas_free(struct ruas *ruas);
// Takes over another list of refused ETR prefixes (a reload of the config). Copied.
void ruas_set_refused(struct ruas *ruas, const struct prefix *refused, size_t count);

// --- the master database -------------------------------------------------------------------------

size_t ruas_mab_count(const struct ruas *ruas);
// Of MAB number 0 .. ruas_mab_count-1, in the order of the config.
const struct mapping *ruas_mapping(const struct ruas *ruas, size_t mab);
// That of the MAB that holds all of the range; NULL where none does.
const struct mapping *ruas_mapping_of(const struct ruas *ruas, const struct range *range);
// The number of the last set of this MAB: it never repeats; 0 before the first.
uint64_t ruas_sequence(const struct ruas *ruas, size_t mab);
// When that set was acknowledged; 0 where that was before this start.
struct wall_time ruas_changed(const struct ruas *ruas, size_t mab);
const struct accounts *ruas_accounts(const struct ruas *ruas);
const struct delegation *ruas_delegation(const struct ruas *ruas);
const struct schedule *ruas_schedule(const struct ruas *ruas);

// --- changes -------------------------------------------------------------------------------------

enum change_kind {
    CHANGE_USER_ADD = 1,
    CHANGE_USER_PASSWORD,
    CHANGE_USER_REMOVE, // with all their tokens and scheduled sets
    CHANGE_UAB_ADD,
    CHANGE_UAB_REMOVE,
    CHANGE_TOKEN_ADD,
    CHANGE_TOKEN_REVOKE,
    CHANGE_SCHEDULE_ADD,
    CHANGE_SCHEDULE_END,
    CHANGE_SET, // the mapping of a MAB
};

// What is to be stored, and what ruas_commit then makes true. Pointers in it belong to the core and
// are valid until the next prepare.
struct change {
    enum change_kind kind;
    struct wall_time time;
    struct user user;   // user add (all), user password (name, password), user remove (name)
    struct uab uab;     // UAB add and remove
    struct token token; // token add (all), token revoke (digest)
    bool replaces;      // token add: `expired`, one of the same user, goes to make room
    struct token_digest expired;

    // schedule add and end, and a CHANGE_SET that executes a scheduled set (id is 0 in others).
    // Of an end: id, state, ended, sequence, reason, text; `forget` is an older ended set to
    // delete, or 0.
    struct scheduled scheduled;
    uint64_t forget;

    // CHANGE_SET
    size_t mab;                   // number of the MAB
    uint64_t sequence;            // the number this set takes
    const struct update *updates; // in order
    size_t update_count;
    const struct range *touched; // in order, apart: no micronet outside them changed, and none
    size_t touched_count;        // reaches across their edges, neither before nor after
};

// Ends the change under way. Commit cannot fail. Of a schedule add, commit takes over the commands.
void ruas_commit(struct ruas *ruas, const struct change *change);
void ruas_abort(struct ruas *ruas, const struct change *change);

// Group commit. Ends a CHANGE_SET that executes no scheduled set as a commit does, but so that it
// can be taken back with all held before and after it. Until then nobody may be told of it.
void ruas_hold(struct ruas *ruas, const struct change *change);
// How many are held.
size_t ruas_held(const struct ruas *ruas);
// They were stored: they are committed.
void ruas_settle(struct ruas *ruas);
// They could not be stored: the master is as it was before the first of them.
void ruas_take_back(struct ruas *ruas);

// --- commands ------------------------------------------------------------------------------------

struct ruas_request {
    struct grant grant;
    struct address from;     // who asks, for the record
    struct command_set *set; // checked and put in order in place; stays the caller's
    struct instant now;
    struct wall_time time;
};

// Checks a set against all rules and applies it. On false nothing has changed, and `*failed` is the
// command that broke a rule (the count of the set where it is the set as a whole).
bool ruas_prepare(struct ruas *ruas, const struct ruas_request *request, struct change *change,
                  size_t *failed, struct error *error);

// Whether the user has anything left of COMMANDS_MINUTE_MAX: asked before a request of theirs costs
// work. False with "too-many-commands".
bool ruas_check_limit(struct ruas *ruas, const char *user, struct instant now, struct error *error);
// Counts other work for a user as so many commands, or what is left.
void ruas_count_work(struct ruas *ruas, const char *user, struct instant now, size_t commands);

// Puts a set aside to be executed at a time that is yet to come. Checked now: everything that does
// not depend on what is mapped where.
bool ruas_prepare_schedule(struct ruas *ruas, const struct ruas_request *request,
                           struct wall_time at, struct change *change, size_t *failed,
                           struct error *error);
// Takes a waiting set back; `user` must own it.
bool ruas_prepare_cancel(struct ruas *ruas, const char *user, uint64_t id, struct wall_time time,
                         struct change *change, struct error *error);
// When the next scheduled set is due; UINT64_MAX ms: none waits.
struct wall_time ruas_next_due(const struct ruas *ruas);
// Executes or refuses the next scheduled set. False when none is due; true with a CHANGE_SET or,
// when it was refused, a CHANGE_SCHEDULE_END that says why.
bool ruas_prepare_due(struct ruas *ruas, struct wall_time time, struct change *change);

// --- administration, by the RUAS's operator ------------------------------------------------------

// `password_hash` is an argon2id hash in libsodium's text form.
bool ruas_prepare_user_add(struct ruas *ruas, const char *name, const char *password_hash,
                           struct wall_time time, struct change *change, struct error *error);
// Gives a user another password. Their tokens and scheduled sets stay as they are.
bool ruas_prepare_user_password(struct ruas *ruas, const char *name, const char *password_hash,
                                struct wall_time time, struct change *change, struct error *error);
// Refused while UABs are delegated to the user.
bool ruas_prepare_user_remove(struct ruas *ruas, const char *name, struct wall_time time,
                              struct change *change, struct error *error);
// `micronets_max` 0: UAB_MICRONETS_DEFAULT.
bool ruas_prepare_uab_add(struct ruas *ruas, const struct range *range, const char *user,
                          uint64_t micronets_max, struct wall_time time, struct change *change,
                          struct error *error);
// Refused while there are micronets in it, unless `force`: then they stay as they are, and nobody
// can change them until the space is delegated again.
bool ruas_prepare_uab_remove(struct ruas *ruas, const struct range *range, bool force,
                             struct wall_time time, struct change *change, struct error *error);

// --- tokens --------------------------------------------------------------------------------------

struct token_request {
    const char *user;
    enum token_scope scope;
    bool limited;
    struct range only;
    struct wall_time expires; // 0: never
    struct wall_time time;
};

// Makes a token; `text` is its secret, to be shown once, after the commit. Where the user has as
// many as there may be, one that has expired makes room.
bool ruas_prepare_token_add(struct ruas *ruas, const struct token_request *request,
                            char text[TOKEN_TEXT_MAX], struct change *change, struct error *error);
// `user` must own it; NULL: the operator revokes.
bool ruas_prepare_token_revoke(struct ruas *ruas, const char *user, const char *id,
                               struct wall_time time, struct change *change, struct error *error);

// --- logging in ----------------------------------------------------------------------------------

// A password check under way. Verifying argon2id takes tens of milliseconds, so the shell does it
// in another thread: crypto_pwhash_str_verify(login.password_hash, ...). An unknown user gets the
// hash of nobody's password, so that both take the same time and get the same answer.
struct login {
    char user[USER_NAME_MAX];
    struct address from;
    char password_hash[PASSWORD_HASH_MAX];
    bool known;
};

// False when this source or this name has failed too often lately (reason "too-many-logins").
bool ruas_login_begin(struct ruas *ruas, struct instant now, const char *user,
                      const struct address *from, struct login *login, struct error *error);
// `matches`: what the verification said. Fills `grant`, or refuses with "wrong-credentials".
bool ruas_login_end(struct ruas *ruas, const struct login *login, bool matches, struct grant *grant,
                    struct error *error);
// Checks a token; "wrong-credentials" where it is unknown, revoked or expired.
bool ruas_login_token(struct ruas *ruas, struct wall_time time, const char *text,
                      struct grant *grant, struct error *error);
// A token whose last use is not stored yet, for the shell to store now and then; NULL: none.
const struct token *ruas_next_used_token(struct ruas *ruas);

// --- start ---------------------------------------------------------------------------------------

// Puts back what was stored, before anything else is called: users, then UABs and tokens, then
// scheduled sets as changes of the kinds that made them; micronets in order, as many at a time as
// the shell likes; then the sequence of each MAB. False: what was stored contradicts itself.
bool ruas_restore(struct ruas *ruas, const struct change *change, struct error *error);
bool ruas_restore_micronets(struct ruas *ruas, size_t mab, const struct micronet *micronets,
                            size_t count, struct error *error);
void ruas_restore_sequence(struct ruas *ruas, size_t mab, uint64_t sequence);
// After the last: counts micronets of UABs.
void ruas_restore_done(struct ruas *ruas, uint64_t next_scheduled);

#endif
