// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/itr.h"

#include "base/memory.h"
#include "mapping/mab_table.h"
#include "tunnel/prefix_set.h"
#include "tunnel/token_bucket.h"

#include <assert.h>

struct itr {
    struct random_source random;
    const struct database *database; // NULL: the cache
    struct mab_table *mabs;
    struct prefix_set *refused;
    struct mapping_cache *cache;
    struct hold *hold;
    struct etr_paths *paths;
    struct usage_table *usage;
    enum itr_unmapped unmapped;
    struct address fallback;
    uint32_t pass_mtu;
    struct sightings *sightings; // NULL: the first packet asks
    struct token_bucket too_big;
    struct token_bucket unreachable;
    uint16_t identification;
    struct itr_counters counters;
};

// What the mapping says of a destination.
enum answer {
    ANSWER_NOT_IN_MAB,
    ANSWER_UNKNOWN,     // to be asked for
    ANSWER_UNAVAILABLE, // in a MAB whose database is not here now
    ANSWER_ZERO,
    ANSWER_MAPPED,
};

static size_t limit_or(size_t limit, size_t otherwise)
{
    return limit == 0 ? otherwise : limit;
}

static struct hash_key random_key(struct random_source *random)
{
    struct hash_key key;
    random_bytes(random, &key, sizeof(key));
    return key;
}

struct itr *itr_new(const struct itr_config *config, struct random_seed seed, struct instant now)
{
    (void)now;
    struct itr *itr = memory_new(sizeof(*itr));
    random_init(&itr->random, seed);
    itr->mabs = mab_table_new();
    itr->refused = prefix_set_new(NULL, 0);
    itr->cache = mapping_cache_new(limit_or(config->cached_max, ITR_CACHED_MAX));
    itr->hold = hold_new(config->hold_packets, config->hold_time, random_key(&itr->random));
    itr->paths = etr_paths_new(limit_or(config->etrs_max, ITR_ETRS_MAX), random_key(&itr->random));
    struct hash_key key = random_key(&itr->random);
    itr->usage = config->usage != NULL ? usage_new_in(config->usage, key)
                                       : usage_new(limit_or(config->usage_max, ITR_USAGE_MAX), key);
    itr->unmapped = config->unmapped;
    itr->fallback = config->fallback;
    itr->pass_mtu = config->pass_mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : config->pass_mtu;
    if (config->ask_second)
        itr->sightings = sightings_new(random_key(&itr->random));
    itr->too_big = token_bucket_new(ITR_TOO_BIG_RATE, ITR_TOO_BIG_RATE);
    itr->unreachable = token_bucket_new(ITR_UNREACHABLE_RATE, ITR_UNREACHABLE_RATE);
    itr->identification = (uint16_t)random_u64(&itr->random);
    return itr;
}

void itr_free(struct itr *itr)
{
    if (itr == NULL)
        return;
    mab_table_free(itr->mabs);
    prefix_set_free(itr->refused);
    mapping_cache_free(itr->cache);
    hold_free(itr->hold);
    etr_paths_free(itr->paths);
    usage_free(itr->usage);
    sightings_free(itr->sightings);
    memory_free(itr);
}

void itr_set_database(struct itr *itr, const struct database *database)
{
    itr->database = database;
}

bool itr_add_mab(struct itr *itr, const struct prefix *mab, struct error *error)
{
    struct range units;
    if (!mab_table_add(itr->mabs, mab, 0, error))
        return false;
    etr_paths_new_rules(itr->paths);
    if (mab_check(mab, &units, NULL)) // that there was no answer when it was one before
        hold_release(itr->hold, &units);
    return true;
}

bool itr_remove_mab(struct itr *itr, const struct prefix *mab)
{
    etr_paths_new_rules(itr->paths);
    return mab_table_remove(itr->mabs, mab);
}

void itr_set_refused(struct itr *itr, const struct prefix *prefixes, size_t count)
{
    prefix_set_free(itr->refused);
    itr->refused = prefix_set_new(prefixes, count);
    etr_paths_new_rules(itr->paths);
}

// Gives the number of the ETR, too (etr_paths_use_numbered).
static enum answer ask_database(const struct itr *itr, const struct address *destination,
                                struct micronet *micronet, uint64_t *number)
{
    const struct mapping *mapping = database_find(itr->database, destination);
    if (mapping == NULL) {
        uint32_t mab;
        return mab_table_find(itr->mabs, destination, &mab) ? ANSWER_UNAVAILABLE
                                                            : ANSWER_NOT_IN_MAB;
    }
    uint32_t etr = 0;
    enum mapping_state state =
        mapping_lookup_numbered(mapping, unit_of_address(destination), micronet, &etr);
    // Each MAB has numbers of its own; an odd factor keeps them apart.
    *number = (uint64_t)(uintptr_t)mapping / sizeof(void *) * 0x9e3779b1u + etr;
    return state == MAPPING_MAPPED ? ANSWER_MAPPED : ANSWER_ZERO;
}

static enum answer ask_cache(struct itr *itr, struct instant now, const struct address *destination,
                             struct micronet *micronet)
{
    const struct cached *cached = mapping_cache_use(itr->cache, now, destination);
    if (cached == NULL) {
        uint32_t number;
        return mab_table_find(itr->mabs, destination, &number) ? ANSWER_UNKNOWN : ANSWER_NOT_IN_MAB;
    }
    *micronet = (struct micronet){cached->range, cached->etr};
    return address_is_zero(&cached->etr) ? ANSWER_ZERO : ANSWER_MAPPED;
}

static enum itr_verdict decide(struct itr *itr, struct itr_result *result, enum itr_verdict verdict,
                               enum itr_reason reason)
{
    itr->counters.reasons[reason]++;
    result->verdict = verdict;
    result->reason = reason;
    return verdict;
}

// Drops the packet, and tells its source where that is allowed and not too often.
static enum itr_verdict answer_icmp(struct itr *itr, struct instant now, enum icmp_error error,
                                    uint32_t mtu, enum itr_reason reason, const uint8_t *bytes,
                                    const struct packet *packet, const struct offload *offload,
                                    struct itr_result *result)
{
    uint32_t quoted = offload_segment_length(bytes, packet, offload);
    result->icmp_length = icmp_write(result->icmp, error, mtu, packet, bytes, quoted);
    if (result->icmp_length == 0)
        return decide(itr, result, ITR_DROP, reason);
    struct token_bucket *bucket = error == ICMP_TOO_BIG ? &itr->too_big : &itr->unreachable;
    if (!token_bucket_take(bucket, now)) {
        itr->counters.icmp_limited++;
        return decide(itr, result, ITR_DROP, reason);
    }
    itr->counters.icmp_sent++;
    return decide(itr, result, ITR_ICMP, reason);
}

static enum itr_verdict hold_packet(struct itr *itr, struct instant now, const uint8_t *bytes,
                                    const struct packet *packet, const struct offload *offload,
                                    bool ask, struct itr_result *result)
{
    switch (hold_put(itr->hold, now, (enum family)packet->family,
                     unit_of_address(&packet->destination), bytes, packet->length, offload, ask)) {
    case HOLD_KEPT:
        return decide(itr, result, ITR_HELD, ITR_REASON_NONE);
    case HOLD_NO_ANSWER:
        return answer_icmp(itr, now, ICMP_NO_ROUTE, 0, ITR_REASON_NO_MAPPING, bytes, packet,
                           offload, result);
    case HOLD_FULL:
        break;
    }
    return decide(itr, result, ITR_DROP, ITR_REASON_HOLD_FULL);
}

static enum etr_rule judge_etr(const struct itr *itr, const struct address *etr)
{
    uint32_t number;
    if (!address_routable(etr))
        return ETR_RULE_NOT_ROUTABLE;
    if (mab_table_find(itr->mabs, etr, &number))
        return ETR_RULE_IN_MAB;
    if (itr->database != NULL && database_find(itr->database, etr) != NULL)
        return ETR_RULE_IN_MAB;
    return prefix_set_contains(itr->refused, etr) ? ETR_RULE_REFUSED : ETR_RULE_ALLOWED;
}

// ITR_REASON_NONE where packets may go to the ETR.
static enum itr_reason etr_objection(const struct itr *itr, struct etr_path *path)
{
    if (path->rule == ETR_RULE_UNKNOWN)
        path->rule = judge_etr(itr, &path->etr);
    switch (path->rule) {
    case ETR_RULE_ALLOWED:
        return ITR_REASON_NONE;
    case ETR_RULE_IN_MAB:
        return ITR_REASON_ETR_IN_MAB;
    case ETR_RULE_REFUSED:
        return ITR_REASON_ETR_REFUSED;
    case ETR_RULE_UNKNOWN:
    case ETR_RULE_NOT_ROUTABLE:
        break;
    }
    return ITR_REASON_ETR_NOT_ROUTABLE;
}

// How many inner packets a packet makes.
static uint32_t segment_count(const struct packet *packet, const struct segmenter *segmenter)
{
    uint32_t payload = packet->length - segmenter->header_length;
    return payload == 0 ? 1 : (payload + segmenter->segment_size - 1) / segmenter->segment_size;
}

static void count_tunnelled(struct itr *itr, const struct range *micronet, struct etr_path *path,
                            const struct packet *packet, uint32_t segments,
                            const struct segmenter *segmenter)
{
    uint64_t octets = packet->length + (uint64_t)(segments - 1) * segmenter->header_length;
    path->packets += segments;
    path->octets += octets;
    if (micronet == NULL) { // its fallback counts it, for whom it belongs to
        itr->counters.handed_over += segments;
        return;
    }
    itr->counters.super_packets += segmenter->kind != OFFLOAD_NONE;
    itr->counters.tunnelled++;
    itr->counters.segments += segments;
    itr->counters.octets += octets;
    usage_add(itr->usage, micronet, segments, octets);
}

// The longest inner packet that the path carries in one outer packet, as told to hosts. To IPv6
// hosts never less than 1,280: what is longer than the path but not than that is fragmented
// outside (RFC 8200 §5).
static uint32_t inner_mtu(const struct packet *packet, const struct etr_path *path)
{
    uint32_t mtu = path->mtu - encapsulation_overhead(path->etr.family);
    return packet->family == FAMILY_IPV6 && mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu;
}

// Tunnels to an ETR, or with `micronet` NULL to the fallback.
static enum itr_verdict tunnel(struct itr *itr, struct instant now, struct etr_path *path,
                               const struct range *micronet, const uint8_t *bytes,
                               const struct packet *packet, const struct offload *offload,
                               struct itr_result *result)
{
    enum itr_reason objection = etr_objection(itr, path);
    if (objection != ITR_REASON_NONE)
        return decide(itr, result, ITR_DROP, objection);
    result->etr = path->etr;
    if (instant_reached(now, path->expires))
        return decide(itr, result, ITR_PATH, ITR_REASON_NONE);
    const struct address *source =
        path->etr.family == packet->family ? &packet->source : &path->source;
    if (path->mtu == 0 || source->family != path->etr.family)
        return answer_icmp(itr, now, ICMP_NO_ROUTE, 0, ITR_REASON_ETR_UNREACHABLE, bytes, packet,
                           offload, result);
    uint32_t segment = offload_segment_length(bytes, packet, offload);
    uint32_t mtu = inner_mtu(packet, path);
    if (segment > mtu && packet->dont_fragment)
        return answer_icmp(itr, now, ICMP_TOO_BIG, mtu, ITR_REASON_TOO_BIG, bytes, packet, offload,
                           result);
    bool fragmented = segment + encapsulation_overhead(path->etr.family) > path->mtu;
    itr->counters.fragmented += fragmented;
    segmenter_start(&result->segments, bytes, packet, offload, source, &path->etr, path->mtu,
                    itr->identification);
    uint32_t segments = segment_count(packet, &result->segments);
    // Only what may be fragmented needs identifications of its own (RFC 6864). No fragment but the
    // last is shorter than IPV4_MTU_MIN less its headers.
    uint32_t identifications = packet->dont_fragment && !fragmented
                                   ? 1
                                   : segments + packet->length / (IPV4_MTU_MIN / 2) + 1;
    itr->identification = (uint16_t)(itr->identification + identifications);
    count_tunnelled(itr, micronet, path, packet, segments, &result->segments);
    return decide(itr, result, ITR_TUNNEL, ITR_REASON_NONE);
}

// Lets a packet go by the network's other way, as it came.
static enum itr_verdict let_go(struct itr *itr, struct instant now, const uint8_t *bytes,
                               const struct packet *packet, const struct offload *offload,
                               struct itr_result *result)
{
    uint32_t segment = offload_segment_length(bytes, packet, offload);
    if (segment > itr->pass_mtu && packet->dont_fragment)
        return answer_icmp(itr, now, ICMP_TOO_BIG, itr->pass_mtu, ITR_REASON_TOO_BIG, bytes, packet,
                           offload, result);
    segmenter_start_bare(&result->segments, bytes, packet, offload, itr->pass_mtu);
    itr->counters.let_go += segment_count(packet, &result->segments);
    return decide(itr, result, ITR_FORWARD, ITR_REASON_NONE);
}

// Asks for a mapping, where that is due, and does with the packet what is configured.
static enum itr_verdict take_unmapped(struct itr *itr, struct instant now, const uint8_t *bytes,
                                      const struct packet *packet, const struct offload *offload,
                                      struct itr_result *result)
{
    enum family family = (enum family)packet->family;
    struct unit unit = unit_of_address(&packet->destination);
    if (itr->unmapped == ITR_UNMAPPED_TUNNEL &&
        instant_reached(now, etr_paths_use(itr->paths, &itr->fallback)->expires)) {
        // The packet will come a second time, which must not count as having been seen twice.
        result->etr = itr->fallback;
        return decide(itr, result, ITR_PATH, ITR_REASON_NONE);
    }
    bool ask = itr->sightings == NULL || sightings_note(itr->sightings, now, family, unit);
    itr->counters.not_asked += !ask;
    if (itr->unmapped == ITR_UNMAPPED_HOLD)
        return hold_packet(itr, now, bytes, packet, offload, ask, result);
    if (ask)
        hold_ask(itr->hold, now, family, unit);
    if (itr->unmapped == ITR_UNMAPPED_PASS)
        return let_go(itr, now, bytes, packet, offload, result);
    return tunnel(itr, now, etr_paths_use(itr->paths, &itr->fallback), NULL, bytes, packet, offload,
                  result);
}

enum itr_verdict itr_input(struct itr *itr, struct instant now, uint8_t *bytes, uint32_t length,
                           struct offload *offload, struct itr_result *result)
{
    struct packet packet;
    struct micronet micronet;
    uint64_t number = 0;
    itr->counters.packets++;
    if (packet_parse(bytes, length, &packet) != PACKET_OK)
        return decide(itr, result, ITR_DROP, ITR_REASON_MALFORMED);
    enum answer answer = itr->database != NULL
                             ? ask_database(itr, &packet.destination, &micronet, &number)
                             : ask_cache(itr, now, &packet.destination, &micronet);
    if (answer == ANSWER_NOT_IN_MAB)
        return decide(itr, result, ITR_PASS, ITR_REASON_NOT_IN_MAB);
    if (offload_check(bytes, &packet, offload) != OFFLOAD_OK)
        return decide(itr, result, ITR_DROP, ITR_REASON_OFFLOAD);
    if (!address_routable(&packet.source))
        return decide(itr, result, ITR_DROP, ITR_REASON_SOURCE);
    if (packet.hop_limit == 0)
        return decide(itr, result, ITR_DROP, ITR_REASON_TTL);
    if (answer == ANSWER_UNKNOWN)
        return take_unmapped(itr, now, bytes, &packet, offload, result);
    if (answer == ANSWER_UNAVAILABLE)
        return answer_icmp(itr, now, ICMP_NO_ROUTE, 0, ITR_REASON_NO_MAPPING, bytes, &packet,
                           offload, result);
    if (answer == ANSWER_ZERO)
        return answer_icmp(itr, now, ICMP_HOST_UNREACHABLE, 0, ITR_REASON_ZERO, bytes, &packet,
                           offload, result);
    struct etr_path *path = itr->database != NULL
                                ? etr_paths_use_numbered(itr->paths, number, &micronet.etr)
                                : etr_paths_use(itr->paths, &micronet.etr);
    return tunnel(itr, now, path, &micronet.range, bytes, &packet, offload, result);
}

void itr_set_path(struct itr *itr, struct instant now, const struct address *etr, uint32_t mtu,
                  const struct address *source)
{
    struct etr_path *path = etr_paths_use(itr->paths, etr);
    uint32_t least = etr->family == FAMILY_IPV6 ? IPV6_MTU_MIN : IPV4_MTU_MIN;
    uint32_t most = PACKET_BYTES_MAX;
    path->mtu = mtu == 0 ? 0 : mtu < least ? least : mtu > most ? most : mtu;
    path->source = *source;
    path->expires = instant_add(now, duration_s(PATH_SECONDS));
}

void itr_forget_path(struct itr *itr, const struct address *etr)
{
    struct etr_path *path = etr_paths_find(itr->paths, etr);
    if (path != NULL)
        path->expires = (struct instant){0};
}

bool itr_next_question(struct itr *itr, struct address *address)
{
    return hold_next_question(itr->hold, address) ||
           mapping_cache_next_renewal(itr->cache, address);
}

void itr_learn(struct itr *itr, struct instant now, const struct range *range,
               const struct address *etr, struct instant expires)
{
    struct cached mapping = {*range, *etr, expires};
    mapping_cache_learn(itr->cache, now, &mapping);
    hold_release(itr->hold, range);
}

void itr_forget(struct itr *itr, const struct range *range)
{
    mapping_cache_forget(itr->cache, range);
}

void itr_failed(struct itr *itr, struct instant now, const struct address *address)
{
    hold_fail(itr->hold, now, (enum family)address->family, unit_of_address(address));
}

bool itr_next_ready(struct itr *itr, uint8_t *buffer, uint32_t *length, struct offload *offload)
{
    return hold_next_ready(itr->hold, buffer, length, offload);
}

struct instant itr_next_deadline(const struct itr *itr)
{
    return instant_earlier(hold_next_deadline(itr->hold), mapping_cache_next_deadline(itr->cache));
}

void itr_tick(struct itr *itr, struct instant now)
{
    hold_tick(itr->hold, now);
    mapping_cache_tick(itr->cache, now);
}

const struct itr_counters *itr_counters(const struct itr *itr)
{
    return &itr->counters;
}

const struct hold *itr_hold(const struct itr *itr)
{
    return itr->hold;
}

const struct mapping_cache *itr_cache(const struct itr *itr)
{
    return itr->cache;
}

const struct etr_paths *itr_paths(const struct itr *itr)
{
    return itr->paths;
}

struct usage_table *itr_usage(struct itr *itr)
{
    return itr->usage;
}

const char *itr_reason_name(enum itr_reason reason)
{
    static const char *const names[ITR_REASON_COUNT] = {
        [ITR_REASON_NONE] = "none",
        [ITR_REASON_MALFORMED] = "malformed",
        [ITR_REASON_OFFLOAD] = "bad-offload",
        [ITR_REASON_SOURCE] = "source-not-routable",
        [ITR_REASON_TTL] = "ttl-expired",
        [ITR_REASON_NOT_IN_MAB] = "not-in-mab",
        [ITR_REASON_ZERO] = "mapped-to-zero",
        [ITR_REASON_NO_MAPPING] = "no-mapping",
        [ITR_REASON_HOLD_FULL] = "hold-full",
        [ITR_REASON_ETR_NOT_ROUTABLE] = "etr-not-routable",
        [ITR_REASON_ETR_IN_MAB] = "etr-in-mab",
        [ITR_REASON_ETR_REFUSED] = "etr-refused",
        [ITR_REASON_ETR_UNREACHABLE] = "etr-unreachable",
        [ITR_REASON_TOO_BIG] = "too-big",
    };
    assert(reason < ITR_REASON_COUNT);
    return names[reason];
}
