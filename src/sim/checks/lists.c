// SPDX-License-Identifier: BSD-2-Clause
// Invariants of the set of MABs as query servers tell it: each set that an ITR or a QSC takes over
// is one that was published, whole, and that one of its servers told it of; with nothing in the way
// it is that of its server before long; when all is well, that of the zone, or of the QSAs.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <string.h>

// How long a set may be another one than that of the server in use, with nothing in the way: the
// list polls (LIST_POLL_MS), rests after all servers failed (LIST_REST_MS_MAX), finds out that a
// server is dead (its tries), and waits for a version that was incomplete.
#define LIST_STALE_MS 18000

static bool same_root(const struct mab_root *a, const struct mab_root *b)
{
    return a->level == b->level && strcmp(a->page, b->page) == 0;
}

// Being told

void world_note_page(struct world *world, const struct engine_datagram *datagram,
                     const struct page_message *reply)
{
    struct world_list *list = world_list_of(world, datagram->to_node);
    if (list == NULL || datagram->from_node == world->attacker || reply->root.page[0] == '\0')
        return;
    for (size_t i = 0; i < list->root_count; i++)
        if (same_root(&list->roots[i], &reply->root))
            return;
    list->roots = memory_resize(list->roots, (list->root_count + 1) * sizeof(*list->roots));
    list->roots[list->root_count++] = reply->root;
}

static bool was_told(const struct world_list *list, const struct mab_root *root)
{
    for (size_t i = 0; i < list->root_count; i++)
        if (same_root(&list->roots[i], root))
            return true;
    return false;
}

// One version

static bool has(const struct prefix *prefixes, size_t count, const struct prefix *prefix)
{
    for (size_t i = 0; i < count; i++)
        if (prefix_equal(&prefixes[i], prefix))
            return true;
    return false;
}

// The MABs of the set that the version lists, each of which must be there, in any order.
static bool has_mabs(const struct zone *zone, const struct zone_version *version,
                     const struct mab_set *set)
{
    size_t listed = 0;
    for (size_t mab = 0; mab < ZONE_MABS; mab++) {
        if (version->dsoc[mab] == ZONE_UNLISTED)
            continue;
        listed++;
        if (!has(set->mabs, set->mab_count, &zone->mabs[mab]))
            return false;
    }
    return set->mab_count == listed;
}

static bool has_refused(const struct zone *zone, bool refuses, const struct mab_set *set)
{
    return set->refused_count == refuses &&
           (!refuses || prefix_equal(&set->refused[0], &zone->refused));
}

// The set of a QSA: the MABs of the master and what is refused.
static bool is_of_site(const struct zone *zone, const struct mab_root *root,
                       const struct mab_set *set)
{
    const struct mab_page *last = &zone->site.items[zone->site.count - 1];
    bool all = set->mab_count == MASTER_MABS && has_refused(zone, true, set);
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        all = all && has(set->mabs, set->mab_count, &zone->mabs[mab]);
    return all && strcmp(last->name, root->page) == 0;
}

void world_check_list(const struct world_list *list)
{
    const struct zone *zone = &list->world->dns.zone;
    const struct mab_root *root = mab_list_root(list->list);
    const struct mab_set *set = mab_list_set(list->list);
    size_t version = zone_with_page(zone, root->page);
    if (!was_told(list, root))
        world_fail(list->world, WORLD_CHECK_DISCOVERY,
                   "%s takes over a set of MABs (page %s) that no server told it of", list->name,
                   root->page);
    else if (version == SIZE_MAX ? !is_of_site(zone, root, set)
                                 : !has_mabs(zone, &zone->versions[version], set) ||
                                       !has_refused(zone, zone->versions[version].refuses, set))
        world_fail(list->world, WORLD_CHECK_DISCOVERY,
                   "%s has a set of MABs (page %s) that nobody published", list->name, root->page);
}

// That of the server

// What a node tells of the set, if anything.
static const struct world_pages *pages_of(const struct world *world, size_t node)
{
    const struct world_pages *pages = NULL;
    if (node < world->qsa_count)
        pages = &world->qsas[node].pages;
    else if (node < world->qsa_count + world->qsr_count)
        pages = &world->qsrs[node - world->qsa_count].pages;
    return pages == NULL || pages->root.page[0] == '\0' ? NULL : pages;
}

static size_t server_of(const struct world_list *list)
{
    const struct endpoint *server = mab_list_server(list->list);
    return server == NULL ? ENGINE_NOBODY : world_node_at(list->world, server);
}

static struct instant later(struct instant a, struct instant b)
{
    return instant_before(a, b) ? b : a;
}

// Nothing is in the way between a list and its server, and has not been for long enough.
static bool is_due(const struct world_list *list, size_t server, const struct world_pages *pages)
{
    struct world *world = list->world;
    const struct network *network = engine_network(world->engine);
    if (!engine_node_up(world->engine, server) || network_is_cut(network, list->node, server) ||
        network_is_cut(network, server, list->node))
        return false;
    struct instant since = later(later(world->disturbed, list->disturbed), pages->since);
    return instant_since(engine_now(world->engine), since).ns > duration_ms(LIST_STALE_MS).ns;
}

// Where nothing is lost on the way; else there is no limit to what may take how long.
static bool is_clear(const struct world *world)
{
    const struct path_conditions *paths = &world->config.paths;
    return world->quiet || (paths->loss == 0 && paths->delayed == 0 && paths->rate == 0 &&
                            world->config.link_count == 0);
}

static void check_fresh(const struct world_list *list)
{
    size_t server = server_of(list);
    const struct world_pages *pages =
        server == ENGINE_NOBODY ? NULL : pages_of(list->world, server);
    if (pages == NULL || !is_due(list, server, pages) ||
        same_root(&pages->root, mab_list_root(list->list)))
        return;
    const char *page = mab_list_root(list->list)->page;
    world_fail(list->world, WORLD_CHECK_DISCOVERY,
               "%s has the set of page %s; that of its server %s has been %s for long", list->name,
               page[0] == '\0' ? "(none)" : page, list->world->config.nodes[server].name,
               pages->root.page);
}

void world_check_lists(struct world *world)
{
    for (size_t node = 0; is_clear(world) && node < world->config.node_count; node++) {
        const struct world_list *list = world_list_of(world, node);
        if (list != NULL)
            check_fresh(list);
    }
}

// All is well

// Its server has told it what there is; who tells the server is looked at, too.
static bool has_servers_set(const struct world_list *list)
{
    size_t server = server_of(list);
    const struct world_pages *pages =
        server == ENGINE_NOBODY ? NULL : pages_of(list->world, server);
    return pages != NULL && same_root(&pages->root, mab_list_root(list->list));
}

bool world_all_listed(struct world *world)
{
    for (size_t node = 0; node < world->config.node_count; node++) {
        const struct world_list *list = world_list_of(world, node);
        if (list != NULL && !has_servers_set(list))
            return false;
    }
    return true;
}

void world_check_listed(struct world *world)
{
    for (size_t node = 0; node < world->config.node_count; node++) {
        const struct world_list *list = world_list_of(world, node);
        if (list == NULL)
            continue;
        world_check_list(list);
        if (!has_servers_set(list))
            world_fail(world, WORLD_CHECK_DISCOVERY,
                       "%s does not have the set of MABs of its servers when all is well again",
                       list->name);
    }
}

void world_check_outside(struct world *world)
{
    char text[ADDRESS_TEXT_MAX];
    for (size_t n = 0; n < world->itr_count && !world->report.failed; n++)
        for (size_t mab = 0; mab < ZONE_MABS; mab++) {
            struct world_itr *itr = &world->itrs[n];
            const struct address *address = &world->dns.zone.mabs[mab].address;
            bool passes = world_itr_passes(itr, address);
            if (passes == world_itr_serves(itr, address))
                world_fail(world, WORLD_CHECK_FORWARDING,
                           "%s %s a packet to %s, which is in %s MAB", itr->name,
                           passes ? "lets go" : "takes", address_print(address, text),
                           passes ? "a" : "no");
        }
}
