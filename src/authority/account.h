// SPDX-License-Identifier: BSD-2-Clause
// Accounts: the end users of this RUAS and their tokens.
//
// A user proves who they are with a password, which is slow on purpose (argon2id), or with a
// token: 32 random bytes, shown once when it is made and kept only as a digest. A token may do less
// than its user: only read, only change mappings, only inside one range, only until a time. What
// somebody proved to be allowed to do is a `struct grant`; everything behind the front door works
// from it (fast-push §3.7: "the end-user network's credentials").
//
//     users  (by name)    -> user  { name, password hash }
//     tokens (by digest)  -> token { digest, user, scope, only, expires }
#ifndef IVIP_AUTHORITY_ACCOUNT_H
#define IVIP_AUTHORITY_ACCOUNT_H

#include "base/error.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/list.h"
#include "base/random.h"
#include "base/range.h"
#include "base/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_NAME_MAX      64         // with the final NUL
#define OPERATOR_NAME      "operator" // in the audit trail; no user may have it, and so read it
#define PASSWORD_MIN       8          // characters
#define PASSWORD_MAX       256        // octets; argon2id of more is somebody wasting our time
#define PASSWORD_HASH_MAX  128 // libsodium's text form of an argon2id hash, with the final NUL
#define TOKEN_SECRET_BYTES 32
#define TOKEN_DIGEST_BYTES 32
#define TOKEN_TEXT_MAX     49 // "ivip_", 43 characters of base64url and the final NUL
#define TOKEN_ID_MAX       17 // 16 hexadecimal digits and the final NUL

// What a token may be used for; each includes those before it.
enum token_scope {
    SCOPE_READ = 1, // see micronets
    SCOPE_MAP = 2,  // change the ETR of existing micronets: what a multihoming monitor needs
    SCOPE_ALL = 3,  // change boundaries too, and schedule sets
};

struct token_digest {
    uint8_t bytes[TOKEN_DIGEST_BYTES];
};

struct user {
    struct table_node node;
    char name[USER_NAME_MAX];
    char password[PASSWORD_HASH_MAX]; // argon2id, text form
    struct wall_time created;
    size_t uabs;      // delegated to them
    size_t tokens;    // that they have
    size_t scheduled; // sets of theirs that wait for their time
};

struct token {
    struct table_node node;
    struct token_digest digest; // BLAKE2b-256 of the secret
    char user[USER_NAME_MAX];
    enum token_scope scope;
    bool limited;      // `only` counts
    struct range only; // commands and answers stay inside this range
    struct wall_time created;
    struct wall_time expires; // 0: never
    struct wall_time used;    // last; 0: never
    struct list_node unsaved; // in accounts.unsaved while `used` is newer than what was stored
};

// What a caller has proved to be allowed to do. Holds no pointers: users and tokens may be removed
// while a request is under way.
struct grant {
    char user[USER_NAME_MAX];
    enum token_scope scope;
    bool limited;
    struct range only;
    bool by_token; // `token` counts; otherwise by password
    struct token_digest token;
    struct wall_time expires; // of the token; 0: never
};

struct accounts {
    struct table users;
    struct table tokens;
    struct list_node unsaved; // tokens whose last use is not stored yet
    struct hash_key key;
};

void accounts_init(struct accounts *accounts, struct random_source *random);
void accounts_release(struct accounts *accounts);

// 1 to 63 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit; not OPERATOR_NAME.
bool user_name_check(const char *name, struct error *error);
// PASSWORD_MIN to PASSWORD_MAX octets.
bool password_check(const char *password, struct error *error);

struct user *accounts_user(const struct accounts *accounts, const char *name);
// The user must not be there yet.
struct user *accounts_add_user(struct accounts *accounts, const struct user *user);
// Takes the user and all their tokens out. `user` is freed.
void accounts_remove_user(struct accounts *accounts, struct user *user);

struct token *accounts_token(const struct accounts *accounts, const struct token_digest *digest);
// By the id that token_print_id gives; NULL where there is none.
struct token *accounts_token_by_id(const struct accounts *accounts, const char *id);
// Its user must be there, the token must not.
struct token *accounts_add_token(struct accounts *accounts, const struct token *token);
// Notes that it was used.
void accounts_use_token(struct accounts *accounts, struct token *token, struct wall_time time);
void accounts_remove_token(struct accounts *accounts, struct token *token);
bool token_has_expired(const struct token *token, struct wall_time time);

// Walk all, in no order: start with NULL; NULL at the end.
struct user *accounts_next_user(const struct accounts *accounts, const struct user *user);
struct token *accounts_next_token(const struct accounts *accounts, const struct token *token);

// Makes a token's secret: its text for the user, and the digest that is kept.
void token_make(struct random_source *random, char text[TOKEN_TEXT_MAX],
                struct token_digest *digest);
// The digest of a token as its user wrote it; false where it cannot be one.
bool token_parse(const char *text, struct token_digest *digest);
// A name for a token that is no secret: the first octets of its digest, in hexadecimal.
const char *token_print_id(const struct token_digest *digest, char buffer[TOKEN_ID_MAX]);

// "read", "map", "all".
const char *token_scope_name(enum token_scope scope);
bool token_scope_parse(const char *text, enum token_scope *scope, struct error *error);

#endif
