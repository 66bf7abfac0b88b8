// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "vectors.h"
#include "wire/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
    "",
    "map-request",
    "map-request-ack",
    "map-reply",
    "map-reply-ack",
    "cache-update",
    "cache-update-ack",
    "alive-request",
    "alive-reply",
};

static void say_answer(struct text *text, const struct query_message *message)
{
    char range[RANGE_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    char endpoint[ENDPOINT_TEXT_MAX];
    text_add(text, "answer: %s %s etr=%s load=%u caching=%" PRIu32 " sequence=%" PRIu64 "\n",
             query_status_name(message->status), range_print(&message->range, range),
             address_print(&message->etr, etr), message->load, message->caching_ms,
             message->mab_sequence);
    for (size_t i = 0; i < message->alternative_count; i++)
        text_add(text, "alternative: %s\n", endpoint_print(&message->alternatives[i], endpoint));
}

static void describe(struct text *text, const uint8_t *bytes, size_t length,
                     struct query_message *message)
{
    enum decode_reason reason = query_decode(bytes, length, message);
    if (reason != DECODE_OK) {
        text_add(text, "refused: %s\n", decode_reason_name(reason));
        return;
    }
    text_add(text,
             "message: %s nonce=%016" PRIx64 " token=%016" PRIx64 " querier=%" PRIu32
             " server=%" PRIu32 " instance=%016" PRIx64 "\n",
             type_names[message->type], message->nonce, message->token, message->querier_sequence,
             message->server_sequence, message->instance);
    char question[ADDRESS_TEXT_MAX];
    if (message->type == MESSAGE_MAP_REQUEST)
        text_add(text, "question: %s\n", address_print(&message->question, question));
    if (message->type == MESSAGE_MAP_REPLY || message->type == MESSAGE_CACHE_UPDATE)
        say_answer(text, message);
    for (size_t i = 0; i < message->flushed_count; i++)
        text_add(text, "flushed: %016" PRIx64 "\n", message->flushed[i]);
    for (size_t i = 0; i < message->released_count; i++)
        text_add(text, "released: %016" PRIx64 "\n", message->released[i]);
}

static void test_vectors(void **state)
{
    (void)state;
    FILE *file = vectors_open("query.txt");
    static struct vector vector;
    size_t count = 0;
    for (; vectors_next(file, &vector); count++) {
        struct text text = {.used = 0};
        struct query_message message;
        describe(&text, vector.bytes, vector.length, &message);
        if (strcmp(text.bytes, vector.meaning) != 0)
            fail_msg("%s: is\n%snot\n%s", vector.name, text.bytes, vector.meaning);
        if (strstr(vector.meaning, "refused") != NULL ||
            strstr(vector.name, "not canonical") != NULL)
            continue;
        uint8_t again[QUERY_MESSAGE_BYTES_MAX];
        size_t length = query_encode(&message, again, sizeof(again));
        if (length != vector.length || memcmp(again, vector.bytes, length) != 0)
            fail_msg("%s: written differently", vector.name);
    }
    assert_true(count > 50);
    (void)fclose(file);
}

static bool decodes(const uint8_t *bytes, size_t length)
{
    struct query_message message;
    struct address question;
    uint64_t nonce = 0;
    (void)query_peek(bytes, length, &nonce, &question);
    return query_decode(bytes, length, &message) == DECODE_OK;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    vectors_cut_anywhere("query.txt", decodes);
}

// Looking ahead sees what decoding does.
static void test_peek(void **state)
{
    (void)state;
    FILE *file = vectors_open("query.txt");
    static struct vector vector;
    unsigned seen = 0;
    while (vectors_next(file, &vector)) {
        struct query_message message;
        struct address question;
        uint64_t nonce = 0;
        if (query_decode(vector.bytes, vector.length, &message) != DECODE_OK)
            continue;
        bool request = message.type == MESSAGE_MAP_REQUEST;
        assert_int_equal(query_peek(vector.bytes, vector.length, &nonce, &question), request);
        seen += request;
        assert_true(!request || nonce == message.nonce);
        assert_true(!request || address_equal(&question, &message.question));
    }
    assert_true(seen > 0);
    (void)fclose(file);
}

static void test_which_side_a_message_is_for(void **state)
{
    (void)state;
    static const bool for_querier[] = {false, false, true, true,  false, true,
                                       false, false, true, false, true};
    uint8_t bytes[8] = {0x49, 0x76, 1};
    for (uint8_t type = 1; type <= 10; type++) {
        bytes[3] = type;
        assert_int_equal(query_is_for_querier(bytes, sizeof(bytes)), for_querier[type]);
    }
    assert_false(query_is_for_querier(bytes, 3));
}

static void test_no_answer_is_larger_than_a_request(void **state)
{
    (void)state;
    struct query_message message = {
        .type = MESSAGE_MAP_REPLY,
        .instance = 1,
        .status = QUERY_MAPPED,
        .range = {FAMILY_IPV6, {5}, {7}},
        .etr = address_from_ipv4(1),
        .alternative_count = QUERY_ALTERNATIVES_MAX,
    };
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    assert_true(query_encode(&message, buffer, sizeof(buffer)) <= QUERY_REQUEST_BYTES);
    message.alternative_count = 0;
    assert_int_equal(query_encode(&message, buffer, sizeof(buffer)), QUERY_ANSWER_BYTES);
    assert_int_equal(query_encode(&message, buffer, QUERY_ANSWER_BYTES - 1), 0);
    message.type = MESSAGE_CACHE_UPDATE;
    message.status = QUERY_FLUSH;
    message.etr = ADDRESS_ZERO;
    message.flushed_count = QUERY_FLUSHED_MAX;
    assert_int_equal(query_encode(&message, buffer, sizeof(buffer)),
                     QUERY_ANSWER_BYTES + QUERY_FLUSHED_MAX * QUERY_FLUSHED_BYTES);
    message.flushed_count = 0;
    message.type = MESSAGE_ALIVE_REQUEST;
    assert_int_equal(query_encode(&message, buffer, sizeof(buffer)), QUERY_REQUEST_BYTES);
    message.type = MESSAGE_CACHE_UPDATE_ACK;
    assert_int_equal(query_encode(&message, buffer, sizeof(buffer)), QUERY_HEADER_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_which_side_a_message_is_for),
        cmocka_unit_test(test_no_answer_is_larger_than_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
