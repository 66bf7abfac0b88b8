// SPDX-License-Identifier: BSD-2-Clause
// Where an ITR or a QSC finds the query servers that it asks: below the domain of its own network
// (docs/discovery.md, "Finding upstreams"; DRTM §2; RFC 6763).
//
//     _ivip-qsc._udp.isp.example  SRV    an ITR's, where the network has QSCs
//     _ivip-qsr._udp.isp.example  SRV    a QSC's; and an ITR's where there are none
//
// A core without I/O. DNS that is silent, or whose answers are refused, takes nothing away: the
// servers known stay in use, also those that the owner remembers from an earlier run.
#ifndef IVIP_QUERY_LOCATOR_H
#define IVIP_QUERY_LOCATOR_H

#include "query/choice.h"
#include "query/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOCATOR_SERVERS_MAX CHOICE_MEMBERS_MAX // the first by priority, then address, are used

// Where the servers in use come from.
enum locator_source {
    LOCATOR_NONE,       // there are none
    LOCATOR_REMEMBERED, // an earlier run; DNS has not told any yet
    LOCATOR_QSC,
    LOCATOR_QSR,
};

struct locator_config {
    const char *domain; // without a final dot; at most DISCOVERY_DOMAIN_MAX characters; copied
    bool asks_qscs;     // an ITR: QSCs come before QSRs
    bool take_unsigned; // answers without signature count
};

struct locator_counters {
    uint64_t asked;
    uint64_t answers[DNS_OUTCOMES];
};

struct locator;

struct locator *locator_new(const struct locator_config *config, struct instant now);
void locator_free(struct locator *locator);
// The servers that an earlier run used; only before the first question. At most
// LOCATOR_SERVERS_MAX are kept.
void locator_remember(struct locator *locator, const struct service_server *servers, size_t count);

// The next question to ask, which is then open; false where there is none now.
bool locator_next_question(struct locator *locator, struct instant now,
                           struct dns_question *question);
// The answer to a question that is open. True when the servers in use, or where they come from,
// changed.
bool locator_answer(struct locator *locator, struct instant now,
                    const struct dns_question *question, const struct dns_answer *answer);
// When locator_next_question will have one.
struct instant locator_deadline(const struct locator *locator);

// The servers in use, by priority, until the next locator_answer.
const struct service_server *locator_servers(const struct locator *locator, size_t *count);
enum locator_source locator_source(const struct locator *locator);
const char *locator_source_name(enum locator_source source);
const struct locator_counters *locator_counters(const struct locator *locator);

#endif
