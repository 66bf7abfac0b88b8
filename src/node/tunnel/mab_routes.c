// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/mab_routes.h"

#include "base/log.h"
#include "base/memory.h"
#include "mapping/mab_table.h"
#include "node/tunnel/routes.h"

#include <assert.h>
#include <string.h>

struct mab {
    struct prefix prefix;
    bool served;
    bool refused;      // the kernel did not take the route, and that was said
    bool vouched;      // query servers list it
    unsigned failures; // in a row
    uint64_t set;      // the generation in which it was last named
    struct instant answered;
};

struct mab_routes {
    unsigned index;
    uint8_t protocol;
    struct mab_table *table; // prefix -> place in `all`
    struct mab *all;
    size_t count;
    size_t capacity;
    size_t served;
    uint64_t generation;
    bool told;          // the set of those vouched for
    size_t settle_left; // places still to look at; 0: all is as it should be
    size_t settle_next;
    size_t check_next; // place of the route looked at next
    bool hidden;       // the kernel does not show them, so nobody looks
    size_t probe_next; // place where the search for the next probe goes on
    size_t probe_left; // places still to look at in this round
    size_t probes;     // given out in this round
};

struct mab_routes *mab_routes_new(unsigned index, uint8_t protocol)
{
    struct mab_routes *mabs = memory_new(sizeof(*mabs));
    mabs->index = index;
    mabs->protocol = protocol;
    mabs->table = mab_table_new();
    return mabs;
}

static void set_served_at(struct mab_routes *mabs, struct mab *mab, bool served,
                          enum log_level level, const char *why)
{
    char text[PREFIX_TEXT_MAX];
    struct error error;
    if (mab->served == served)
        return;
    bool done = served ? routes_add(&mab->prefix, mabs->index, mabs->protocol, &error)
                       : routes_remove(&mab->prefix, mabs->index, mabs->protocol, &error);
    if (!done && !mab->refused)
        log_error("itr", "%s", error.text); // once, not for each answer of a query server
    mab->refused = !done;
    if (!done && served)
        return; // tried again with the next answer
    mab->served = served;
    mabs->served = served ? mabs->served + 1 : mabs->served - 1;
    log_write(level, "itr", "MAB %s: %s", prefix_print(&mab->prefix, text), why);
}

static void set_served(struct mab_routes *mabs, struct mab *mab, bool served, const char *why)
{
    set_served_at(mabs, mab, served, LOG_LEVEL_INFO, why);
}

void mab_routes_free(struct mab_routes *mabs)
{
    if (mabs == NULL)
        return;
    for (size_t i = 0; i < mabs->count; i++)
        set_served_at(mabs, &mabs->all[i], false,
                      mabs->all[i].vouched ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
                      "route withdrawn, the ITR ends");
    mab_table_free(mabs->table);
    memory_free(mabs->all);
    memory_free(mabs);
}

bool mab_routes_add(struct mab_routes *mabs, const struct prefix *mab)
{
    if (!mab_table_add(mabs->table, mab, (uint32_t)mabs->count, NULL))
        return false;
    if (mabs->count == mabs->capacity) {
        mabs->capacity = mabs->capacity == 0 ? 16 : mabs->capacity * 2;
        mabs->all = memory_resize(mabs->all, mabs->capacity * sizeof(struct mab));
    }
    mabs->all[mabs->count++] = (struct mab){.prefix = *mab};
    return true;
}

// mab_routes_settle has something to do.
static void look_at_all(struct mab_routes *mabs)
{
    mabs->settle_left = mabs->count;
}

// The MAB that covers an address, or NULL.
static struct mab *find(struct mab_routes *mabs, const struct address *address)
{
    uint32_t place;
    return mab_table_find(mabs->table, address, &place) ? &mabs->all[place] : NULL;
}

void mab_routes_remove(struct mab_routes *mabs, const struct prefix *mab)
{
    struct mab *found = find(mabs, &mab->address);
    if (found == NULL || !prefix_equal(&found->prefix, mab))
        return;
    set_served(mabs, found, false, "route withdrawn, the MAB is no more");
    (void)mab_table_remove(mabs->table, mab);
    // The last one takes its place.
    struct mab *last = &mabs->all[--mabs->count];
    if (mabs->settle_left > 0)
        look_at_all(mabs);
    if (last == found)
        return;
    *found = *last;
    (void)mab_table_remove(mabs->table, &found->prefix);
    bool added = mab_table_add(mabs->table, &found->prefix, (uint32_t)(found - mabs->all), NULL);
    assert(added);
    (void)added;
}

bool mab_routes_set(struct mab_routes *mabs, const struct prefix *mab, bool served)
{
    struct mab *found = find(mabs, &mab->address);
    if (found == NULL || !prefix_equal(&found->prefix, mab))
        return false;
    found->set = mabs->generation;
    set_served(mabs, found, served,
               served ? "in step, route added" : "not in step, route withdrawn");
    return found->served == served;
}

void mab_routes_name(struct mab_routes *mabs, const struct prefix *mab, bool vouched)
{
    struct mab *found = find(mabs, &mab->address);
    if (found == NULL || !prefix_equal(&found->prefix, mab))
        return;
    found->set = mabs->generation;
    if (vouched && !found->served)
        look_at_all(mabs);
    found->vouched = vouched;
}

void mab_routes_set_vouched(struct mab_routes *mabs, bool told)
{
    if (mabs->told != told)
        look_at_all(mabs);
    mabs->told = told;
}

void mab_routes_settle(struct mab_routes *mabs)
{
    size_t changed = 0;
    for (; mabs->settle_left > 0 && changed < MAB_SETTLED_MAX; mabs->settle_left--) {
        mabs->settle_next = mabs->settle_next + 1 < mabs->count ? mabs->settle_next + 1 : 0;
        struct mab *mab = &mabs->all[mabs->settle_next];
        bool wanted = mabs->told && mab->failures < MAB_FAILURES_MAX;
        if (!mab->vouched || mab->served == wanted)
            continue;
        set_served_at(mabs, mab, wanted, LOG_LEVEL_DEBUG, // they come by the thousand
                      wanted ? "query servers list it, route added"
                             : "no query server answers, route withdrawn");
        changed++;
        if (mab->served != wanted) { // the kernel refused: later
            look_at_all(mabs);
            return;
        }
    }
}

bool mab_routes_check(struct mab_routes *mabs)
{
    if (mabs->served == 0 || mabs->hidden)
        return true;
    do
        mabs->check_next = mabs->check_next + 1 < mabs->count ? mabs->check_next + 1 : 0;
    while (!mabs->all[mabs->check_next].served);
    char text[PREFIX_TEXT_MAX];
    struct mab *mab = &mabs->all[mabs->check_next];
    struct error error;
    if (routes_there(&mab->prefix, mabs->index))
        return true;
    bool back = routes_add(&mab->prefix, mabs->index, mabs->protocol, &error);
    if (back && !routes_there(&mab->prefix, mabs->index)) {
        log_info("itr",
                 "routing rules of this host hide the routes of MABs; whether they are there "
                 "is not looked at");
        mabs->hidden = true;
        return true;
    }
    log_warning("itr", "the route of %s was taken away from outside; all are added again",
                prefix_print(&mab->prefix, text));
    for (size_t i = 0; i < mabs->count; i++)
        mabs->all[i].served = false;
    mab->served = back;
    mabs->served = back ? 1 : 0;
    look_at_all(mabs);
    return false;
}

void mab_routes_begin_set(struct mab_routes *mabs)
{
    mabs->generation++;
}

bool mab_routes_unset(const struct mab_routes *mabs, size_t i)
{
    assert(i < mabs->count);
    return mabs->all[i].set != mabs->generation;
}

void mab_routes_answered(struct mab_routes *mabs, struct instant now, const struct address *address)
{
    struct mab *mab = find(mabs, address);
    if (mab == NULL)
        return;
    mab->failures = 0;
    mab->answered = now;
    set_served(mabs, mab, true, "a query server answers, route added");
}

void mab_routes_failed(struct mab_routes *mabs, const struct address *address)
{
    struct mab *mab = find(mabs, address);
    if (mab == NULL)
        return;
    if (mab->failures < MAB_FAILURES_MAX)
        mab->failures++;
    if (mab->failures == MAB_FAILURES_MAX)
        set_served(mabs, mab, false, "no query server answers, route withdrawn");
}

void mab_routes_begin_probes(struct mab_routes *mabs)
{
    mabs->probe_left = mabs->count;
    mabs->probes = 0;
}

static bool wants_probe(const struct mab *mab, struct instant now)
{
    if (mab->vouched)
        return mab->failures > 0;
    return !mab->served || mab->failures > 0 ||
           instant_since(now, mab->answered).ns >= duration_s(MAB_QUIET_SECONDS).ns;
}

bool mab_routes_next_probe(struct mab_routes *mabs, struct instant now, struct address *address)
{
    for (; mabs->probe_left > 0 && mabs->probes < MAB_PROBES_MAX; mabs->probe_left--) {
        mabs->probe_next = mabs->probe_next + 1 < mabs->count ? mabs->probe_next + 1 : 0;
        const struct mab *mab = &mabs->all[mabs->probe_next];
        if (wants_probe(mab, now)) {
            mabs->probe_left--;
            mabs->probes++;
            *address = mab->prefix.address;
            return true;
        }
    }
    return false;
}

size_t mab_routes_count(const struct mab_routes *mabs)
{
    return mabs->count;
}

const struct prefix *mab_routes_at(const struct mab_routes *mabs, size_t i, bool *served)
{
    assert(i < mabs->count);
    *served = mabs->all[i].served;
    return &mabs->all[i].prefix;
}

size_t mab_routes_served(const struct mab_routes *mabs)
{
    return mabs->served;
}
