// SPDX-License-Identifier: BSD-2-Clause
// For tests of query servers in threads: a MAB whose mappings change, and queriers on sockets who
// remember what they were told under which nonce, and acknowledge what they are told of changes.
#ifndef IVIP_TESTS_NODE_QUERIERS_H
#define IVIP_TESTS_NODE_QUERIERS_H

#include "base/address.h"
#include "base/random.h"
#include "mapping/database.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE         0x14000000u // 20.0.0.0
#define MICRONETS    64          // of one address each, from BASE on
#define QUERIERS_MAX 24
#define CHANGES      4 // a round

// 20.0.0.0/8 and its master copy.
struct space {
    struct prefix mab;
    struct database *database; // owned
    struct random_source random;
};

void space_open(struct space *space);
void space_close(struct space *space);
// A mapping of all micronets: to the ETRs that `like` has, or to random ones (NULL). The caller's.
struct mapping *space_mapping(struct space *space, const struct mapping *like);
// Gives some micronet another ETR in the database, and says which update that was.
struct update space_change(struct space *space);

// What a querier believes under a nonce.
struct belief {
    enum { ASKED, TOLD, NOTHING } state; // NOTHING: refused, or flushed since
    uint32_t micronet;
    struct address etr;
};

struct queriers {
    struct space *space; // borrowed
    size_t count;
    int sockets[QUERIERS_MAX];
    uint64_t tokens[QUERIERS_MAX];
    uint64_t nonce;         // the last one used; they begin at 1
    struct belief *beliefs; // by nonce
    size_t room;            // for beliefs
    uint64_t replies;       // first ones
    uint64_t refused;       // of these
    uint64_t updates;
};

// `count` queriers of that server, with room for `questions`.
void queriers_open(struct queriers *queriers, struct space *space, size_t count, size_t questions,
                   const struct endpoint *server);
void queriers_close(struct queriers *queriers);
// One of them asks, for an address or a random micronet.
void queriers_ask_for(struct queriers *queriers, size_t querier, uint32_t address);
void queriers_ask(struct queriers *queriers, size_t querier);
// Takes all that has come.
void queriers_hear(struct queriers *queriers);
// Takes what comes until that is so; the test fails when it does not get so.
void queriers_hear_until(struct queriers *queriers, bool (*done)(const struct queriers *));
// Each asks until it is told something, so that its token is known.
void queriers_meet(struct queriers *queriers);

// Whether every question was answered.
// Most questions were answered: nobody here asks a second time, and a server's queue holds so many.
bool queriers_abreast(const struct queriers *queriers);
bool queriers_answered(const struct queriers *queriers);
// Whether all that was ever told is what is true, or was flushed.
bool queriers_know(const struct queriers *queriers);

#endif
