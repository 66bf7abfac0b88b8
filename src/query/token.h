// SPDX-License-Identifier: BSD-2-Clause
// Tokens: proof that a querier receives at the address it sends from (docs/protocol.md, rule 7).
//
// A token is a keyed hash of the querier's endpoint and a period of time, so a server needs no
// memory to recognise one: the same in every message to that querier within a period, and only who
// receives there can know it.
#ifndef IVIP_QUERY_TOKEN_H
#define IVIP_QUERY_TOKEN_H

#include "base/address.h"
#include "base/hash.h"
#include "base/instant.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_PERIOD_SECONDS 300 // a token is good in the period it was made in and the next

// Makes tokens. It remembers the one it made last, since a request is checked and answered, and
// often followed by others, with the same token.
struct token_maker {
    struct hash_key key;
    struct endpoint endpoint;
    uint64_t period;
    uint64_t token; // of that endpoint and period; 0: none yet
};

// Never 0, which stands for "no token".
uint64_t address_token_make(struct token_maker *maker, struct instant now,
                            const struct endpoint *endpoint);
bool address_token_valid(struct token_maker *maker, struct instant now,
                         const struct endpoint *endpoint, uint64_t token);

#endif
