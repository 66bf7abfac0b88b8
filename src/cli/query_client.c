// SPDX-License-Identifier: BSD-2-Clause
// No acknowledgement is sent: the server then takes this program for one whose address is not
// proven, answers no more than it was asked, and tells it of no later changes (docs/protocol.md,
// rule 7), which is what somebody who asks once wants. A server that has many such, under a flood
// of forged requests, wants a proof first: it gives a token, with which the question is asked
// again.
#include "cli/query_client.h"

#include "base/random.h"
#include "cli/control_client.h"
#include "node/config/config.h"
#include "node/socket_address.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX           3
#define WAIT_MS             1000
#define NAME_MAX_CHARACTERS 253 // RFC 1035 §2.3.4, as written

static struct instant now(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (struct instant){(uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec};
}

// "NAME[:PORT]" taken apart; false where it cannot be one.
static bool split_name(const char *text, char name[NAME_MAX_CHARACTERS + 1], uint16_t *port)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789.-_";
    size_t length = strspn(text, characters);
    if (length == 0 || length > NAME_MAX_CHARACTERS || text[0] == '-')
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    if (text[length] == '\0')
        return true;
    const char *digits = text + length + 1;
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(digits, &end, 10);
    *port = (uint16_t)number;
    return text[length] == ':' && digits[0] >= '0' && digits[0] <= '9' && *end == '\0' &&
           errno == 0 && number > 0 && number <= UINT16_MAX;
}

// True where the text is meant as an address, so that no name needs to be looked up.
static bool looks_like_address(const char *text)
{
    const char *colon = strchr(text, ':');
    return text[0] == '[' || (colon != NULL && strchr(colon + 1, ':') != NULL) ||
           text[strspn(text, "0123456789.:")] == '\0';
}

// "NAME[:PORT]" by the resolver.
static bool resolve(const char *text, struct endpoint *server, struct error *error)
{
    char name[NAME_MAX_CHARACTERS + 1];
    uint16_t port = PORT_QUERY;
    if (looks_like_address(text) || !split_name(text, name, &port))
        return error_set(error, ERROR_INPUT, "bad-server",
                         "\"@%.60s\" is no server; write @ADDRESS, @ADDRESS:PORT, "
                         "@[IPV6-ADDRESS]:PORT or @NAME, ports from 1 to 65535",
                         text);
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(name, NULL, &hints, &found);
    if (result != 0 || found == NULL)
        return error_set(error, ERROR_UNAVAILABLE, "unknown-server", "the server %s is unknown: %s",
                         name, gai_strerror(result));
    *server = endpoint_of_socket_address(found->ai_addr);
    server->port = port;
    freeaddrinfo(found);
    return true;
}

// The query server that a node is, or the first that its ITR asks.
static bool server_of_config(const json_t *config, struct endpoint *server)
{
    const json_t *qsr = json_object_get(config, "qsr");
    const json_t *qsa = json_object_get(config, "qsa");
    const json_t *itr = json_object_get(config, "itr");
    const json_t *texts[] = {json_object_get(qsr, "listen"), json_object_get(qsa, "listen"),
                             json_array_get(json_object_get(itr, "upstreams"), 0)};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = json_string_value(texts[i]);
        if (text == NULL || !endpoint_parse(text, PORT_QUERY, server, NULL))
            continue;
        *server = endpoint_reachable(server);
        return true;
    }
    return false;
}

bool query_server_find(const struct arguments *arguments, const char *text, struct endpoint *server,
                       struct error *error)
{
    if (text != NULL) {
        return endpoint_parse(text, PORT_QUERY, server, error) || resolve(text, server, error);
    }
    struct control_sockets sockets;
    bool found = false;
    if (control_sockets_find(arguments, &sockets, error)) {
        for (size_t i = 0; i < sockets.count && !found; i++) {
            json_t *config =
                control_call(sockets.paths[i], json_pack("{s:s}", "command", "config"), error);
            found = server_of_config(config, server);
            json_decref(config);
        }
    }
    return found || error_set(error, ERROR_UNAVAILABLE, "no-server",
                              "no node that runs here is a query server or asks one; name a "
                              "server: ivip query ADDRESS @SERVER");
}

static bool fits(const struct query_message *request, const struct query_message *reply)
{
    if (reply->nonce != request->nonce)
        return false;
    if (request->type == MESSAGE_ALIVE_REQUEST)
        return reply->type == MESSAGE_ALIVE_REPLY;
    return reply->type == MESSAGE_MAP_REPLY &&
           ((reply->status != QUERY_MAPPED && reply->status != QUERY_ZERO) ||
            range_contains_address(&reply->range, &request->question));
}

enum reply { REPLY_NONE, REPLY_PROVE, REPLY_ANSWER };

// Waits for the reply to a request; datagrams that are something else are stepped over.
static enum reply await_reply(int sock, const struct query_message *request, struct instant sent,
                              struct query_answer *answer)
{
    for (;;) {
        uint64_t passed_ms = instant_since(now(), sent).ns / 1000000;
        struct pollfd ready = {.fd = sock, .events = POLLIN};
        if (passed_ms >= WAIT_MS || poll(&ready, 1, (int)(WAIT_MS - passed_ms)) <= 0)
            return REPLY_NONE;
        uint8_t bytes[QUERY_MESSAGE_BYTES_MAX + 1];
        ssize_t length = recv(sock, bytes, sizeof(bytes), 0);
        if (length < 0)
            return REPLY_NONE; // an ICMP error: nobody listens there (now)
        const struct query_message *reply = &answer->message;
        answer->round_trip = instant_since(now(), sent);
        if (query_decode(bytes, (size_t)length, &answer->message) != DECODE_OK)
            continue;
        if (fits(request, reply))
            return REPLY_ANSWER;
        if (reply->type == MESSAGE_MAP_REQUEST_ACK && reply->nonce == request->nonce &&
            reply->token != 0 && request->token == 0)
            return REPLY_PROVE;
    }
}

// Sends a request until it is answered; false when no try is left.
static bool ask(int sock, struct query_message *request, struct random_source *random,
                struct query_answer *answer)
{
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
        request->nonce = random_u64(random);
        request->querier_sequence++;
        size_t size = query_encode(request, bytes, sizeof(bytes));
        struct instant sent = now();
        enum reply reply = REPLY_NONE;
        if (send(sock, bytes, size, 0) == (ssize_t)size)
            reply = await_reply(sock, request, sent, answer);
        if (reply == REPLY_ANSWER)
            return true;
        struct timespec rest = {.tv_nsec = 100 * 1000000};
        if (reply == REPLY_PROVE)
            request->token = answer->message.token;
        else if (i + 1 < TRIES_MAX)
            (void)nanosleep(&rest, NULL);
    }
    return false;
}

static bool exchange(const struct endpoint *server, struct query_message *request,
                     struct query_answer *answer, struct error *error)
{
    struct sockaddr_storage storage;
    socklen_t length = socket_address_of_endpoint(server, &storage);
    struct random_source random;
    random_init(&random, random_seed_from_system());
    request->instance = random_u64(&random) | 1;
    answer->server = *server;
    int sock = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool good = sock >= 0 && connect(sock, (struct sockaddr *)&storage, length) == 0;
    int cause = errno;
    bool answered = good && ask(sock, request, &random, answer);
    if (sock >= 0)
        (void)close(sock);
    char text[ENDPOINT_TEXT_MAX];
    if (!good)
        return error_set(error, ERROR_UNAVAILABLE, "unreachable", "%s cannot be reached: %s",
                         endpoint_print(server, text), strerror(cause));
    return answered || error_set(error, ERROR_UNAVAILABLE, "no-answer",
                                 "%s did not answer %d requests; is a query server running there, "
                                 "and does UDP get through?",
                                 endpoint_print(server, text), TRIES_MAX);
}

bool query_server_ask(const struct endpoint *server, const struct address *question,
                      struct query_answer *answer, struct error *error)
{
    struct query_message request = {.type = MESSAGE_MAP_REQUEST, .question = *question};
    return exchange(server, &request, answer, error);
}

bool query_server_alive(const struct endpoint *server, struct query_answer *answer,
                        struct error *error)
{
    struct query_message request = {.type = MESSAGE_ALIVE_REQUEST};
    return exchange(server, &request, answer, error);
}
