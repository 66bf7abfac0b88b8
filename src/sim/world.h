// SPDX-License-Identifier: BSD-2-Clause
// A simulated Ivip: a RUAS and its feed, QSAs, QSRs, a QSC level and ITRs, all the shipping cores,
// in a network that goes wrong, with an attacker in it (docs/simulator.md).
//
//     RUAS --payloads--> QSA <--- QSR <--- QSC <--- ITR <-- packets
//          <---HTTP-----     <-------------------- ITR
//
// A config says everything that happens: one made from a seed by world_config_random, or read from
// a scenario file. What befalls the world is a list of events, so that any of them can be left out
// (sim/shrink.h).
#ifndef IVIP_SIM_WORLD_H
#define IVIP_SIM_WORLD_H

#include "base/range.h"
#include "query/querier.h"
#include "query/service.h"
#include "sim/engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WORLD_SERVERS_MAX 8 // QSAs; twice as many QSRs and QSCs together
#define WORLD_ITRS_MAX    16
#define WORLD_NODES_MAX   (3 * WORLD_SERVERS_MAX + WORLD_ITRS_MAX)
#define WORLD_NAME_MAX    24
#define WORLD_RUAS        (SIZE_MAX - 1) // the RUAS, where an event names a node

enum world_role { WORLD_QSA, WORLD_QSR, WORLD_QSC, WORLD_ITR };

struct world_node {
    enum world_role role;
    bool discovers; // a QSR finds its QSAs by DNS, a QSC or ITR its QSRs or QSCs; no upstreams then
    bool old;       // it knows no extension of Cache Updates, and steps over them
    bool configured; // an ITR's MABs are in its config; else its query servers tell them
    char name[WORLD_NAME_MAX];
    size_t upstream_count;
    size_t
        upstreams[QUERIER_UPSTREAMS_MAX]; // nodes of a lower role, or QSCs before; none for a QSA
};

// A path with conditions of its own.
struct world_link {
    size_t from, to;
    struct path_conditions conditions;
};

enum world_event_kind {
    WORLD_CHANGE,  // number: a set of commands made at random from it arrives at the RUAS
    WORLD_MAP,     // range, address: as its owner would, the micronet is defined or mapped
    WORLD_PACKET,  // node: an ITR gets a packet to address
    WORLD_CRASH,   // node: all its memory is lost; it starts again after `length`
    WORLD_CUT,     // node, other, both: the path carries nothing for `length`
    WORLD_MISSTEP, // node: a QSA falls out of step for `length`; only with the ideal feed
    WORLD_CLOCK,   // the wall clock of the RUAS jumps by step_ms
    WORLD_ADMIN,   // number: an act of the RUAS's operator, or of a user about tokens
    WORLD_POWER,   // node: the RUAS or an ITR crashes while it stores next, for `length`
    WORLD_DISK,    // node: the disk of the RUAS or an ITR is full for `length`
    WORLD_ZONE,    // number: a change of the zone made at random from it
    WORLD_MOVE,    // range, number: a MAB goes to the DSOC of that number; 0: to none
    WORLD_NAME,    // node, number, both: a QSA is named for a DSOC from 1 on; else withdrawn
    WORLD_DNS,     // outcome: DNS answers nothing but that for `length`
    WORLD_MUTE,    // node, other, both: alive messages on the path are lost for `length`
};

struct world_event {
    enum world_event_kind kind;
    struct duration at, length;
    size_t node, other;
    bool both;
    uint64_t number;
    int64_t step_ms;
    enum dns_outcome outcome;
    struct range range;
    struct address address;
};

// What is checked: bits of `unchecked` leave something out (docs/simulator.md).
enum world_check {
    WORLD_CHECK_COPIES = 1,
    WORLD_CHECK_AGE = 2,
    WORLD_CHECK_FORWARDING = 4,
    WORLD_CHECK_TELLING = 8,
    WORLD_CHECK_VICTIM = 16,
    WORLD_CHECK_ANSWERS = 32,
    WORLD_CHECK_RECOVERY = 64,
    WORLD_CHECK_AUTHORITY = 128,
    WORLD_CHECK_DISCOVERY = 256,
    WORLD_CHECK_USAGE = 512,
};

// DNS, where QSRs discover.
struct world_dns_conditions {
    struct duration delay; // of an answer, at most; several of them where names are asked for
    struct duration lag;   // until a secondary server has a new version of the zone, at most
    struct duration ttl;   // of all records
    uint32_t lost;         // answers, in parts of a million
};

struct world_config {
    uint64_t seed;
    size_t node_count;
    struct world_node nodes[WORLD_NODES_MAX]; // QSAs first, then QSRs, QSCs, ITRs
    struct path_conditions paths;             // of all paths
    struct world_link *links;                 // those that differ
    size_t link_count;
    bool ideal_feed; // sets reach QSAs without fast push, after a lag
    struct world_dns_conditions dns;
    struct duration feed_lag;     // with the ideal feed: the longest lag
    struct duration caching_time; // of QSAs
    struct duration ask_every;    // packets to each ITR, on average; 0: only events
    struct duration attack_every; // 0: no attacker
    struct duration update_every; // Cache Updates from a server to one querier at first; 0: pace.h
    uint32_t update_burst;        // so many at once; 0: pace.h
    size_t told_max;              // limits of each server
    size_t cached_max;            // of each QSR, QSC and ITR
    struct duration length;       // then faults end, and all must be well again
    struct world_event *events;
    size_t event_count;
    unsigned unchecked;

    // For tests of the simulator itself.
    struct duration bound_for_test; // not 0: allowed age, to see that the check can fail
    bool fault_for_test;            // the world has a fault: ITRs hear no updates after a cut
};

// How often events of a kind happen, on average; 0: never.
struct world_rates {
    struct duration change, crash, cut, misstep, clock, admin, power, disk, zone, dns;
};

// What a run saw.
struct world_report {
    bool failed;
    enum world_check broken; // which check
    char failure[256];       // which invariant broke, where and how
    struct instant ended;
    uint64_t changes, questions, answered, failed_questions;
    uint64_t datagrams, updates, crashes, cuts, attacks;
    uint64_t packets, tunnelled;
    uint64_t payloads, payload_sets, fetches, reloads, clock_steps;
    uint64_t zones, versions, dns_answers, dns_failures; // published; taken over by QSRs
    uint64_t lists, pages; // sets of MABs taken over from query servers; Page Replies sent
    uint64_t passed;       // packets that went on as they came: in no MAB that was told
    uint64_t reports;      // of usage, made
    uint64_t muted;        // alive messages lost
    uint64_t refused, scheduled, taken_back, power_cuts; // sets; turns; crashes within a sync
    struct duration stalest;      // longest that an ITR believed what had been replaced
    struct duration bound;        // longest that was allowed
    struct duration feed_stalest; // longest that a QSA's copy lacked a change
};

// A config made at random from a seed: from calm to hostile, small to large.
struct world_config world_config_random(uint64_t seed);
void world_config_release(struct world_config *config);
// The caller's own copy.
struct world_config world_config_copy(const struct world_config *config);
void world_add_event(struct world_config *config, const struct world_event *event);
// Adds events at random from the config's seed, over its length.
void world_add_random_events(struct world_config *config, const struct world_rates *rates);
size_t world_count(const struct world_config *config, enum world_role role);
// False, with the error filled, where nodes, upstreams, links or events do not fit together.
bool world_config_check(const struct world_config *config, struct error *error);

// Runs it. Where `trace` is not NULL and an invariant breaks, what led to it is written there.
struct world_report world_run(const struct world_config *config, FILE *trace);
// The same, and the trace is always written.
struct world_report world_run_traced(const struct world_config *config, FILE *trace);
void world_config_print(const struct world_config *config, FILE *file);

#endif
