// SPDX-License-Identifier: BSD-2-Clause
// The config of a node, as read from its YAML file and checked. docs/configuration.md says what
// each key means; the names here are the same.
//
// A role is configured when its pointer is not NULL. The whole tree belongs to one allocation made
// by config_load and ends with config_free; nothing in it changes afterwards (a reload makes a new
// one and swaps).
#ifndef IVIP_NODE_CONFIG_CONFIG_H
#define IVIP_NODE_CONFIG_CONFIG_H

#include "base/address.h"
#include "base/error.h"
#include "base/instant.h"
#include "base/key.h"
#include "base/log.h"
#include "base/range.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_DNS     53   // resolvers
#define PORT_QUERY   4746 // UDP
#define PORT_PUBLIC  4747 // HTTP of the RUAS
#define PORT_REST    4748 // HTTPS of the UAS
#define PORT_WEB     443  // the same for browsers
#define PORT_FEED    4749 // UDP payloads
#define PORT_METRICS 9746 // HTTP

// Where control sockets are looked for, and made by default.
#define CONFIG_CONTROL_DIRECTORY "/run/ivip"

struct config_endpoints {
    size_t count;
    struct endpoint *items;
};

struct config_prefixes {
    size_t count;
    struct prefix *items;
};

struct config_ranges {
    size_t count;
    struct range *items;
};

struct config_keys_listed {
    size_t count;
    struct public_key *items;
};

// A RUAS as others know it.
struct config_ruas_peer {
    struct public_key key;
    char *url; // "http://192.0.2.1:4747"
};

struct config_ruas {
    struct endpoint listen;        // HTTPS for end users; [::]:4748
    struct endpoint public_listen; // HTTP for snapshots and payloads; [::]:4747
    struct endpoint web;           // HTTPS for browsers; family NONE: none
    char *certificate;             // for it, PEM files; "" : one of our own
    char *certificate_key;
    struct config_prefixes mabs;
    struct config_prefixes refuse;  // ETR prefixes refused, besides those always refused
    struct config_endpoints feeds;  // who gets the payloads
    struct duration snapshot_every; // 600 s
    struct config_keys_listed itrs; // whose usage reports it takes
};

#define QSA_THREADS_MAX 64

struct config_qsa {
    struct endpoint listen;        // queries; [::]:4746
    struct endpoint feed;          // payloads; [::]:4749
    size_t ruas_count;             // at least 1
    struct config_ruas_peer *ruas; // where the MABs come from
    struct duration caching_time;  // 600 s
    uint32_t threads;              // that answer; 0: as many as there are processors
    uint32_t told_ranges;          // most remembered as told; 0: by the machine's memory
    struct config_endpoints peers; // other QSAs of the DSOC, named when it is loaded
};

enum config_dnssec { CONFIG_DNSSEC_REQUIRED, CONFIG_DNSSEC_OFF };

#define QSR_THREADS_MAX 64

struct config_qsr {
    struct endpoint listen;            // [::]:4746
    struct config_endpoints upstreams; // QSAs or QSRs; none: found through DNS
    char *domain;                      // where DNS lists all MABs and their QSAs; or ""
    char *upstream_domain;             // a QSC: the domain whose QSRs it asks; or ""
    char *trust_anchor;                // for either domain: file with DS or DNSKEY records
    struct config_endpoints dns; // resolvers; none: with `domain` from the root of the DNS on, with
                                 // `upstream_domain` those of the system
    enum config_dnssec dnssec;   // of upstream_domain; required
    uint32_t threads;            // that answer, each with a cache of its own; 1
    uint32_t told_ranges;        // most remembered as told; 0: by the machine's memory
    uint32_t cached_ranges;      // most cached; 0: by the machine's memory
    struct config_endpoints peers; // other QSRs of the network, named when it is loaded
};

// What an ITR does with a packet while it asks for its mapping.
enum config_unmapped { CONFIG_UNMAPPED_HOLD, CONFIG_UNMAPPED_TUNNEL, CONFIG_UNMAPPED_PASS };

struct config_itr {
    char *device;                      // TUN device to make; "ivip0"
    struct config_endpoints upstreams; // QSCs, QSRs or QSAs to ask
    char *domain; // without upstreams: the domain whose query servers it asks; "": the host's,
                  // or, where the node has a qsa, none: that has all mappings
    char *trust_anchor;            // for the domain: file with DS or DNSKEY records
    struct config_endpoints dns;   // resolvers; none: those of the system
    enum config_dnssec dnssec;     // of the domain; required
    struct config_prefixes mabs;   // the only MABs to handle; none: all
    struct config_prefixes refuse; // caching: ETR prefixes refused besides those it learns of
    bool announce;                 // a DITR: install MAB routes for the BGP daemon to learn
    uint32_t hold_packets;         // most packets held while asking; 1024
    struct duration hold_time;     // longest a packet is held; 2 s
    enum config_unmapped unmapped; // hold
    uint32_t ask_after;            // packets seen before a mapping is asked for; 1, or 2
    struct address fallback;       // unmapped tunnel: the ITR to hand packets to
    char *pass_device;             // unmapped pass: the device to let packets go by; else ""
    struct address fallback_at;    // where others hand packets over to this; FAMILY_NONE: none
    char *usage_to;                // the RUAS that usage is reported to, "http://..."; "": none
    struct duration usage_every;   // 60 s
    struct config_prefixes fallback_for; // the sources of those packets
};

struct config_etr {
    char *device;                // TUN device to deliver through; "ivip0", shared with the ITR
    struct config_ranges serves; // micronets or wider ranges it delivers to; at least 1
    struct config_prefixes refuse_sources; // inner sources refused, for the network's own prefixes
};

struct config {
    char *name;              // of the node, in logs and metrics
    char *key_file;          // its secret key; "": none, a new key at each start (not for a ruas)
    char *state;             // directory for durable data
    char *control;           // Unix socket for `ivip status` and other commands
    struct endpoint metrics; // [::]:9746; FAMILY_NONE ("none"): no metrics server
    enum log_level log;
    char *user; // account to run as after start; "" stays
    struct config_ruas *ruas;
    struct config_qsa *qsa;
    struct config_qsr *qsr;
    struct config_itr *itr;
    struct config_etr *etr;
};

// Whether the node's ITR asks query servers; otherwise it has all mappings, from the node's qsa.
bool config_itr_asks(const struct config *config);

// Reads and checks a file. Errors name file, line and column and say what was expected.
struct config *config_load(const char *path, struct error *error);
void config_free(struct config *config);
// A new reference to a JSON object with the keys of the file, defaults filled in.
json_t *config_describe(const struct config *config);

#endif
