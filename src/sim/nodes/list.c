// SPDX-License-Identifier: BSD-2-Clause
// How ITRs, QSCs and QSRs that do not discover learn the set of MABs from their query servers: the
// shell of the MAB list (src/node/query/list_client.c), with the address of its node in place of a
// socket of its own.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <string.h>

void world_list_set_servers(struct world_list *list, const struct endpoint *servers, size_t count)
{
    struct engine *engine = list->world->engine;
    if (list->list == NULL)
        return;
    mab_list_set_servers(list->list, engine_node_now(engine, list->node), servers, count);
    list->disturbed = engine_now(engine);
}

void world_list_start(struct world_list *list, struct world *world, size_t node, const char *name,
                      const struct querier_config *upstreams)
{
    list->world = world;
    list->node = node;
    list->name = name;
    list->list = mab_list_new(world_fresh_seed(world), engine_node_now(world->engine, node));
    world_list_set_servers(list, upstreams->upstreams, upstreams->upstream_count);
}

void world_list_stop(struct world_list *list)
{
    mab_list_free(list->list);
    memory_free(list->roots);
    memset(list, 0, sizeof(*list));
}

// The server in use is another one: it is asked at once.
static void note_server(struct world_list *list)
{
    const struct endpoint *server = mab_list_server(list->list);
    if (server == NULL || endpoint_equal(server, &list->server))
        return;
    list->server = *server;
    list->disturbed = engine_now(list->world->engine);
}

bool world_list_input(struct world_list *list, struct instant now, const struct endpoint *from,
                      const uint8_t *bytes, size_t length)
{
    struct page_message message;
    if (list->list == NULL || page_message_decode(bytes, length, &message) != DECODE_OK ||
        message.type != MESSAGE_PAGE_REPLY)
        return false;
    mab_list_input(list->list, now, from, bytes, length);
    note_server(list);
    return true;
}

size_t world_list_output(struct world_list *list, struct instant now, struct endpoint *to,
                         uint8_t *buffer)
{
    return list->list == NULL ? 0 : mab_list_next_output(list->list, now, to, buffer);
}

struct instant world_list_deadline(const struct world_list *list)
{
    return list->list == NULL ? INSTANT_NEVER : mab_list_next_deadline(list->list);
}

void world_list_tick(struct world_list *list, struct instant now)
{
    if (list->list == NULL)
        return;
    mab_list_tick(list->list, now);
    note_server(list);
}

bool world_list_next_version(struct world_list *list)
{
    enum mab_list_event event;
    while (list->list != NULL && mab_list_next_event(list->list, &event))
        if (event == MAB_LIST_VERSION) {
            list->world->report.lists++;
            world_check_list(list);
            return true;
        }
    return false;
}

// Telling

void world_pages_set(struct world *world, struct world_pages *pages, const struct page_shelf *shelf)
{
    pages->root = *page_shelf_root(shelf);
    pages->since = engine_now(world->engine);
}
