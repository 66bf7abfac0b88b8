// SPDX-License-Identifier: BSD-2-Clause
// A random internet, and what must hold in every one.
//
// Providers form a random connected mesh; domains attach to one to three of them, every other
// domain uses addresses of two times 64 bits. Hosts ping random hosts, some that do not exist, some
// over a prefix that two routers pass back and forth, through random policies. For each echo:
//   - the answer or an error reaches the host that sent it (where frames are lost: of one of
//   several)
//   - the answer comes from whom the echo was for, and is for whom it came from
//   - the route of the answer, reversed, is the route that was sent
//   - no packet lives longer than its hop limit says
//
// Faults, each of which may be part of a run:
//   duplicates  one frame of fifty arrives twice
//   loss        one of a hundred is lost
//   crashes     routers lose power and come back knowing nothing
//   cuts        domains lose one of their providers, and get it back
//   moves       mobile hosts of some domains go from base station to base station and home again;
//               echoes to their home addresses reach them
#ifndef SIPP_SIM_SAMPLE_H
#define SIPP_SIM_SAMPLE_H

#include "sipp/sim/fabric.h"

#define SAMPLE_NODES_MAX     2000
#define SAMPLE_HOSTS_MAX     1000
#define SAMPLE_PROVIDERS_MAX 60
#define SAMPLE_DOMAINS_MAX   400
#define SAMPLE_MOBILES_MAX   40
#define SAMPLE_UPLINKS_MAX   3
#define SAMPLE_LOOP_PREFIX   UINT64_C(0x00ff000000000000)

enum sample_fault {
    FAULT_DUPLICATES = 1,
    FAULT_LOSS = 2,
    FAULT_CRASHES = 4,
    FAULT_CUTS = 8,
    FAULT_MOVES = 16,
};

struct sample_shape {
    uint64_t seed;
    size_t providers; // 2 to SAMPLE_PROVIDERS_MAX
    size_t domains;   // 1 to SAMPLE_DOMAINS_MAX
    size_t hosts;     // in each domain, at least 1
    unsigned faults;  // of enum sample_fault
};

struct sample_host {
    size_t node;
    struct path paths[SAMPLE_UPLINKS_MAX]; // how others reach it
    size_t path_count;
};

struct sample_uplink {
    size_t provider;
    struct sipp_prefix prefix; // the domain's, under that provider
    uint16_t interface;        // of the domain's router
    size_t wire;
};

struct sample_domain {
    size_t router;
    size_t wire; // of its hosts
    uint16_t lan;
    bool extended;
    size_t number;
    struct sample_uplink uplinks[SAMPLE_UPLINKS_MAX];
    size_t uplink_count;
    struct sipp_prefix subnet; // of extended domains: known inside only
};

struct sample_mobile {
    size_t host;  // of sample->hosts
    size_t home;  // of sample->domains; its router is base station and home station
    size_t place; // the domain where it is
};

struct sample {
    struct sample_shape shape;
    struct fabric *fabric;
    struct random_source random;
    size_t provider_nodes[SAMPLE_PROVIDERS_MAX];
    struct sample_domain domains[SAMPLE_DOMAINS_MAX];
    size_t domain_count;
    struct sample_host hosts[SAMPLE_HOSTS_MAX];
    size_t host_count;
    struct sample_mobile mobiles[SAMPLE_MOBILES_MAX];
    size_t mobile_count;
    // What came of it.
    uint64_t frames;
    uint64_t sent;
    uint64_t answered;
    uint64_t errors;
    uint64_t expired;
    uint64_t crashes;
    uint64_t cuts;
    uint64_t moves;
    uint64_t reached; // echoes to mobile hosts away from home that were answered
    uint64_t failures;
};

// sample.c: the internet itself; ready to run, with its first announcements made.
struct sample *sample_new(const struct sample_shape *shape);
void sample_free(struct sample *sample);
// Gives a router that was started again all that it had, but not what it had learned.
void sample_equip_router(struct sample *sample, size_t node);
struct sipp_prefix sample_provider_prefix(size_t provider);
// Says what did not hold; the first few are printed.
void sample_fail(struct sample *sample, const char *what, const struct route *route);

// sample_faults.c: lets some faults of the run happen, traffic going on meanwhile, and everything
// heal again.
void sample_suffer(struct sample *sample);

// sample_traffic.c
// Many echoes at once; checks each.
void sample_exchange(struct sample *sample);
// Sends some of which nothing is asked but that they do no harm.
void sample_disturb(struct sample *sample);

#endif
