// SPDX-License-Identifier: BSD-2-Clause
#include "sim/scenario/shrink.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define SECOND 1000000000ull

struct shrinking {
    struct world_config best;
    struct world_report report; // of the best
    const struct shrink_limits *limits;
    size_t runs, runs_max;
};

static bool over(const struct shrinking *shrinking)
{
    return shrinking->runs >= shrinking->runs_max;
}

// Runs a candidate, which is taken over: as the new best where it breaks the same invariant.
static bool try(struct shrinking *shrinking, struct world_config *candidate)
{
    bool good = false;
    if (!over(shrinking) && world_config_check(candidate, NULL)) {
        struct world_report report = world_run(candidate, NULL);
        shrinking->runs++;
        good = report.failed && report.broken == shrinking->report.broken;
        if (good)
            shrinking->report = report;
    }
    if (good) {
        world_config_release(&shrinking->best);
        shrinking->best = *candidate;
    } else
        world_config_release(candidate);
    if (shrinking->limits->progress != NULL)
        shrinking->limits->progress(shrinking->limits->state, shrinking->runs, &shrinking->best);
    return good;
}

// Ends the run where it broke: an invariant of the recovery needs all of it.
static void shorten(struct shrinking *shrinking)
{
    uint64_t least = 0;
    uint64_t most = shrinking->best.length.ns;
    if (shrinking->report.broken != WORLD_CHECK_RECOVERY && shrinking->report.ended.ns < most) {
        most = (shrinking->report.ended.ns / SECOND + 1) * SECOND;
        struct world_config cut = world_config_copy(&shrinking->best);
        cut.length.ns = most;
        (void)try(shrinking, &cut);
        most = shrinking->best.length.ns;
    }
    while (most - least > SECOND && !over(shrinking)) {
        uint64_t middle = (least + most) / 2 / SECOND * SECOND;
        struct world_config half = world_config_copy(&shrinking->best);
        half.length.ns = middle;
        if (middle > 0 && try(shrinking, &half))
            most = middle;
        else
            least = middle > least ? middle : most;
    }
}

static void remove_events(struct world_config *config, size_t first, size_t count)
{
    memmove(&config->events[first], &config->events[first + count],
            (config->event_count - first - count) * sizeof(*config->events));
    config->event_count -= count;
}

static void drop_late_events(struct shrinking *shrinking)
{
    struct world_config early = world_config_copy(&shrinking->best);
    for (size_t i = early.event_count; i-- > 0;)
        if (early.events[i].at.ns > early.length.ns)
            remove_events(&early, i, 1);
    (void)try(shrinking, &early);
}

// Leaves out ever smaller stretches of the list of events.
static void drop_events(struct shrinking *shrinking)
{
    for (size_t size = (shrinking->best.event_count + 1) / 2; size > 0; size /= 2)
        for (size_t first = 0; first < shrinking->best.event_count && !over(shrinking);) {
            struct world_config fewer = world_config_copy(&shrinking->best);
            size_t left = fewer.event_count - first;
            remove_events(&fewer, first, size < left ? size : left);
            if (!try(shrinking, &fewer))
                first += size;
        }
}

// The number of a node once `removed` is gone; the RUAS has none.
static size_t renumber(size_t node, size_t removed)
{
    return node != WORLD_RUAS && node > removed ? node - 1 : node;
}

bool shrink_remove_node(struct world_config *config, size_t removed)
{
    assert(removed < config->node_count);
    for (size_t i = config->event_count; i-- > 0;) {
        struct world_event *event = &config->events[i];
        bool named = event->kind == WORLD_PACKET || event->kind == WORLD_CRASH ||
                     event->kind == WORLD_CUT || event->kind == WORLD_MISSTEP ||
                     event->kind == WORLD_NAME || event->kind == WORLD_MUTE ||
                     event->kind == WORLD_POWER || event->kind == WORLD_DISK;
        bool two = event->kind == WORLD_CUT || event->kind == WORLD_MUTE;
        if (named && (event->node == removed || (two && event->other == removed))) {
            remove_events(config, i, 1);
            continue;
        }
        event->node = renumber(event->node, removed);
        event->other = renumber(event->other, removed);
    }
    size_t kept = 0;
    for (size_t i = 0; i < config->link_count; i++) {
        struct world_link link = config->links[i];
        if (link.from == removed || link.to == removed)
            continue;
        link.from = renumber(link.from, removed);
        link.to = renumber(link.to, removed);
        config->links[kept++] = link;
    }
    config->link_count = kept;
    struct world_node gone = config->nodes[removed];
    config->node_count--;
    memmove(&config->nodes[removed], &config->nodes[removed + 1],
            (config->node_count - removed) * sizeof(*config->nodes));
    for (size_t i = 0; i < config->node_count; i++) {
        struct world_node *node = &config->nodes[i];
        if (node->upstream_count == 1 && node->upstreams[0] == removed) { // ask whom it asked
            memcpy(node->upstreams, gone.upstreams, sizeof(gone.upstreams));
            node->upstream_count = gone.upstream_count;
        }
        size_t count = 0;
        for (size_t n = 0; n < node->upstream_count; n++)
            if (node->upstreams[n] != removed)
                node->upstreams[count++] = renumber(node->upstreams[n], removed);
        node->upstream_count = count;
    }
    return world_config_check(config, NULL);
}

static void drop_nodes(struct shrinking *shrinking)
{
    for (size_t i = shrinking->best.node_count; i-- > 0 && !over(shrinking);) {
        struct world_config fewer = world_config_copy(&shrinking->best);
        if (shrink_remove_node(&fewer, i))
            (void)try(shrinking, &fewer);
        else
            world_config_release(&fewer);
    }
}

// Leaves out one upstream of a node that has several.
static void drop_upstreams(struct shrinking *shrinking)
{
    for (size_t i = 0; i < shrinking->best.node_count; i++)
        for (size_t n = shrinking->best.nodes[i].upstream_count;
             n-- > 0 && shrinking->best.nodes[i].upstream_count > 1 && !over(shrinking);) {
            struct world_config fewer = world_config_copy(&shrinking->best);
            struct world_node *node = &fewer.nodes[i];
            node->upstream_count--;
            memmove(&node->upstreams[n], &node->upstreams[n + 1],
                    (node->upstream_count - n) * sizeof(node->upstreams[0]));
            (void)try(shrinking, &fewer);
        }
}

static void without_loss(struct world_config *config)
{
    config->paths.loss = 0;
}

static void without_copies(struct world_config *config)
{
    config->paths.duplicated = config->paths.replayed = 0;
}

static void without_delays(struct world_config *config)
{
    config->paths.delayed = 0;
    config->paths.jitter = (struct duration){0};
}

// QSRs are told of a QSA.
static void without_discovery(struct world_config *config)
{
    for (size_t i = 0; i < config->node_count; i++)
        if (config->nodes[i].discovers) {
            config->nodes[i].discovers = false;
            config->nodes[i].upstream_count = 1;
            config->nodes[i].upstreams[0] = 0;
        }
}

// ITRs know their MABs.
static void without_lists(struct world_config *config)
{
    for (size_t i = 0; i < config->node_count; i++)
        config->nodes[i].configured = config->nodes[i].role == WORLD_ITR;
}

static void without_age(struct world_config *config)
{
    for (size_t i = 0; i < config->node_count; i++)
        config->nodes[i].old = false;
}

static void without_rate(struct world_config *config)
{
    config->paths.rate = 0;
}

static void without_links(struct world_config *config)
{
    config->link_count = 0;
}

static void without_attacks(struct world_config *config)
{
    config->attack_every = (struct duration){0};
}

static void with_ideal_feed(struct world_config *config)
{
    config->ideal_feed = true;
}

static void simplify(struct shrinking *shrinking)
{
    static void (*const ways[])(struct world_config *) = {
        without_loss,    without_copies,    without_delays, without_rate, without_links,
        without_attacks, without_discovery, without_lists,  without_age,  with_ideal_feed};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct world_config simpler = world_config_copy(&shrinking->best);
        ways[i](&simpler);
        (void)try(shrinking, &simpler);
    }
}

// A measure of how much is left; what makes it no smaller is no progress.
static size_t size_of(const struct world_config *config)
{
    return config->event_count + config->node_count + config->link_count +
           (size_t)(config->length.ns / SECOND);
}

struct world_config shrink(const struct world_config *config, struct world_report *report,
                           const struct shrink_limits *limits)
{
    struct shrinking shrinking = {.best = world_config_copy(config),
                                  .report = *report,
                                  .limits = limits,
                                  .runs_max =
                                      limits->runs > 0 ? limits->runs : SHRINK_RUNS_DEFAULT};
    size_t before;
    do {
        before = size_of(&shrinking.best);
        shorten(&shrinking);
        drop_late_events(&shrinking);
        simplify(&shrinking);
        drop_nodes(&shrinking);
        drop_upstreams(&shrinking);
        drop_events(&shrinking);
    } while (!over(&shrinking) && size_of(&shrinking.best) < before);
    *report = shrinking.report;
    return shrinking.best;
}
