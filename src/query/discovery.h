// SPDX-License-Identifier: BSD-2-Clause
// Finding all MABs, and the QSAs of each, through DNS (docs/discovery.md; DRTM §2 to §3.2).
//
//     root --> pages --> the set of MABs --> DSOCs --> servers of each
//      ^                                                   |
//      +------------- again when their TTLs end -----------+
//
// A core without I/O: it says what to ask, takes what a validating resolver answers, and keeps the
// table of MABs. What DNS does not say, or says without a good signature, changes nothing: the core
// goes on with what it has and asks again, later each time.
#ifndef IVIP_QUERY_DISCOVERY_H
#define IVIP_QUERY_DISCOVERY_H

#include "base/instant.h"
#include "base/random.h"
#include "mapping/mab_table.h"
#include "query/page_shelf.h"
#include "query/service.h"
#include "wire/mab_page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISCOVERY_DSOCS_MAX 1024
#define DISCOVERY_OPEN_MAX  64 // questions at once

#define DISCOVERY_DOMAIN_MAX 160 // characters, so that every name below it fits

enum discovery_event_kind {
    DISCOVERY_MAB_ADDED,
    DISCOVERY_MAB_REMOVED, // also before one comes back with another DSOC
    DISCOVERY_SERVERS,     // the servers of a DSOC changed
    DISCOVERY_VERSION,     // the set of MABs is another now; all its changes were told before
};

struct discovery_event {
    enum discovery_event_kind kind;
    struct prefix mab; // added, removed
    uint32_t dsoc;     // servers: its number, below DISCOVERY_DSOCS_MAX
};

struct discovery_counters {
    uint64_t asked;
    uint64_t answers[DNS_OUTCOMES];
    uint64_t damaged;   // pages that are not what their name says, or no pages
    uint64_t refused;   // versions that make no sense as a whole
    uint64_t versions;  // taken over
    uint64_t confirmed; // times that the root named the version in force, or one taken over
};

// A place in the walk of discovery_next_used; all zeros at its begin.
struct discovery_place {
    bool root_told;
    bool pages_told;
    const struct table_node *page;
    size_t dsoc;
    size_t step;
};

struct discovery;

// `domain` without a final dot, such as "ivip.example"; at most DISCOVERY_DOMAIN_MAX characters.
struct discovery *discovery_new(const char *domain, struct random_seed seed, struct instant now);
void discovery_free(struct discovery *discovery);

// The next question to ask; false where there is none now, or DISCOVERY_OPEN_MAX are open.
bool discovery_next_question(struct discovery *discovery, struct instant now,
                             struct dns_question *question);
// The answer to a question that is open.
void discovery_answer(struct discovery *discovery, struct instant now,
                      const struct dns_question *question, const struct dns_answer *answer);
bool discovery_next_event(struct discovery *discovery, struct discovery_event *event);
// When discovery_next_question will have one.
struct instant discovery_deadline(const struct discovery *discovery);

// Walks the questions whose answers made what is known now: who keeps these answers can give them
// to another discovery some time later, as a resolver would. False at the end.
bool discovery_next_used(const struct discovery *discovery, struct discovery_place *place,
                         struct dns_question *question);
// What is known came from answers that were kept: asks for all of it again now, and counts from
// nothing. Only while no question is open.
void discovery_ask_again(struct discovery *discovery, struct instant now);

// All MABs known, by the number of their DSOC. Changes when an answer completes another version.
const struct mab_table *discovery_mabs(const struct discovery *discovery);
// The servers of a DSOC, and its label; NULL where there is none with that number.
const struct service_server *discovery_servers(const struct discovery *discovery, uint32_t dsoc,
                                               size_t *count);
const char *discovery_label(const struct discovery *discovery, uint32_t dsoc);
// The name of the page that stands for the set of MABs in force; "" before the first.
const char *discovery_page(const struct discovery *discovery);
// The pages of that set, for others who ask. One holder; to be called when DISCOVERY_VERSION was
// told and nothing was answered since.
struct page_shelf *discovery_shelf(struct discovery *discovery);
// Prefixes that no ETR may be in: `count` of them, until the next version.
const struct prefix *discovery_refused(const struct discovery *discovery, size_t *count);
const struct discovery_counters *discovery_counters(const struct discovery *discovery);

#endif
