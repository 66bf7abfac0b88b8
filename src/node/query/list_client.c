// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/list_client.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/deadline.h"
#include "node/query/list_keeper.h"
#include "node/udp.h"

#include <stdio.h>

struct list_client {
    struct node *node;
    const char *role;
    void (*changed)(void *state, enum mab_list_event event);
    void *state;
    struct mab_list *list;
    struct list_keeper *keeper; // NULL: nothing is kept
    struct udp *udp;
    uv_timer_t timer;
};

static void log_event(struct list_client *client, enum mab_list_event event)
{
    char text[ENDPOINT_TEXT_MAX] = "nobody";
    const struct endpoint *server = mab_list_server(client->list);
    const struct mab_set *set = mab_list_set(client->list);
    if (server != NULL)
        (void)endpoint_print(server, text);
    switch (event) {
    case MAB_LIST_VERSION:
        log_info(client->role, "%s lists %zu MABs and %zu refused prefixes (page %s)",
                 mab_list_confirmed(client->list) ? text : "what was kept of an earlier run",
                 set->mab_count, set->refused_count, mab_list_root(client->list)->page);
        break;
    case MAB_LIST_LOST:
        log_warning(client->role, "no query server tells the set of MABs; what is known stays");
        break;
    case MAB_LIST_FOUND:
        log_info(client->role, "%s tells the set of MABs", text);
        break;
    }
}

static void on_timer(uv_timer_t *timer);

// What servers told is kept, and when they told it.
static void keep(struct list_client *client)
{
    if (client->keeper == NULL || !mab_list_confirmed(client->list) ||
        !mab_list_answered(client->list) ||
        !list_keeper_wants(client->keeper, mab_list_root(client->list)))
        return;
    struct page_shelf *shelf = mab_list_shelf(client->list);
    if (shelf != NULL)
        list_keeper_save(client->keeper, shelf);
}

// Tells what happened, sends what is to be sent, and sets the timer.
static void drive(struct list_client *client)
{
    enum mab_list_event event;
    struct endpoint to;
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct instant now = node_now(client->node);
    size_t length = 0;
    while (mab_list_next_event(client->list, &event)) {
        log_event(client, event);
        client->changed(client->state, event);
    }
    keep(client);
    while ((length = mab_list_next_output(client->list, now, &to, bytes)) > 0)
        udp_send(client->udp, &to, bytes, length);
    udp_flush(client->udp);
    deadline_arm(&client->timer, now, mab_list_next_deadline(client->list), on_timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct list_client *client = timer->data;
    mab_list_tick(client->list, node_now(client->node));
    drive(client);
}

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct list_client *client = state;
    mab_list_input(client->list, node_now(client->node), from, bytes, length);
}

static void on_datagrams_end(void *state)
{
    drive(state);
}

void list_client_keep(struct list_client *client)
{
    client->keeper = list_keeper_open(client->node, client->role);
    struct page_shelf *shelf = list_keeper_load(client->keeper);
    if (shelf == NULL)
        return;
    if (!mab_list_restore(client->list, shelf))
        log_warning(client->role, "the set of MABs that was kept makes no sense");
    page_shelf_release(shelf);
    (void)uv_timer_start(&client->timer, on_timer, 0, 0); // tells of it, from the loop
}

struct list_client *list_client_open(struct node *node, const char *role,
                                     void (*changed)(void *state, enum mab_list_event event),
                                     void *state, struct error *error)
{
    struct endpoint any = {.address = {.family = FAMILY_IPV6}};
    struct list_client *client = memory_new(sizeof(*client));
    client->node = node;
    client->role = role;
    client->changed = changed;
    client->state = state;
    client->udp = udp_open(node, &any, on_datagram, on_datagrams_end, client, error);
    if (client->udp == NULL) {
        memory_free(client);
        return NULL;
    }
    client->list = mab_list_new(node_seed(node), node_now(node));
    (void)uv_timer_init(node_loop(node), &client->timer);
    client->timer.data = client;
    return client;
}

static void on_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void list_client_close(struct list_client *client)
{
    if (client == NULL)
        return;
    udp_close(client->udp);
    list_keeper_close(client->keeper);
    mab_list_free(client->list);
    uv_close((uv_handle_t *)&client->timer, on_closed);
}

void list_client_set_endpoints(struct list_client *client, const struct endpoint *servers,
                               size_t count)
{
    mab_list_set_servers(client->list, node_now(client->node), servers, count);
    // What comes of it is told from the loop, not from here.
    (void)uv_timer_start(&client->timer, on_timer, 0, 0);
}

void list_client_set_servers(struct list_client *client, const struct querier_server *servers,
                             size_t count)
{
    struct endpoint endpoints[LIST_SERVERS_MAX];
    size_t used = count < LIST_SERVERS_MAX ? count : LIST_SERVERS_MAX;
    for (size_t i = 0; i < used; i++)
        endpoints[i] = servers[i].endpoint;
    list_client_set_endpoints(client, endpoints, used);
}

void list_client_hurry(struct list_client *client)
{
    mab_list_hurry(client->list, node_now(client->node));
    (void)uv_timer_start(&client->timer, on_timer, 0, 0); // from the loop, not from here
}

struct mab_list *list_client_list(struct list_client *client)
{
    return client->list;
}

// Reports

static void write_counts(const struct list_client *client, struct metrics_page *page)
{
    const struct mab_list_counters *counters = mab_list_counters(client->list);
    const struct {
        const char *what;
        uint64_t count;
    } values[] = {
        {"requests", counters->asked},
        {"repeated", counters->repeated},
        {"pages", counters->pages},
        {"damaged", counters->damaged},
        {"withheld", counters->withheld},
        {"versions", counters->versions},
        {"refused", counters->refused},
        {"servers-lost", counters->servers_lost},
        {"malformed", counters->dropped_malformed},
        {"wrong-source", counters->dropped_source},
        {"wrong-nonce", counters->dropped_nonce},
    };
    static const char name[] = "ivip_mab_list_total";
    metrics_describe(page, name, "counter",
                     "What was asked and heard of the set of MABs, by what became of it");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "role=\"%s\",what=\"%s\"", client->role,
                       values[i].what);
        metrics_value(page, name, labels, (double)values[i].count);
    }
}

static void write_gauge(const struct list_client *client, struct metrics_page *page,
                        const char *name, const char *help, double value)
{
    char labels[32];
    (void)snprintf(labels, sizeof(labels), "role=\"%s\"", client->role);
    metrics_describe(page, name, "gauge", help);
    metrics_value(page, name, labels, value);
}

void list_client_write_metrics(const struct list_client *client, struct metrics_page *page)
{
    const struct mab_set *set = mab_list_set(client->list);
    write_counts(client, page);
    write_gauge(client, page, "ivip_mab_list_mabs", "MABs in the set that a query server told",
                (double)set->mab_count);
    write_gauge(client, page, "ivip_mab_list_refused", "Prefixes in it that no ETR may be in",
                (double)set->refused_count);
    write_gauge(client, page, "ivip_mab_list_answered", "1 while a query server tells the set",
                mab_list_answered(client->list) ? 1 : 0);
    write_gauge(client, page, "ivip_mab_list_bytes", "Memory for the set and its pages",
                (double)mab_list_memory(client->list));
}

json_t *list_client_status(const struct list_client *client)
{
    char text[ENDPOINT_TEXT_MAX];
    const struct mab_set *set = mab_list_set(client->list);
    const struct endpoint *server = mab_list_server(client->list);
    return json_pack(
        "{s:s, s:o, s:b, s:b, s:I, s:I, s:I}", "page", mab_list_root(client->list)->page, "server",
        server == NULL ? json_null() : json_string(endpoint_print(server, text)), "answered",
        mab_list_answered(client->list), "confirmed", mab_list_confirmed(client->list), "mabs",
        (json_int_t)set->mab_count, "refused", (json_int_t)set->refused_count, "versions",
        (json_int_t)mab_list_counters(client->list)->versions);
}
