// SPDX-License-Identifier: BSD-2-Clause
// A caching ITR: the servers that it asks are configured, or found below the domain of its network.
#include "node/tunnel/role_itr_state.h"

#include <string.h>

#define QUESTIONS_MAX 4096

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct role_itr *role = state;
    querier_input(role->querier, node_now(role->node), from, bytes, length);
}

static void on_datagrams_end(void *state)
{
    role_itr_drive(state);
}

static void on_servers(void *state, const struct querier_server *servers, size_t count)
{
    struct role_itr *role = state;
    querier_set_group(role->querier, node_now(role->node), 0, servers, count);
    role_itr_drive(role);
}

static bool open_finder(struct role_itr *role, const struct config_itr *config, struct error *error)
{
    const struct upstream_finder_config finder = {
        .role = "itr",
        .domain = config->domain,
        .trust_anchor = config->trust_anchor,
        .dns = &config->dns,
        .dnssec = config->dnssec,
        .asks_qscs = true,
    };
    role->finder = upstream_finder_open(role->node, &finder, on_servers, role, error);
    return role->finder != NULL;
}

bool role_itr_use_upstreams(struct role_itr *role, struct error *error)
{
    const struct config_itr *config = node_config(role->node)->itr;
    struct querier_config querier = {.open_max = QUESTIONS_MAX, .cached_max = ITR_CACHED_MAX};
    struct endpoint any = {.address = {.family = FAMILY_IPV6}};
    for (size_t i = 0; i < config->upstreams.count && i < QUERIER_UPSTREAMS_MAX; i++)
        querier.upstreams[querier.upstream_count++] = config->upstreams.items[i];
    role->querier = querier_new(&querier, node_seed(role->node), node_now(role->node));
    role->udp = udp_open(role->node, &any, on_datagram, on_datagrams_end, role, error);
    return role->udp != NULL && (config->upstreams.count > 0 || open_finder(role, config, error));
}

void role_itr_leave_upstreams(struct role_itr *role)
{
    upstream_finder_close(role->finder);
    if (role->udp != NULL)
        udp_close(role->udp);
    querier_free(role->querier);
}

bool role_itr_ask(struct role_itr *role, const struct address *address)
{
    return querier_group_size(role->querier, 0) > 0 &&
           querier_ask(role->querier, node_now(role->node), address);
}

static bool same_endpoints(const struct config_endpoints *a, const struct config_endpoints *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = endpoint_equal(&a->items[i], &b->items[i]);
    return same;
}

bool role_itr_same_upstreams(const struct config_itr *a, const struct config_itr *b)
{
    return same_endpoints(&a->upstreams, &b->upstreams) && strcmp(a->domain, b->domain) == 0 &&
           strcmp(a->trust_anchor, b->trust_anchor) == 0 && same_endpoints(&a->dns, &b->dns) &&
           a->dnssec == b->dnssec;
}

// MABs

static bool contains(const struct config_prefixes *prefixes, const struct prefix *prefix)
{
    for (size_t i = 0; i < prefixes->count; i++)
        if (prefix_equal(&prefixes->items[i], prefix))
            return true;
    return false;
}

void role_itr_follow_config(struct role_itr *role, const struct config_itr *config)
{
    for (size_t i = mab_routes_count(role->mabs); i > 0; i--) {
        bool served;
        struct prefix mab = *mab_routes_at(role->mabs, i - 1, &served);
        if (!contains(&config->mabs, &mab))
            role_itr_remove_mab(role, &mab);
    }
    for (size_t i = 0; i < config->mabs.count; i++)
        role_itr_add_mab(role, &config->mabs.items[i]);
    itr_set_refused(role->itr, config->refuse.items, config->refuse.count);
}
