// SPDX-License-Identifier: BSD-2-Clause
// libcurl's multi interface with libuv: libcurl says which sockets it waits for and when it wants
// to be called, libuv tells it when that has come.
//
//     http_client_get -> multi handle -> socket wanted -> uv_poll_t  --+
//                             |       -> timeout       -> uv_timer_t --+
//                             |                                        |
//          answered <---- fetch done <---- curl_multi_socket_action <--+
#include "node/http/http_client.h"

#include "base/list.h"
#include "base/memory.h"

#include <assert.h>
#include <curl/curl.h>
#include <string.h>

#define CONNECTIONS_MAX  32
#define STALL_BYTES      1000 // a second; slower for HTTP_STALL_SECONDS is a stall
#define CONNECT_SECONDS  3
#define BODY_FIRST_BYTES 4096

struct http_client {
    struct node *node;
    CURLM *multi;
    uv_timer_t timer;
    struct list_node fetches;
    size_t open_handles; // the timer and the polls; the client is freed with the last
    bool closing;
};

struct http_fetch {
    struct list_node node;
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers; // of a POST
    http_answered *answered;
    void *state;
    size_t most;
    uint8_t *body;
    size_t length;
    size_t capacity;
    bool too_large;
    char problem[CURL_ERROR_SIZE];
};

// A socket of libcurl that libuv watches.
struct watch {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t socket;
};

static void release_handle(struct http_client *client)
{
    assert(client->open_handles > 0);
    if (--client->open_handles == 0)
        memory_free(client);
}

// Takes the fetch out of libcurl; its body stays.
static void detach(struct http_fetch *fetch)
{
    (void)curl_multi_remove_handle(fetch->client->multi, fetch->easy);
    curl_easy_cleanup(fetch->easy);
    curl_slist_free_all(fetch->headers);
    list_remove(&fetch->node);
}

static void fetch_free(struct http_fetch *fetch)
{
    memory_free(fetch->body);
    memory_free(fetch);
}

static void finish(struct http_fetch *fetch, CURLcode result)
{
    long status = 0;
    (void)curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    detach(fetch);
    fetch->too_large |= result == CURLE_FILESIZE_EXCEEDED;
    const char *problem = fetch->problem[0] != '\0' ? fetch->problem : curl_easy_strerror(result);
    struct http_answer answer = {.bytes = fetch->body, .length = fetch->length};
    if (result == CURLE_OK && status > 0)
        answer.status = (unsigned)status;
    else
        answer.problem = fetch->too_large ? "the answer is larger than it may be" : problem;
    fetch->answered(fetch->state, &answer);
    fetch->body = answer.bytes;
    fetch_free(fetch);
}

// Ends the fetches that libcurl is done with. Their owners may begin new ones, or end the client.
static void finish_done(struct http_client *client)
{
    int left = 0;
    const CURLMsg *message = NULL;
    while (!client->closing && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *fetch = NULL;
        CURLcode result = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
        finish((struct http_fetch *)(void *)fetch, result);
    }
}

// Keeps the client alive while libcurl and the owners of fetches work.
static void act(struct http_client *client, curl_socket_t socket, int events)
{
    int running = 0;
    client->open_handles++;
    (void)curl_multi_socket_action(client->multi, socket, events, &running);
    finish_done(client);
    release_handle(client);
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout_wanted(CURLM *multi, long ms, void *state)
{
    (void)multi;
    struct http_client *client = state;
    if (client->closing)
        return 0;
    if (ms < 0)
        (void)uv_timer_stop(&client->timer);
    else
        (void)uv_timer_start(&client->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    int curl_events = status < 0 ? CURL_CSELECT_ERR : 0;
    if ((events & UV_READABLE) != 0)
        curl_events |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        curl_events |= CURL_CSELECT_OUT;
    act(watch->client, watch->socket, curl_events);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    release_handle(watch->client);
    memory_free(watch);
}

static void unwatch(struct http_client *client, curl_socket_t socket, struct watch *watch)
{
    (void)curl_multi_assign(client->multi, socket, NULL);
    (void)uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static struct watch *new_watch(struct http_client *client, curl_socket_t socket)
{
    struct watch *watch = memory_new(sizeof(*watch));
    if (uv_poll_init_socket(node_loop(client->node), &watch->poll, socket) != 0) {
        memory_free(watch);
        return NULL;
    }
    watch->client = client;
    watch->socket = socket;
    watch->poll.data = watch;
    client->open_handles++;
    (void)curl_multi_assign(client->multi, socket, watch);
    return watch;
}

static int on_socket_wanted(CURL *easy, curl_socket_t socket, int what, void *state,
                            void *socket_state)
{
    (void)easy;
    struct http_client *client = state;
    struct watch *watch = socket_state;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL)
            unwatch(client, socket, watch);
        return 0;
    }
    if (watch == NULL)
        watch = new_watch(client, socket);
    if (watch == NULL)
        return -1;
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

struct http_client *http_client_new(struct node *node)
{
    struct http_client *client = memory_new(sizeof(*client));
    client->node = node;
    list_init(&client->fetches);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    client->multi = curl_multi_init();
    assert(client->multi != NULL);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    (void)uv_timer_init(node_loop(node), &client->timer);
    client->timer.data = client;
    client->open_handles = 1;
    return client;
}

static void on_timer_closed(uv_handle_t *handle)
{
    release_handle(handle->data);
}

void http_client_free(struct http_client *client)
{
    if (client == NULL || client->closing)
        return;
    struct list_node *node = list_first(&client->fetches);
    for (; node != NULL; node = list_first(&client->fetches))
        http_client_cancel(container_of(node, struct http_fetch, node));
    client->closing = true;
    (void)curl_multi_cleanup(client->multi); // stops watching kept connections
    (void)uv_timer_stop(&client->timer);
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
    curl_global_cleanup();
}

// Makes room for `more` bytes of the body; false above the limit.
static bool make_room(struct http_fetch *fetch, size_t more)
{
    if (more > fetch->most - fetch->length)
        return false;
    size_t need = fetch->length + more;
    if (need <= fetch->capacity)
        return true;
    size_t doubled = fetch->capacity < BODY_FIRST_BYTES ? BODY_FIRST_BYTES : fetch->capacity * 2;
    fetch->capacity = need > doubled ? need : doubled;
    if (fetch->capacity > fetch->most)
        fetch->capacity = fetch->most;
    fetch->body = memory_resize(fetch->body, fetch->capacity);
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *state)
{
    struct http_fetch *fetch = state;
    size_t length = size * count;
    if (!make_room(fetch, length)) {
        fetch->too_large = true;
        return 0;
    }
    memcpy(fetch->body + fetch->length, bytes, length);
    fetch->length += length;
    return length;
}

static void set_options(struct http_fetch *fetch, const char *url, struct duration timeout)
{
    CURL *easy = fetch->easy;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "ivip");
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // A name is resolved in a thread, which cannot be stopped. Nobody waits for it.
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout.ns / 1000000));
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_SECONDS);
    (void)curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)fetch->most);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->problem);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
}

static struct http_fetch *prepare(struct http_client *client, const char *url, size_t most,
                                  struct duration timeout, http_answered *answered, void *state)
{
    assert(!client->closing);
    struct http_fetch *fetch = memory_new(sizeof(*fetch));
    fetch->client = client;
    fetch->answered = answered;
    fetch->state = state;
    fetch->most = most;
    fetch->easy = curl_easy_init();
    assert(fetch->easy != NULL);
    set_options(fetch, url, timeout);
    return fetch;
}

static struct http_fetch *begin(struct http_fetch *fetch)
{
    list_append(&fetch->client->fetches, &fetch->node);
    (void)curl_multi_add_handle(fetch->client->multi, fetch->easy); // begins with the timer
    return fetch;
}

struct http_fetch *http_client_get(struct http_client *client, const char *url, size_t most,
                                   struct duration timeout, http_answered *answered, void *state)
{
    return begin(prepare(client, url, most, timeout, answered, state));
}

struct http_fetch *http_client_post(struct http_client *client, const char *url, const void *bytes,
                                    size_t length, size_t most, struct duration timeout,
                                    http_answered *answered, void *state)
{
    struct http_fetch *fetch = prepare(client, url, most, timeout, answered, state);
    fetch->headers = curl_slist_append(NULL, "Content-Type: application/octet-stream");
    (void)curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->headers);
    (void)curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    (void)curl_easy_setopt(fetch->easy, CURLOPT_COPYPOSTFIELDS, bytes);
    return begin(fetch);
}

void http_client_cancel(struct http_fetch *fetch)
{
    detach(fetch);
    fetch_free(fetch);
}
