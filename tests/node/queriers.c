// SPDX-License-Identifier: BSD-2-Clause
#include "queriers.h"
#include "../check.h"

#include "base/memory.h"
#include "node/socket_address.h"
#include "wire/query.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS    30000
#define UNANSWERED_MAX 500

// The space

static struct range range_of_micronet(uint32_t micronet)
{
    return (struct range){FAMILY_IPV4, {BASE + micronet}, {1}};
}

static struct address some_etr(struct space *space)
{
    return address_from_ipv4(0xc6120000u + (uint32_t)random_below(&space->random, 60000) + 1);
}

static struct address true_etr(const struct space *space, uint32_t micronet)
{
    return mapping_etr(database_get(space->database, &space->mab), (struct unit){BASE + micronet});
}

void space_open(struct space *space)
{
    assert_true(prefix_parse("20.0.0.0/8", &space->mab, NULL));
    random_init(&space->random, random_seed_from_number(1));
    space->database = database_new();
    assert_true(database_put(space->database, space_mapping(space, NULL), NULL));
}

void space_close(struct space *space)
{
    database_free(space->database);
}

struct mapping *space_mapping(struct space *space, const struct mapping *like)
{
    struct mapping *mapping = mapping_new(&space->mab, NULL);
    for (uint32_t i = 0; i < MICRONETS; i++) {
        struct address etr =
            like == NULL ? some_etr(space) : mapping_etr(like, (struct unit){BASE + i});
        struct update update = {UPDATE_DEFINE, range_of_micronet(i), etr, {0}};
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    return mapping;
}

struct update space_change(struct space *space)
{
    uint32_t micronet = (uint32_t)random_below(&space->random, MICRONETS);
    struct update update = {UPDATE_MAP, range_of_micronet(micronet), some_etr(space), {0}};
    assert_true(mapping_apply(database_get(space->database, &space->mab), &update, 1, NULL, NULL));
    return update;
}

// The queriers

void queriers_open(struct queriers *queriers, struct space *space, size_t count, size_t questions,
                   const struct endpoint *server)
{
    struct sockaddr_storage address;
    socklen_t length = socket_address_of_endpoint(server, &address);
    assert_true(count <= QUERIERS_MAX);
    *queriers = (struct queriers){.space = space, .count = count, .room = questions + 1};
    queriers->beliefs = memory_new_array(queriers->room, sizeof(*queriers->beliefs));
    for (size_t i = 0; i < count; i++) {
        queriers->sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        // Nobody here asks a second time, so what comes while others run must not be lost.
        (void)setsockopt(queriers->sockets[i], SOL_SOCKET, SO_RCVBUFFORCE, &(int){1 << 22},
                         sizeof(int));
        assert_int_equal(connect(queriers->sockets[i], (struct sockaddr *)&address, length), 0);
    }
}

void queriers_close(struct queriers *queriers)
{
    for (size_t i = 0; i < queriers->count; i++)
        (void)close(queriers->sockets[i]);
    memory_free(queriers->beliefs);
}

static void send_message(const struct queriers *queriers, size_t querier,
                         const struct query_message *message)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = query_encode(message, bytes, sizeof(bytes));
    assert_int_equal(send(queriers->sockets[querier], bytes, length, 0), length);
}

void queriers_ask_for(struct queriers *queriers, size_t querier, uint32_t address)
{
    uint64_t nonce = ++queriers->nonce;
    assert_true(nonce < queriers->room);
    queriers->beliefs[nonce].micronet = address - BASE;
    struct query_message request = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = nonce,
                                    .token = queriers->tokens[querier],
                                    .instance = 1,
                                    .question = address_from_ipv4(address)};
    send_message(queriers, querier, &request);
}

void queriers_ask(struct queriers *queriers, size_t querier)
{
    queriers_ask_for(queriers, querier,
                     BASE + (uint32_t)random_below(&queriers->space->random, MICRONETS));
}

static void acknowledge(struct queriers *queriers, size_t querier,
                        const struct query_message *message)
{
    struct query_message ack = {.type = MESSAGE_CACHE_UPDATE_ACK,
                                .nonce = message->nonce,
                                .token = message->token,
                                .server_sequence = message->server_sequence,
                                .instance = 1,
                                .released_count = message->flushed_count};
    for (size_t i = 0; i < message->flushed_count; i++) {
        assert_true(message->flushed[i] > 0 && message->flushed[i] <= queriers->nonce);
        queriers->beliefs[message->flushed[i]].state = NOTHING;
        ack.released[i] = message->flushed[i];
    }
    queriers->updates++;
    send_message(queriers, querier, &ack);
}

static void believe(struct queriers *queriers, size_t querier, const struct query_message *message)
{
    assert_true(message->nonce > 0 && message->nonce <= queriers->nonce);
    struct belief *belief = &queriers->beliefs[message->nonce];
    bool told = message->status == QUERY_MAPPED || message->status == QUERY_ZERO;
    queriers->tokens[querier] = message->token;
    if (message->type == MESSAGE_MAP_REPLY && belief->state == ASKED) {
        queriers->replies++;
        queriers->refused += !told;
    }
    belief->state = told ? TOLD : NOTHING;
    belief->etr = message->etr;
    assert_int_equal(message->range.start.index, BASE + belief->micronet);
    if (message->type == MESSAGE_CACHE_UPDATE)
        acknowledge(queriers, querier, message);
    else
        assert_int_equal(message->type, MESSAGE_MAP_REPLY);
}

void queriers_hear(struct queriers *queriers)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    for (size_t i = 0; i < queriers->count; i++) {
        ssize_t length = 0;
        while ((length = recv(queriers->sockets[i], bytes, sizeof(bytes), 0)) > 0) {
            struct query_message message;
            assert_int_equal(query_decode(bytes, (size_t)length, &message), DECODE_OK);
            believe(queriers, i, &message);
        }
    }
}

// What a querier was told is still so.
static bool is_true(const struct queriers *queriers, const struct belief *belief)
{
    struct address etr = true_etr(queriers->space, belief->micronet);
    return belief->state != TOLD || address_equal(&belief->etr, &etr);
}

void queriers_hear_until(struct queriers *queriers, bool (*done)(const struct queriers *))
{
    for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
        queriers_hear(queriers);
        if (done(queriers))
            return;
        (void)poll(NULL, 0, 10);
    }
    size_t wrong = 0;
    for (uint64_t nonce = 1; nonce <= queriers->nonce; nonce++)
        wrong += !is_true(queriers, &queriers->beliefs[nonce]);
    fail_msg("of %zu questions %zu were answered; of what was told %zu are not true any more",
             (size_t)queriers->nonce, (size_t)queriers->replies, wrong);
}

void queriers_meet(struct queriers *queriers)
{
    for (size_t i = 0; i < queriers->count; i++)
        do { // a thread may not have heard of the MAB yet
            queriers_ask(queriers, i);
            queriers_hear_until(queriers, queriers_answered);
        } while (queriers->beliefs[queriers->nonce].state != TOLD);
}

bool queriers_abreast(const struct queriers *queriers)
{
    return queriers->nonce - queriers->replies < UNANSWERED_MAX;
}

bool queriers_answered(const struct queriers *queriers)
{
    return queriers->replies == queriers->nonce;
}

bool queriers_know(const struct queriers *queriers)
{
    for (uint64_t nonce = 1; nonce <= queriers->nonce; nonce++)
        if (!is_true(queriers, &queriers->beliefs[nonce]))
            return false;
    return true;
}
