// SPDX-License-Identifier: BSD-2-Clause
// Invariants of discovery: a QSR's set of MABs is one version of the zone that DNS told it of,
// never a mixture; it asks only servers that DNS named to it for the MAB; answers that were not
// validated change nothing; when all is well, it has what the zone says.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <string.h>

// What DNS said to a QSR

// A caching server that has no set yet believes others.
static bool lacks(const struct world_qsr *qsr, size_t mab)
{
    uint32_t number;
    const struct prefix *prefix = &qsr->world->master.prefixes[mab];
    const struct mab_table *mabs = qsr->mabs;
    if (qsr->discovery != NULL && discovery_page(qsr->discovery)[0] != '\0')
        mabs = discovery_mabs(qsr->discovery);
    return mabs == NULL || !mab_table_find(mabs, &prefix->address, &number);
}

void world_note_discovery_start(struct world_qsr *qsr)
{
    memset(&qsr->heard, 0, sizeof(qsr->heard));
    world_note_lacking(qsr);
}

void world_note_lacking(struct world_qsr *qsr)
{
    for (size_t mab = 0; mab < MASTER_MABS; mab++) {
        bool now = lacks(qsr, mab);
        if (qsr->heard.lacks[mab] && !now) {
            qsr->lacked[mab] = true;
            qsr->lacked_until[mab] = engine_now(qsr->world->engine);
        }
        qsr->heard.lacks[mab] = now;
    }
}

void world_note_discovery_stop(struct world_qsr *qsr)
{
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        if (lacks(qsr, mab)) {
            qsr->lacked[mab] = true;
            qsr->lacked_until[mab] = engine_now(qsr->world->engine);
        }
    memory_free(qsr->heard.roots);
    qsr->heard.roots = NULL;
}

static void note_root(struct world_qsr *qsr, size_t version)
{
    struct world_heard *heard = &qsr->heard;
    if (version >= heard->root_count) {
        heard->roots = memory_resize(heard->roots, (version + 1) * sizeof(heard->roots[0]));
        memset(heard->roots + heard->root_count, 0, version + 1 - heard->root_count);
        heard->root_count = version + 1;
    }
    heard->roots[version] = true;
}

static void note_servers(struct world_qsr *qsr, const struct dns_question *question, size_t version)
{
    char label[DNS_LABEL_TEXT_MAX];
    if (sscanf(question->name, "_ivip-qsa._udp.%63[^.]", label) != 1)
        return;
    size_t dsoc = zone_dsoc(label);
    if (dsoc == ZONE_DSOCS)
        return;
    memcpy(qsr->heard.before[dsoc], qsr->heard.named[dsoc], sizeof(qsr->heard.named[dsoc]));
    memcpy(qsr->heard.named[dsoc], qsr->world->dns.zone.versions[version].named[dsoc],
           sizeof(qsr->heard.named[dsoc]));
}

void world_note_dns(struct world_qsr *qsr, const struct dns_question *question,
                    const struct dns_answer *answer, size_t version)
{
    if (answer->outcome != DNS_SECURE && answer->outcome != DNS_NOTHING)
        return;
    if (strcmp(question->name, MAB_PAGE_LABEL "." ZONE_DOMAIN) == 0)
        note_root(qsr, version);
    else if (question->type == DNS_SRV)
        note_servers(qsr, question, version);
}

void world_note_found(struct world_finder *finder, const struct dns_question *question,
                      const struct dns_answer *answer, size_t version)
{
    const struct zone *zone = &finder->world->dns.zone;
    bool qscs = strcmp(question->name, "_ivip-qsc._udp." ZONE_ISP) == 0;
    if (answer->outcome != DNS_SECURE || question->type != DNS_SRV)
        return;
    for (size_t i = 0; i < zone->isp_count; i++)
        if (zone->isp[i].qsc == qscs && !zone->versions[version].hidden[i])
            finder->named[i] = true;
}

// One version, that it heard of

// Versions with the same set of MABs have the same page.
static bool was_told(const struct world_qsr *qsr, const char *page)
{
    for (size_t i = 0; i < qsr->heard.root_count; i++) {
        const struct mab_pages *pages = &qsr->world->dns.zone.versions[i].pages;
        if (qsr->heard.roots[i] && strcmp(pages->items[pages->count - 1].name, page) == 0)
            return true;
    }
    return false;
}

static bool has_set(const struct world_qsr *qsr, const struct zone_version *version)
{
    const struct zone *zone = &qsr->world->dns.zone;
    const struct mab_table *mabs = discovery_mabs(qsr->discovery);
    size_t listed = 0;
    size_t refused = 0;
    for (size_t mab = 0; mab < ZONE_MABS; mab++) {
        uint32_t number = 0;
        bool found = mab_table_find(mabs, &zone->mabs[mab].address, &number);
        bool should = version->dsoc[mab] != ZONE_UNLISTED;
        const char *label = found ? discovery_label(qsr->discovery, number) : NULL;
        listed += should;
        if (should != (label != NULL) ||
            (should && strcmp(label, zone_label(version->dsoc[mab])) != 0))
            return false;
    }
    (void)discovery_refused(qsr->discovery, &refused);
    return mab_table_count(mabs) == listed && refused == version->refuses;
}

void world_check_version(struct world_qsr *qsr)
{
    struct world *world = qsr->world;
    const char *page = discovery_page(qsr->discovery);
    size_t version = zone_with_page(&world->dns.zone, page);
    world_note_lacking(qsr);
    if (version == SIZE_MAX || !was_told(qsr, page))
        world_fail(world, WORLD_CHECK_DISCOVERY, "%s takes over a set of MABs (page %s) that %s",
                   qsr->name, page,
                   version == SIZE_MAX ? "nobody published" : "DNS did not tell it of");
    else if (!has_set(qsr, &world->dns.zone.versions[version]))
        world_fail(world, WORLD_CHECK_DISCOVERY,
                   "%s has a set of MABs that is not that of version %zu", qsr->name, version);
}

// Only servers that DNS named

static bool is_server(const struct world_qsr *qsr, uint32_t dsoc, const struct endpoint *to)
{
    size_t count = 0;
    const struct service_server *servers = discovery_servers(qsr->discovery, dsoc, &count);
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&servers[i].endpoint, to))
            return true;
    return false;
}

static bool serves_anything(const struct world_qsr *qsr, const struct endpoint *to)
{
    for (uint32_t dsoc = 0; dsoc < DISCOVERY_DSOCS_MAX; dsoc++)
        if (discovery_label(qsr->discovery, dsoc) != NULL && is_server(qsr, dsoc, to))
            return true;
    return false;
}

void world_check_asked(struct world_qsr *qsr, const struct endpoint *to,
                       const struct query_message *message)
{
    struct world *world = qsr->world;
    char server[ENDPOINT_TEXT_MAX];
    char address[ADDRESS_TEXT_MAX];
    uint32_t dsoc = 0;
    if (message->type == MESSAGE_ALIVE_REQUEST && !serves_anything(qsr, to))
        world_fail(world, WORLD_CHECK_DISCOVERY, "%s measures %s, which DNS does not name",
                   qsr->name, endpoint_print(to, server));
    if (message->type != MESSAGE_MAP_REQUEST)
        return;
    if (!mab_table_find(discovery_mabs(qsr->discovery), &message->question, &dsoc))
        world_fail(world, WORLD_CHECK_DISCOVERY, "%s asks %s for %s, which is in no MAB of its",
                   qsr->name, endpoint_print(to, server),
                   address_print(&message->question, address));
    else if (!is_server(qsr, dsoc, to))
        world_fail(world, WORLD_CHECK_DISCOVERY,
                   "%s asks %s for %s, and DNS does not name it for that MAB", qsr->name,
                   endpoint_print(to, server), address_print(&message->question, address));
}

static bool is_located(const struct world_finder *finder, const struct endpoint *to)
{
    size_t count = 0;
    const struct service_server *servers = locator_servers(finder->locator, &count);
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&servers[i].endpoint, to))
            return true;
    return false;
}

static bool was_named(const struct world_finder *finder, const struct endpoint *to)
{
    const struct zone *zone = &finder->world->dns.zone;
    for (size_t i = 0; i < zone->isp_count; i++)
        if (finder->named[i] && endpoint_equal(&zone->isp[i].endpoint, to))
            return true;
    return false;
}

void world_check_found(const struct world_finder *finder, const struct endpoint *to)
{
    char server[ENDPOINT_TEXT_MAX];
    if (!is_located(finder, to) || !was_named(finder, to))
        world_fail(finder->world, WORLD_CHECK_DISCOVERY, "%s asks %s, which its ISP does not name",
                   finder->name, endpoint_print(to, server));
}

// The list of a DSOC comes from one of the last two answers, the older one while the addresses of
// the newer are still asked for.
static void check_servers(struct world_qsr *qsr, uint32_t number, const char *label)
{
    struct world *world = qsr->world;
    size_t count = 0;
    size_t dsoc = zone_dsoc(label);
    const struct service_server *servers = discovery_servers(qsr->discovery, number, &count);
    for (size_t i = 0; i < count; i++) {
        size_t qsa = 0;
        while (qsa < world->qsa_count &&
               !endpoint_equal(&world->dns.zone.qsas[qsa], &servers[i].endpoint))
            qsa++;
        if (qsa == world->qsa_count ||
            (!qsr->heard.named[dsoc][qsa] && !qsr->heard.before[dsoc][qsa]))
            world_fail(world, WORLD_CHECK_DISCOVERY,
                       "%s lists a server for %s that DNS did not name", qsr->name, label);
    }
}

void world_check_discovery(struct world *world)
{
    for (size_t i = 0; i < world->qsr_count; i++) {
        struct world_qsr *qsr = &world->qsrs[i];
        if (qsr->discovery == NULL || discovery_page(qsr->discovery)[0] == '\0')
            continue;
        world_check_version(qsr);
        for (uint32_t number = 0; number < DISCOVERY_DSOCS_MAX; number++) {
            const char *label = discovery_label(qsr->discovery, number);
            if (label != NULL)
                check_servers(qsr, number, label);
        }
    }
}

// Who failed to get an answer was told "not in a MAB" since it asked. Whoever says so of a MAB
// lacks it then: what others said is neither kept nor passed on by those who know better.
void world_check_not_in_mab(struct world_itr *itr, const struct querier_event *failed)
{
    struct world *world = itr->world;
    struct instant now = engine_now(world->engine);
    size_t mab = failed->question.family == FAMILY_IPV6;
    if (!prefix_contains(&world->master.prefixes[mab], &failed->question))
        return;
    for (size_t i = 0; i < world->qsr_count; i++) {
        const struct world_qsr *qsr = &world->qsrs[i];
        if (lacks(qsr, mab))
            return;
        if (qsr->lacked[mab] && instant_since(now, qsr->lacked_until[mab]).ns <= failed->waited.ns)
            return;
    }
    world_fail(world, WORLD_CHECK_DISCOVERY,
               "%s hears that an address of a MAB is in none, and all servers know the MAB",
               itr->name);
}

// All is well

// The QSR has the newest zone: its MABs, and the servers of each of their DSOCs.
static bool has_newest(const struct world_qsr *qsr)
{
    const struct zone *zone = &qsr->world->dns.zone;
    const struct zone_version *newest = zone_now(zone);
    if (qsr->discovery == NULL || !has_set(qsr, newest))
        return false;
    for (uint32_t number = 0; number < DISCOVERY_DSOCS_MAX; number++) {
        const char *label = discovery_label(qsr->discovery, number);
        size_t named = 0;
        if (label == NULL)
            continue;
        for (size_t qsa = 0; qsa < zone->qsa_count; qsa++) {
            bool should = newest->named[zone_dsoc(label)][qsa];
            named += should;
            if (should != is_server(qsr, number, &zone->qsas[qsa]))
                return false;
        }
        if (querier_group_size(qsr_querier(qsr->qsr), number) != named)
            return false;
    }
    return strcmp(qsr->pages.root.page, discovery_page(qsr->discovery)) == 0;
}

// It has the servers that the newest zone names for such as it: a QSC asks QSRs only.
static bool has_located(const struct world_finder *finder)
{
    const struct zone *zone = &finder->world->dns.zone;
    const struct zone_version *newest = zone_now(zone);
    size_t named = 0;
    size_t count = 0;
    for (size_t i = 0; i < zone->isp_count; i++) {
        bool should = finder->of_itr ? zone_serves_itrs(zone, newest, i)
                                     : !newest->hidden[i] && !zone->isp[i].qsc;
        named += should;
        if (should != is_located(finder, &zone->isp[i].endpoint))
            return false;
    }
    (void)locator_servers(finder->locator, &count);
    return count == named;
}

// Who finds its servers and has not; NULL: there is nobody.
static const struct world_finder *find_lost(struct world *world)
{
    for (size_t node = 0; node < world->config.node_count; node++) {
        const struct world_finder *finder = world_finder_of(world, node);
        if (finder != NULL && !has_located(finder))
            return finder;
    }
    return NULL;
}

static bool is_discoverer(const struct world_qsr *qsr)
{
    return qsr->discovers && !qsr->qsc;
}

bool world_all_discovered(struct world *world)
{
    for (size_t i = 0; i < world->qsr_count; i++)
        if (is_discoverer(&world->qsrs[i]) && !has_newest(&world->qsrs[i]))
            return false;
    return find_lost(world) == NULL && world_all_listed(world);
}

void world_check_discovered(struct world *world)
{
    const struct world_finder *lost = find_lost(world);
    if (lost != NULL)
        world_fail(world, WORLD_CHECK_DISCOVERY,
                   "%s does not find the servers of its ISP when all is well again", lost->name);
    for (size_t i = 0; i < world->qsr_count; i++)
        if (is_discoverer(&world->qsrs[i]) && !has_newest(&world->qsrs[i]))
            world_fail(world, WORLD_CHECK_DISCOVERY,
                       "%s does not find what the zone says when all is well again",
                       world->qsrs[i].name);
    world_check_listed(world);
}
