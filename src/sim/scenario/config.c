// SPDX-License-Identifier: BSD-2-Clause
// Whether the parts of a config fit together: what cannot be seen from one value alone.
#include "sim/world.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct error *error, const char *format, const char *name)
{
    char text[ERROR_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%s: %s", name, format);
    return error_set(error, ERROR_INPUT, "bad-scenario", "%s", text);
}

// A chain of QSCs has any length, and does not bite its tail.
static bool is_nearer(const struct world_config *config, size_t upstream,
                      const struct world_node *node)
{
    enum world_role role = config->nodes[upstream].role;
    bool earlier = upstream < (size_t)(node - config->nodes);
    return role < node->role || (role == WORLD_QSC && node->role == WORLD_QSC && earlier);
}

// Each kind asks one that is nearer to the QSAs.
static bool check_upstreams(const struct world_config *config, const struct world_node *node,
                            struct error *error)
{
    if (node->role == WORLD_QSA && node->old)
        return refuse(error, "a QSA gets no Cache Updates, so it is not too old for them",
                      node->name);
    if (node->role == WORLD_QSA)
        return node->upstream_count == 0 || refuse(error, "a QSA has no upstreams", node->name);
    if (node->configured && node->role != WORLD_ITR)
        return refuse(error, "only the MABs of ITRs are configured", node->name);
    if (node->discovers)
        return node->upstream_count == 0 ||
               refuse(error, "who discovers has no upstreams", node->name);
    if (node->upstream_count == 0)
        return refuse(error, "needs upstreams", node->name);
    for (size_t i = 0; i < node->upstream_count; i++)
        if (!is_nearer(config, node->upstreams[i], node))
            return refuse(error,
                          "asks a node that is not nearer to the QSAs (QSA, QSR, QSC, ITR; of QSCs "
                          "those named before)",
                          node->name);
    return true;
}

static bool check_nodes(const struct world_config *config, struct error *error)
{
    size_t servers = world_count(config, WORLD_QSR) + world_count(config, WORLD_QSC);
    if (world_count(config, WORLD_QSA) == 0 || world_count(config, WORLD_ITR) == 0)
        return refuse(error, "at least one QSA and one ITR are needed", "nodes");
    if (world_count(config, WORLD_QSA) > WORLD_SERVERS_MAX || servers > 2 * WORLD_SERVERS_MAX ||
        world_count(config, WORLD_ITR) > WORLD_ITRS_MAX)
        return refuse(error, "at most 8 QSAs, 16 QSRs and QSCs, and 16 ITRs", "nodes");
    for (size_t i = 0; i < config->node_count; i++) {
        for (size_t n = 0; n < i; n++)
            if (strcmp(config->nodes[i].name, config->nodes[n].name) == 0)
                return refuse(error, "two nodes have this name", config->nodes[i].name);
        if (!check_upstreams(config, &config->nodes[i], error))
            return false;
    }
    return true;
}

static bool check_event(const struct world_config *config, const struct world_event *event,
                        struct error *error)
{
    bool names_ruas =
        ((event->kind == WORLD_CRASH || event->kind == WORLD_POWER) && event->node == WORLD_RUAS) ||
        (event->kind == WORLD_CUT && (event->node == WORLD_RUAS || event->other == WORLD_RUAS));
    if (config->ideal_feed && (names_ruas || event->kind == WORLD_CLOCK))
        return refuse(error, "with the ideal feed there is no RUAS; write \"feed: push\"",
                      "events");
    if (event->kind == WORLD_CUT && event->node == event->other)
        return refuse(error, "a path leads from one node to another", "cut");
    if (event->kind == WORLD_MISSTEP &&
        (!config->ideal_feed || config->nodes[event->node].role != WORLD_QSA))
        return refuse(error, "is for a QSA with \"feed: ideal\"", "misstep");
    if ((event->kind == WORLD_POWER || event->kind == WORLD_DISK) && event->node != WORLD_RUAS &&
        config->nodes[event->node].role != WORLD_ITR)
        return refuse(error, "only the RUAS and ITRs have a disk", config->nodes[event->node].name);
    if (event->kind == WORLD_MUTE && event->node == event->other)
        return refuse(error, "a path leads from one node to another", "mute");
    if (event->kind == WORLD_NAME && config->nodes[event->node].role != WORLD_QSA)
        return refuse(error, "only QSAs are named in DNS", config->nodes[event->node].name);
    if (event->kind == WORLD_PACKET && config->nodes[event->node].role != WORLD_ITR)
        return refuse(error, "only ITRs get packets", config->nodes[event->node].name);
    return true;
}

bool world_config_check(const struct world_config *config, struct error *error)
{
    if (!check_nodes(config, error))
        return false;
    for (size_t i = 0; i < config->event_count; i++)
        if (!check_event(config, &config->events[i], error))
            return false;
    for (size_t i = 0; i < config->link_count; i++)
        if (config->ideal_feed &&
            (config->links[i].from == WORLD_RUAS || config->links[i].to == WORLD_RUAS))
            return refuse(error, "with the ideal feed there is no RUAS", "links");
    return true;
}

void world_config_print(const struct world_config *config, FILE *file)
{
    const struct path_conditions *paths = &config->paths;
    (void)fprintf(file,
                  "seed %" PRIu64 ": %zu QSA, %zu QSR, %zu QSC, %zu ITR, %s, for %" PRIu64 " s\n"
                  "  paths: delay %" PRIu64 " ms, jitter %" PRIu64 " ms, lost %.1f %%, "
                  "duplicated %.1f %%, delayed %.1f %%, replayed %.1f %%, rate %" PRIu64 "\n"
                  "  %zu events; every (ms): packet %" PRIu64 ", attack %" PRIu64 "\n"
                  "  feed lag %" PRIu64 " ms, caching time %" PRIu64
                  " s, told at most %zu, cached at most %zu, updates every %" PRIu64
                  " ms at first, %" PRIu32 " at once\n",
                  config->seed, world_count(config, WORLD_QSA), world_count(config, WORLD_QSR),
                  world_count(config, WORLD_QSC), world_count(config, WORLD_ITR),
                  config->ideal_feed ? "ideal feed" : "fast push",
                  config->length.ns / duration_s(1).ns, paths->delay.ns / 1000000,
                  paths->jitter.ns / 1000000, paths->loss / 10000.0, paths->duplicated / 10000.0,
                  paths->delayed / 10000.0, paths->replayed / 10000.0, paths->rate,
                  config->event_count, config->ask_every.ns / 1000000,
                  config->attack_every.ns / 1000000, config->feed_lag.ns / 1000000,
                  config->caching_time.ns / duration_s(1).ns, config->told_max, config->cached_max,
                  config->update_every.ns / 1000000, config->update_burst);
}
