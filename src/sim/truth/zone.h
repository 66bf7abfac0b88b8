// SPDX-License-Identifier: BSD-2-Clause
// The zone by which QSRs find the QSAs (docs/discovery.md): every version of it that was ever
// published, and what an authoritative server with one of them answers.
//
//     MABs 20.1.0.0/24, 2001:db8:20::/48 (those of the world's RUAS), and others that come and go,
//          so many that the index has several pages
//     DSOCs dsoc1, dsoc2, dsoc3, each with some of the world's QSAs
//     the ISP isp.example, which names QSRs and QSCs for its ITRs; in the same zone, for simplicity
#ifndef IVIP_SIM_TRUTH_ZONE_H
#define IVIP_SIM_TRUTH_ZONE_H

#include "base/address.h"
#include "base/random.h"
#include "query/service.h"
#include "wire/mab_page_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_DOMAIN      "ivip.example"
#define ZONE_DSOCS       3
#define ZONE_MABS        96 // the first MASTER_MABS are the master's
#define ZONE_QSAS_MAX    8
#define ZONE_ISP         "isp.example"
#define ZONE_ISP_MAX     16 // QSRs and QSCs
#define ZONE_RECORDS_MAX ZONE_ISP_MAX
#define ZONE_UNLISTED    ZONE_DSOCS // in place of a DSOC: the MAB is in nobody's hands

struct zone_version {
    uint8_t dsoc[ZONE_MABS];                    // of each MAB, or ZONE_UNLISTED
    bool refuses;                               // lists a prefix that no ETR may be in, too
    bool named[ZONE_DSOCS][ZONE_QSAS_MAX];      // which QSAs serve a DSOC
    uint8_t renamed[ZONE_DSOCS][ZONE_QSAS_MAX]; // how often they got another name
    bool hidden[ZONE_ISP_MAX];                  // QSRs and QSCs that the ISP does not name
    struct mab_pages pages;
};

// A QSR or QSC.
struct zone_caching_server {
    struct endpoint endpoint;
    bool qsc;
};

struct zone {
    size_t qsa_count;
    struct endpoint qsas[ZONE_QSAS_MAX];
    size_t isp_count;
    struct zone_caching_server isp[ZONE_ISP_MAX];
    struct prefix mabs[ZONE_MABS];
    struct prefix refused; // by the versions that refuse, and by QSAs
    struct mab_pages
        site; // what QSAs tell those who ask them: the master's MABs and what is refused
    size_t version_count;
    struct zone_version *versions; // by age, the last is in force
};

// What a server says to a question: the records' octets lie in `bytes`.
struct zone_reply {
    size_t count;
    struct dns_record records[ZONE_RECORDS_MAX];
    uint8_t bytes[ZONE_RECORDS_MAX][MAB_PAGE_BYTES_MAX];
};

// The first version: both MABs of the master are listed, every DSOC has all QSAs, and the ISP names
// none yet.
void zone_init(struct zone *zone, const struct endpoint *qsas, size_t qsa_count);
// The ISP names one more, from the first version on.
void zone_add_caching_server(struct zone *zone, const struct endpoint *endpoint, bool qsc);
void zone_release(struct zone *zone);

const struct zone_version *zone_now(const struct zone *zone);
// Publishes another version: a change made at random from a number.
void zone_change(struct zone *zone, uint64_t number);
// A MAB goes to a DSOC (or ZONE_UNLISTED).
void zone_move(struct zone *zone, size_t mab, size_t dsoc);
// A QSA is named for a DSOC, or withdrawn.
void zone_name(struct zone *zone, size_t qsa, size_t dsoc, bool named);
// All MABs of the master are listed again, every DSOC has a QSA, and the ISP names all.
void zone_heal(struct zone *zone);

// DNS_SECURE with records, or DNS_NOTHING.
enum dns_outcome zone_answer(const struct zone *zone, size_t version,
                             const struct dns_question *question, struct zone_reply *reply);
// The newest version whose set of MABs is that page; SIZE_MAX where none is.
size_t zone_with_page(const struct zone *zone, const char *page);
// Whether ITRs of the ISP ask that server: it is named, and a QSC where any of these is.
bool zone_serves_itrs(const struct zone *zone, const struct zone_version *version, size_t server);
// "dsoc1" and following.
const char *zone_label(size_t dsoc);
// The DSOC with that label, or ZONE_DSOCS.
size_t zone_dsoc(const char *label);

#endif
