// SPDX-License-Identifier: BSD-2-Clause
// What the parts of the simulated world share; nobody else includes it.
#ifndef IVIP_SIM_WORLD_STATE_H
#define IVIP_SIM_WORLD_STATE_H

#include "base/hash.h"
#include "base/key.h"
#include "base/list.h"
#include "base/table.h"
#include "mapping/database.h"
#include "push/receiver.h"
#include "push/sender.h"
#include "query/discovery.h"
#include "query/locator.h"
#include "query/mab_list.h"
#include "query/qsa.h"
#include "query/qsr.h"
#include "sim/nodes/disk.h"
#include "sim/nodes/people.h"
#include "sim/truth/master.h"
#include "sim/truth/zone.h"
#include "sim/world.h"
#include "tunnel/itr.h"
#include "tunnel/usage_collector.h"
#include "wire/usage_report.h"

struct world;

#define WORLD_CHECK_EVERY_MS 200

// The set of MABs that a server tells those who ask it.
struct world_pages {
    struct mab_root root; // page "": none
    struct instant since;
};

// How a node learns that set from its servers (nodes/list.c).
struct world_list {
    struct world *world;
    size_t node;
    const char *name;
    struct mab_list *list;    // NULL: it is down, or learns the set otherwise
    struct endpoint server;   // in use
    struct instant disturbed; // when its servers changed last, or an attacker came between
    size_t root_count;
    struct mab_root *roots; // that servers told it, since it started
};

// How an ITR or a QSC that discovers finds its servers (nodes/dns.c).
struct world_finder {
    struct world *world;
    size_t node;
    const char *name;
    bool of_itr;
    struct locator *locator;  // NULL: it is down, or was told its servers
    unsigned life;            // counts starts
    bool named[ZONE_ISP_MAX]; // the servers of the ISP that a validated answer named to it since
};

struct world_qsa {
    struct world *world;
    size_t node;
    const char *name;
    struct database *database;
    struct qsa *qsa;
    unsigned life; // counts starts: answers to an earlier life's questions are for nobody
    struct world_pages pages;

    // With the ideal feed.
    size_t applied;      // sets of the master's log that are in the database
    bool in_step;        // else it is loading
    struct duration lag; // from the master

    // With fast push.
    struct receiver *receiver;
    size_t feed_node; // hears payloads, as a port of its own
    char feed_name[WORLD_NAME_MAX + 8];
    bool loaded[MASTER_MABS]; // has, or had, a copy since it started
    uint64_t sequences[MASTER_MABS];
    struct instant open_since;             // since when nothing keeps it from its RUAS
    struct list_node missing[MASTER_MABS]; // sequences that payloads named to it and its copy lacks
};

// The RUAS's database in short, to see whether something changed it.
struct world_digest {
    struct mapping_hash hashes[MASTER_MABS];
    uint64_t sequences[MASTER_MABS];
    uint64_t micronets[WORLD_UABS];
    uint64_t users, tokens, waiting;
};

// The RUAS: its disk and its epoch outlive its crashes.
struct world_ruas {
    size_t node;
    struct ruas *ruas; // NULL while it is down
    struct disk *disk;
    struct world_digest before_held; // before the first set that is held
    struct instant due_again;        // not before: a scheduled set could not be stored
    bool disk_full;
    struct world_plan *power_plan; // of a power cut that waits for the next transaction
    struct sender *sender;         // NULL while it is down, and with the ideal feed
    uint64_t epoch;
    struct secret_key key;
    int64_t clock_ms; // what its wall clock is wrong by
    uint8_t payload[PAYLOAD_BYTES_MAX];
    size_t length;
    size_t sent_to; // QSAs that have been sent this payload
};

// What DNS said to a QSR that discovers, since it started.
struct world_heard {
    size_t root_count;
    bool *roots;                            // which versions it was told of
    bool named[ZONE_DSOCS][ZONE_QSAS_MAX];  // the servers of each DSOC, by the last answer
    bool before[ZONE_DSOCS][ZONE_QSAS_MAX]; // and by the one before
    bool lacks[MASTER_MABS]; // its set lacked a MAB of the master when looked at last
};

struct world_qsr {
    struct world *world;
    size_t node;
    const char *name;
    bool qsc;
    bool discovers;              // a QSR by its discovery, a QSC by its finder
    struct discovery *discovery; // while it is up
    unsigned life;               // counts starts
    struct world_heard heard;
    bool lacked[MASTER_MABS]; // a MAB of the master was not in its set, until then
    struct instant lacked_until[MASTER_MABS];
    struct qsr *qsr;
    struct querier_config upstreams;
    struct world_finder finder; // of a QSC
    struct world_list list;     // where it has no discovery
    struct mab_table *mabs;     // of that list; NULL: not known yet
    struct world_pages pages;
};

// What an ITR believes of a unit: made from the querier's events alone, as a real ITR does.
struct belief {
    bool known;
    struct address etr;   // zero: drop
    struct instant until; // by the engine's clock
    size_t server;        // who told it
};

// A report on an ITR's disk.
struct world_report_kept {
    uint64_t number;
    uint64_t packets, octets; // in it
    size_t length;
    uint8_t *bytes;
};

// What an ITR counts for its reports (nodes/usage.c).
struct world_usage {
    struct secret_key key;
    size_t limit;                // micronets counted apart
    void *bytes;                 // outlives the process
    struct usage_memory *memory; // in them
    struct usage_collector collector;
    uint64_t tunnelled, tunnelled_octets; // the truth
    // On its disk.
    size_t kept_count;
    struct world_report_kept *kept;
    uint64_t next_number;
    uint64_t reported; // the last period of the counters that is in reports
    bool disk_full;
    // Sending.
    unsigned life; // counts starts
    bool sending;
    struct instant next_try;
    uint64_t wait_s;
    struct world_plan *kill_plan; // of a kill that waits for the next transaction
};

// What the RUAS was reported.
struct world_ledger_line {
    size_t itr; // its number in the world
    uint64_t boot, number;
    uint64_t packets, octets;
};

struct world_ledger {
    size_t count;
    struct world_ledger_line *lines;
};

struct world_itr {
    struct world *world;
    size_t node;
    const char *name;
    struct querier *querier;
    struct itr *itr;
    bool configured;        // its MABs are in its config
    struct world_list list; // else it learns them by it; what is refused in any case
    bool discovers;
    struct world_finder finder;
    struct random_source traffic; // its own, so that it is the same whatever other nodes there are
    struct querier_config upstreams;
    struct world_usage usage;
    size_t hops; // to the QSAs, at most
    struct belief beliefs[MASTER_MABS][MASTER_UNITS];
    struct address wanted;            // asked for last by world_itr_ask
    struct querier_event last_answer; // to that
};

// DNS: the zone, and servers that have one of its versions each.
#define WORLD_SECONDARIES 3

struct world_dns {
    struct zone zone;
    size_t secondaries[WORLD_SECONDARIES]; // numbers of versions
    enum dns_outcome trouble;              // of all answers; DNS_SECURE: none
    struct list_node lookups, transfers;   // under way
};

// What a server told a querier under a nonce.
struct world_telling {
    struct table_node place;
    struct endpoint server, querier;
    uint64_t nonce;
    struct range range;
    struct instant until;
};

// An event of the config on its way.
struct world_plan {
    struct world *world;
    const struct world_event *event;
};

struct world {
    struct world_config config;
    size_t qsa_count, qsr_count, itr_count; // qsr_count: QSRs and QSCs
    bool calm;                              // nothing but delay: tighter bounds hold
    struct engine *engine;
    struct master master;
    struct world_people people;
    struct world_dns dns;
    struct world_ruas ruas;
    struct world_qsa qsas[WORLD_SERVERS_MAX];
    struct world_qsr qsrs[2 * WORLD_SERVERS_MAX];
    struct world_itr itrs[WORLD_ITRS_MAX];
    size_t attacker;
    struct world_plan *plans;
    struct list_node fetches;       // HTTP under way
    const struct world_event *mute; // the path whose alive messages are lost, or NULL
    struct instant disturbed;       // when a node or path last went down, or came back
    bool quiet;                     // no more faults, changes and attacks
    struct hash_key key;
    struct table tellings;
    struct table asked, lessons; // checks/lessons.c
    // When something reached a node from another one last, by both.
    struct instant heard_from[WORLD_NODES_MAX][WORLD_NODES_MAX];
    // Octets from and to the address that the attacker takes, for each server.
    uint64_t victim_sent[WORLD_NODES_MAX], victim_got[WORLD_NODES_MAX];
    uint8_t heard[PAYLOAD_BYTES_MAX]; // a payload that the attacker has
    size_t heard_length;
    uint8_t *heard_report; // and a usage report
    size_t heard_report_length;
    struct world_ledger ledger;
    struct list_node posts; // reports under way
    struct world_report report;
};

// world.c
struct random_seed world_fresh_seed(struct world *world);
// An invariant is broken: the run ends, unless the config leaves that check out.
void world_fail(struct world *world, enum world_check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// events.c
// An event of the config begins: `state` is its struct world_plan.
void world_happen(void *state, struct instant now);
// Schedules the end of an event that has begun.
void world_end_later(struct world_plan *plan);
// The engine's numbers of the two ends of a path. The RUAS sends to the QSAs' feed ports.
size_t world_path_end(const struct world *world, size_t node, size_t other);
// Whether a datagram is lost on a path that is mute: an engine_filter.
bool world_is_muted(void *state, const struct engine_datagram *datagram);

// nodes/nodes.c: the nodes and their lives. Numbers are those of the config, or WORLD_RUAS.
void world_add_nodes(struct world *world);
void world_free_nodes(struct world *world);
void world_crash(struct world *world, size_t node);
void world_restart(struct world *world, size_t node);
void world_restart_all(struct world *world);
struct endpoint world_endpoint(size_t node);
// The node with that address; ENGINE_NOBODY: none of the config.
size_t world_node_at(const struct world *world, const struct endpoint *endpoint);
// The list of a node that learns the set of MABs by one and is up; else NULL.
struct world_list *world_list_of(struct world *world, size_t node);
// The finder of one that found its servers; else NULL.
struct world_finder *world_finder_of(struct world *world, size_t node);

// nodes/qsa.c, nodes/qsr.c
extern const struct engine_core world_qsa_core;
void world_qsa_start(struct world_qsa *qsa);
void world_qsa_stop(struct world_qsa *qsa);
extern const struct engine_core world_qsr_core;
void world_qsr_start(struct world_qsr *qsr);
void world_qsr_stop(struct world_qsr *qsr);
// A QSC asks those from now on.
void world_qsr_take_servers(struct world_qsr *qsr, const struct querier_server *servers,
                            size_t count);
struct teller_config world_teller_limits(const struct world *world);
// Whom a server of that role advises to ask in its place: others of its kind, and first one that
// nobody else names, which must not be asked. Returns how many there are.
size_t world_advice(const struct world *world, enum world_role role,
                    struct endpoint others[TELLER_ALTERNATIVES_MAX]);
// How loaded a server says it is.
uint8_t world_load(struct world *world);
// What a node makes of a message: an old one steps over the extensions of Cache Updates. Gives
// `bytes`, or `buffer` (QUERY_MESSAGE_BYTES_MAX) with what is left, and its length.
const uint8_t *world_as_heard(const struct world *world, size_t node, const uint8_t *bytes,
                              size_t *length, uint8_t *buffer);

// nodes/list.c: the set of MABs, from query servers. A list that was not started does nothing.
void world_list_start(struct world_list *list, struct world *world, size_t node, const char *name,
                      const struct querier_config *upstreams);
void world_list_stop(struct world_list *list);
void world_list_set_servers(struct world_list *list, const struct endpoint *servers, size_t count);
// True where the datagram was for it.
bool world_list_input(struct world_list *list, struct instant now, const struct endpoint *from,
                      const uint8_t *bytes, size_t length);
size_t world_list_output(struct world_list *list, struct instant now, struct endpoint *to,
                         uint8_t *buffer);
struct instant world_list_deadline(const struct world_list *list);
void world_list_tick(struct world_list *list, struct instant now);
// Whether another version is in force, since it was asked last.
bool world_list_next_version(struct world_list *list);
// A server answers from that shelf now.
void world_pages_set(struct world *world, struct world_pages *pages,
                     const struct page_shelf *shelf);

// nodes/dns.c
void world_dns_init(struct world *world);
void world_free_transfers(struct world *world);
void world_free_lookups(struct world *world);
// The zone has another version.
void world_publish_zone(struct world *world);
void world_discovery_start(struct world_qsr *qsr);
void world_discovery_stop(struct world_qsr *qsr);
// Takes what discovery found, and asks what is due.
void world_discover(struct world_qsr *qsr);
// The same for an ITR that looks for its QSCs or QSRs, or a QSC that looks for its QSRs. One that
// was not started does nothing.
void world_finder_start(struct world_finder *finder, struct world *world, size_t node,
                        const char *name, bool of_itr);
void world_finder_stop(struct world_finder *finder);
struct instant world_finder_deadline(const struct world_finder *finder);
void world_find(struct world_finder *finder);

// nodes/ideal_feed.c: the ideal feed. The master changed: every QSA hears of it after its lag.
void world_feed(struct world *world);
void world_misstep(struct world *world, const struct world_event *event);
void world_feed_start(struct world_qsa *qsa);

// nodes/authority.c: the RUAS's core and its disk. All but the first need it up.
void world_authority_start(struct world *world);
void world_authority_stop(struct world *world);
// Stores what is held. False where the RUAS is down, or went down in it.
bool world_settle(struct world *world);
// Writes a change under way, and stores it: it is committed, or aborted. Nothing may be held.
struct disk_record *world_record(struct world *world, const struct change *change);
bool world_commit(struct world *world, const struct change *change);
// What must come of a set, as far as those know who made it.
enum world_expected { WORLD_EITHER, WORLD_ACCEPT, WORLD_REFUSE };
// A set arrives at the RUAS; it stays the caller's.
void world_submit(struct world *world, const struct grant *grant, struct command_set *set,
                  enum world_expected expected, bool dry_run);
// A set to be executed later; true where it was taken over.
bool world_schedule(struct world *world, const struct grant *grant, struct command_set *set,
                    struct wall_time at);
struct instant world_next_due(const struct world *world);
void world_execute_due(struct world *world);

// nodes/push.c: fast push.
void world_push_add_nodes(struct world *world);
void world_ruas_start(struct world *world);
void world_ruas_stop(struct world *world);
void world_receiver_start(struct world_qsa *qsa);
void world_receiver_stop(struct world_qsa *qsa);

// nodes/http.c: what receivers fetch from the RUAS.
void world_fetch(struct world_qsa *qsa, const struct receiver_event *event);
void world_free_fetches(struct world *world);
struct wall_time world_wall_time(const struct world *world);
void world_take_events(struct world_qsa *qsa);

// nodes/itr.c
extern const struct engine_core world_itr_core;
void world_itr_start(struct world_itr *itr);
void world_itr_stop(struct world_itr *itr);
// It asks those from now on.
void world_itr_take_servers(struct world_itr *itr, const struct querier_server *servers,
                            size_t count);
// Whether packets to the address are this ITR's: it is in a MAB of its config, or without that of
// its set.
bool world_itr_serves(const struct world_itr *itr, const struct address *address);
// Addresses that it may not tunnel to, by its config or by what it was told.
bool world_itr_has_mab(const struct world_itr *itr, const struct address *address);
bool world_itr_refuses(const struct world_itr *itr, const struct address *address);
// A packet from the ITR's network to that address.
void world_itr_packet(struct world_itr *itr, const struct address *address);
// A packet to try: true where it goes on as it came.
bool world_itr_passes(struct world_itr *itr, const struct address *address);
void world_itr_ask(struct world_itr *itr, const struct address *address);
void world_itr_begin_traffic(struct world_itr *itr);

// nodes/usage.c
void world_usage_begin(struct world_itr *itr);
void world_usage_end(struct world_itr *itr);
// The ITR starts: its counters, which go on.
struct usage_memory *world_usage_start(struct world_itr *itr);
// A report reaches the RUAS; false where it is refused.
bool world_ledger_take(struct world *world, const uint8_t *bytes, size_t length);
void world_free_posts(struct world *world);

// nodes/attacker.c
struct endpoint world_victim(void);
void world_attack(struct world *world);
// A Page Reply leaves; the attacker may send another in its place, which comes first or later.
void world_tamper(struct world *world, const struct engine_datagram *datagram,
                  const struct page_message *reply);

#endif
