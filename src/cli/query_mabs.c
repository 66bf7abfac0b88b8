// SPDX-License-Identifier: BSD-2-Clause
#include "cli/query_mabs.h"

#include "cli/output.h"
#include "node/socket_address.h"
#include "query/mab_list.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NONE_YET_MS 3000 // a server without a set is asked again for so long
#define POLL_MS_MAX 1000

struct fetch {
    int sock;
    struct mab_list *list;
    struct instant began;
    bool done, lost;
};

static struct instant now(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (struct instant){(uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec};
}

static void send_requests(const struct fetch *fetch)
{
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct endpoint to;
    size_t length = 0;
    while ((length = mab_list_next_output(fetch->list, now(), &to, bytes)) > 0)
        (void)send(fetch->sock, bytes, length, 0); // what is lost is sent again
}

static int wait_ms(const struct fetch *fetch)
{
    struct instant deadline = mab_list_next_deadline(fetch->list);
    uint64_t ms = (instant_since(deadline, now()).ns + 999999) / 1000000;
    return ms < POLL_MS_MAX ? (int)ms : POLL_MS_MAX;
}

static void step(struct fetch *fetch, const struct endpoint *server)
{
    enum mab_list_event event;
    struct pollfd ready = {.fd = fetch->sock, .events = POLLIN};
    uint8_t bytes[PAGE_REQUEST_BYTES_MAX + 1];
    if (poll(&ready, 1, wait_ms(fetch)) > 0) {
        ssize_t length = recv(fetch->sock, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (length >= 0)
            mab_list_input(fetch->list, now(), server, bytes, (size_t)length);
    }
    mab_list_tick(fetch->list, now());
    send_requests(fetch);
    while (mab_list_next_event(fetch->list, &event))
        fetch->done |= event == MAB_LIST_VERSION;
    fetch->lost = mab_list_counters(fetch->list)->servers_lost > 0;
}

static bool fetch_set(struct fetch *fetch, const struct endpoint *server, struct error *error)
{
    struct sockaddr_storage storage;
    socklen_t size = socket_address_of_endpoint(server, &storage);
    char text[ENDPOINT_TEXT_MAX];
    (void)endpoint_print(server, text);
    fetch->sock = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fetch->sock < 0 || connect(fetch->sock, (struct sockaddr *)&storage, size) != 0)
        return error_set(error, ERROR_UNAVAILABLE, "unreachable", "%s cannot be reached: %s", text,
                         strerror(errno));
    mab_list_set_servers(fetch->list, now(), server, 1);
    while (!fetch->done && !fetch->lost) {
        bool none = mab_list_answered(fetch->list) && mab_list_counters(fetch->list)->pages == 0;
        if (none && instant_since(now(), fetch->began).ns > duration_ms(NONE_YET_MS).ns)
            return error_set(error, ERROR_UNAVAILABLE, "no-set", "%s knows no set of MABs (yet)",
                             text);
        step(fetch, server);
    }
    return fetch->done ||
           error_set(error, ERROR_UNAVAILABLE, "no-answer",
                     "%s does not tell the set of MABs; is a query server running there, and does "
                     "UDP get through?",
                     text);
}

static json_t *prefixes_json(const struct prefix *prefixes, size_t count)
{
    json_t *list = json_array();
    char text[PREFIX_TEXT_MAX];
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(prefix_print(&prefixes[i], text)));
    return list;
}

static void print_set(const struct fetch *fetch, const struct endpoint *server, bool json)
{
    const struct mab_set *set = mab_list_set(fetch->list);
    const struct mab_list_counters *counters = mab_list_counters(fetch->list);
    const char *page = mab_list_root(fetch->list)->page;
    double took_ms = (double)instant_since(now(), fetch->began).ns / 1e6;
    char text[ENDPOINT_TEXT_MAX];
    char prefix[PREFIX_TEXT_MAX];
    (void)endpoint_print(server, text);
    if (json) {
        (void)print_json(json_pack("{s:i, s:s, s:s, s:o, s:o, s:I, s:f}", "v", 1, "server", text,
                                   "page", page, "mabs", prefixes_json(set->mabs, set->mab_count),
                                   "refused", prefixes_json(set->refused, set->refused_count),
                                   "requests", (json_int_t)counters->asked, "took_ms", took_ms));
        return;
    }
    for (size_t i = 0; i < set->mab_count; i++)
        (void)printf("%s\n", prefix_print(&set->mabs[i], prefix));
    for (size_t i = 0; i < set->refused_count; i++)
        (void)printf("%s  refused: no ETR may be there\n", prefix_print(&set->refused[i], prefix));
    (void)printf("%s%zu MABs, %zu refused prefixes; page %s of %s, %" PRIu64
                 " requests, %.1f ms%s\n",
                 color_dim(), set->mab_count, set->refused_count, page, text, counters->asked,
                 took_ms, color_end());
}

bool query_mabs_print(const struct endpoint *server, bool json, struct error *error)
{
    struct fetch fetch = {.began = now()};
    fetch.list = mab_list_new(random_seed_from_system(), fetch.began);
    bool good = fetch_set(&fetch, server, error);
    if (good)
        print_set(&fetch, server, json);
    mab_list_free(fetch.list);
    if (fetch.sock >= 0)
        (void)close(fetch.sock);
    return good;
}
