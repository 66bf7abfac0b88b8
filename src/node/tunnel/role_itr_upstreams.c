// SPDX-License-Identifier: BSD-2-Clause
// A caching ITR: the servers that it asks are configured, or found below the domain of its network,
// and tell it which MABs there are.
#include "node/tunnel/role_itr_state.h"

#include "base/memory.h"

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
    list_client_set_servers(role->list, servers, count);
    role_itr_drive(role);
}

static void follow_version(struct role_itr *role);

static void on_list(void *state, enum mab_list_event event)
{
    struct role_itr *role = state;
    mab_routes_set_vouched(role->mabs, event != MAB_LIST_LOST);
    if (event == MAB_LIST_VERSION)
        follow_version(role);
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
    querier_set_mabs_known(role->querier, true);
    role->udp = udp_open(role->node, &any, on_datagram, on_datagrams_end, role, error);
    role->list = list_client_open(role->node, "itr", on_list, role, error);
    if (role->udp == NULL || role->list == NULL)
        return false;
    list_client_keep(role->list);
    if (config->upstreams.count == 0)
        return open_finder(role, config, error);
    list_client_set_endpoints(role->list, querier.upstreams, querier.upstream_count);
    return true;
}

void role_itr_leave_upstreams(struct role_itr *role)
{
    upstream_finder_close(role->finder);
    list_client_close(role->list);
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

// No MAB of others, and nothing that is refused there or here, may be tunnelled to.
static void set_refused(struct role_itr *role, const struct config_itr *config,
                        const struct mab_set *set)
{
    size_t most = config->refuse.count + set->refused_count + set->mab_count;
    struct prefix *all = memory_new_array(most + 1, sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < config->refuse.count; i++)
        all[count++] = config->refuse.items[i];
    for (size_t i = 0; i < set->refused_count; i++)
        all[count++] = set->refused[i];
    for (size_t i = 0; config->mabs.count > 0 && i < set->mab_count; i++)
        if (!contains(&config->mabs, &set->mabs[i]))
            all[count++] = set->mabs[i];
    itr_set_refused(role->itr, all, count);
    memory_free(all);
}

// MABs that nobody names any more go.
static void drop_unnamed(struct role_itr *role)
{
    for (size_t i = mab_routes_count(role->mabs); i > 0; i--) {
        bool served;
        struct prefix mab = *mab_routes_at(role->mabs, i - 1, &served);
        if (mab_routes_unset(role->mabs, i - 1))
            role_itr_remove_mab(role, &mab);
    }
}

// With MABs in the config, these are all: each is served when a query server answers for it. So are
// those of a list that an earlier run kept, until a server confirms it. Without, those of the list.
void role_itr_follow_list(struct role_itr *role, const struct config_itr *config)
{
    const struct mab_list *list = list_client_list(role->list);
    const struct mab_set *set = mab_list_set(list);
    bool listed = config->mabs.count == 0;
    bool vouched = listed && mab_list_confirmed(list);
    const struct prefix *mabs = listed ? set->mabs : config->mabs.items;
    size_t count = listed ? set->mab_count : config->mabs.count;
    set_refused(role, config, set); // first: no packet is to go there when a MAB becomes ready
    mab_routes_begin_set(role->mabs);
    for (size_t i = 0; i < count; i++)
        mab_routes_name(role->mabs, &mabs[i], vouched);
    drop_unnamed(role); // before others come that may overlap them
    for (size_t i = 0; i < count; i++) {
        role_itr_add_mab(role, &mabs[i]);
        mab_routes_name(role->mabs, &mabs[i], vouched);
    }
    role->follows = vouched;
    role->followed = mab_list_counters(list)->versions;
}

// Another version is in force. To look at 200,000 MABs takes longer than packets should wait: where
// those of the version before are followed, only what differs is looked at.
static void follow_version(struct role_itr *role)
{
    const struct config_itr *config = node_config(role->node)->itr;
    const struct mab_list *list = list_client_list(role->list);
    const struct mab_set *set = mab_list_set(list);
    const struct mab_set *before = mab_list_set_before(list);
    const struct prefix *mab;
    if (!role->follows || role->followed + 1 != mab_list_counters(list)->versions) {
        role_itr_follow_list(role, config);
        return;
    }
    set_refused(role, config, set);
    for (size_t at = 0; (mab = mab_set_next_only(before, set, &at)) != NULL;)
        role_itr_remove_mab(role, mab);
    for (size_t at = 0; (mab = mab_set_next_only(set, before, &at)) != NULL;) {
        role_itr_add_mab(role, mab);
        mab_routes_name(role->mabs, mab, true);
    }
    role->followed++;
}
