// SPDX-License-Identifier: BSD-2-Clause
// A full-database ITR: its mappings are the databases that the QSA of the same node keeps in step.
//
// The QSA says that something changed; the ITR looks at it on its next watch (WATCH_MS), not from
// within the QSA's own work, where a database may be half replaced.
#include "node/tunnel/role_itr_state.h"

#include "base/memory.h"
#include "node/query/role_qsa.h"

static void mabs_changed(void *state)
{
    struct role_itr *role = state;
    role->mabs_due = true;
}

static void refused_changed(void *state)
{
    struct role_itr *role = state;
    role->refused_due = true;
}

bool role_itr_use_qsa(struct role_itr *role, struct error *error)
{
    role->qsa = node_role(role->node, "qsa");
    if (role->qsa == NULL)
        return error_set(error, ERROR_INPUT, "no-qsa",
                         "an itr without upstreams takes its mappings from the qsa of its own "
                         "node: configure one, or itr.upstreams");
    itr_set_database(role->itr, role_qsa_database(role->qsa));
    struct role_qsa_watcher watcher = {role, mabs_changed, refused_changed};
    role_qsa_watch(role->qsa, &watcher);
    role->mabs_due = true;
    role->refused_due = true;
    return true;
}

// Of the MABs that the QSA knows, config may leave some to other ITRs.
static bool wanted(const struct role_itr *role, const struct prefix *mab)
{
    const struct config_prefixes *mabs = &node_config(role->node)->itr->mabs;
    for (size_t i = 0; i < mabs->count; i++)
        if (prefix_equal(&mabs->items[i], mab))
            return true;
    return mabs->count == 0;
}

static void follow_mabs(struct role_itr *role)
{
    size_t count = role_qsa_mab_count(role->qsa);
    role->mabs_due = false;
    mab_routes_begin_set(role->mabs);
    for (size_t i = 0; i < count; i++) {
        struct prefix mab;
        bool in_step = role_qsa_mab(role->qsa, i, &mab);
        if (!wanted(role, &mab))
            continue;
        role_itr_add_mab(role, &mab);
        if (!mab_routes_set(role->mabs, &mab, in_step))
            role->mabs_due = true; // the kernel refused: try again
    }
    for (size_t i = mab_routes_count(role->mabs); i > 0; i--) {
        bool served;
        struct prefix mab = *mab_routes_at(role->mabs, i - 1, &served);
        if (mab_routes_unset(role->mabs, i - 1))
            role_itr_remove_mab(role, &mab);
    }
}

static void follow_refused(struct role_itr *role)
{
    size_t count;
    const struct prefix *refused = role_qsa_refused(role->qsa, &count);
    const struct address *self = &node_config(role->node)->itr->fallback_at;
    size_t mabs = role_qsa_mab_count(role->qsa);
    struct prefix *all = memory_new_array(count + mabs + 1, sizeof(*all));
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        all[used++] = refused[i];
    for (size_t i = 0; i < mabs; i++) {
        (void)role_qsa_mab(role->qsa, i, &all[used]);
        used += !wanted(role, &all[used]);
    }
    // What was tunnelled there would be taken for handed over, and come back.
    if (self->family != FAMILY_NONE)
        all[used++] = (struct prefix){*self, self->family == FAMILY_IPV6 ? 128 : 32};
    role->refused_due = false;
    itr_set_refused(role->itr, all, used);
    memory_free(all);
}

void role_itr_follow_qsa(struct role_itr *role)
{
    // First what is refused, so that no packet goes there when a MAB becomes ready.
    if (role->refused_due || role->mabs_due)
        follow_refused(role);
    if (role->mabs_due)
        follow_mabs(role);
}

void role_itr_leave_qsa(struct role_itr *role)
{
    if (role->qsa != NULL)
        role_qsa_watch(role->qsa, NULL);
}
