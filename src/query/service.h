// SPDX-License-Identifier: BSD-2-Clause
// The servers of one service, by DNS: its SRV records, and the addresses of their targets
// (docs/discovery.md, "Servers"; RFC 2782). A DSOC's QSAs are found so, and an ISP's QSRs.
//
//     SRV -> A, AAAA of target 1 -> A, AAAA of target 2 ... -> a new list -> (TTL) -> SRV ...
//
// A core without I/O, with one question open at a time. Nothing that DNS fails to say shortens the
// list: without an answer, or with one that is not validated, what is known goes on. (Where an
// operator says that a zone is not signed, answers that are not are taken; service_take_unsigned.)
#ifndef IVIP_QUERY_SERVICE_H
#define IVIP_QUERY_SERVICE_H

#include "base/address.h"
#include "base/instant.h"
#include "wire/dns_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_TARGETS_MAX   16 // of one service; those of lowest priority value count
#define SERVICE_ADDRESSES_MAX 4  // of one target and family

#define DNS_REFRESH_MS_MIN 5000    // however short a TTL
#define DNS_REFRESH_MS_MAX 3600000 // however long
#define DNS_RETRY_MS_FIRST 1000    // after a question without a good answer; doubles
#define DNS_RETRY_MS_MAX   300000  // at most

struct dns_question {
    char name[DNS_NAME_TEXT_MAX];
    enum dns_type type;
    bool of_service; // for the servers of DSOC number `owner`; set and read by discovery.c
    uint32_t owner;
};

enum dns_outcome {
    DNS_SECURE,   // validated, with records
    DNS_NOTHING,  // validated: there are no such records
    DNS_INSECURE, // not signed, or not below the trust anchor: refused
    DNS_BOGUS,    // signed, but wrong: refused
    DNS_FAILED,   // no answer
    DNS_OUTCOMES,
};

const char *dns_outcome_name(enum dns_outcome outcome);

struct dns_record {
    const uint8_t *bytes; // RDATA
    size_t length;
};

// What a resolver says to a question; borrowed for the call.
struct dns_answer {
    enum dns_outcome outcome;
    uint32_t ttl; // seconds
    size_t count;
    const struct dns_record *records; // only looked at where DNS_SECURE or DNS_INSECURE
};

struct service_server {
    struct endpoint endpoint;
    uint16_t priority;
};

struct service;

// `name` is that of the SRV records.
struct service *service_new(const char *name, struct instant now);
void service_free(struct service *service);

// From now on answers that are not signed count as if they were.
void service_take_unsigned(struct service *service);

// True, and the question, when one is to be asked now; it is then open until service_answer.
bool service_next_question(struct service *service, struct instant now,
                           struct dns_question *question);
// Whether that is the question that is open.
bool service_awaits(const struct service *service, const struct dns_question *question);
// The answer to the open question. True when the list of servers changed.
bool service_answer(struct service *service, struct instant now, const struct dns_answer *answer);
// When the next question is to be asked; INSTANT_NEVER while one is open.
struct instant service_deadline(const struct service *service);

// Number `i`, from 0 on, of the questions whose answers made the list of servers; false at the end.
bool service_question(const struct service *service, size_t i, struct dns_question *question);
// What is known was told some time ago: it is asked for again now. Only while no question is open.
void service_ask_again(struct service *service, struct instant now);

// The servers: `count` of them, until the next service_answer.
const struct service_server *service_servers(const struct service *service, size_t *count);
// How sure the list is.
enum service_state {
    SERVICE_UNKNOWN, // no round has ended yet
    SERVICE_DOUBTED, // something in the last round had no good answer
    SERVICE_SURE,    // DNS said all of it
};
enum service_state service_state(const struct service *service);
// How long to wait after that many failures in a row.
struct duration dns_back_off(unsigned failures);
// How long an answer with that TTL is good.
struct duration dns_refresh(uint32_t ttl);

#endif
