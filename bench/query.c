// SPDX-License-Identifier: BSD-2-Clause
// Benchmark of the QSA's core alone: answers a second, and the cost of an update by how many were
// told. Every answer is checked. Prints Markdown.
//
//     query [MICRONETS]     1000000
#include "measure.h"

#include "base/memory.h"
#include "mapping/database.h"
#include "query/qsa.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE      0x14000000u // 20.0.0.0
#define QUERIERS  10000
#define TOLD      1000000 // ranges told in all, before updates are measured
#define UPDATES   2000
#define TOLD_MOST 10000 // to one micronet

static struct address etr_of(uint32_t micronet)
{
    return address_from_ipv4(0xc6120000u + micronet % 251 + 1);
}

// A QSA over one MAB of single-address micronets.
struct bench {
    uint32_t micronets;
    struct prefix mab;
    struct database *database;
    struct qsa *qsa;
    struct instant now;
    uint64_t sequence;
    struct random_source random;
};

static void apply(struct bench *bench, const struct update *updates, size_t count)
{
    struct error error;
    struct mapping *mapping = database_get(bench->database, &bench->mab);
    if (!mapping_apply(mapping, updates, count, NULL, &error))
        bench_stop(error.text);
    qsa_changed(bench->qsa, bench->now, &bench->mab, ++bench->sequence, updates, count);
}

static void fill(struct bench *bench)
{
    static struct update updates[UPDATE_SET_MAX];
    for (uint32_t i = 0; i < bench->micronets;) {
        size_t count = 0;
        for (; count < UPDATE_SET_MAX && i < bench->micronets; count++, i++)
            updates[count] =
                (struct update){UPDATE_DEFINE, {FAMILY_IPV4, {BASE + i}, {1}}, etr_of(i), {0}};
        apply(bench, updates, count);
    }
}

static void build(struct bench *bench, uint32_t micronets)
{
    struct qsa_config config = {
        .teller = {.queriers_max = 2 * QUERIERS,
                   .unproven_max = 2 * QUERIERS,
                   .told_max = 4000000,
                   .told_per_querier_max = 4000000},
        .caching_time = duration_s(600),
    };
    *bench = (struct bench){.micronets = micronets, .now = {1000000000}};
    (void)prefix_parse("20.0.0.0/8", &bench->mab, NULL);
    random_init(&bench->random, random_seed_from_number(1));
    bench->database = database_new();
    bench->qsa = qsa_new(&config, random_seed_from_number(2), bench->now);
    (void)database_put(bench->database, mapping_new(&bench->mab, NULL), NULL);
    (void)qsa_mab_add(bench->qsa, &bench->mab, NULL);
    qsa_mab_reloaded(bench->qsa, bench->now, &bench->mab,
                     database_get(bench->database, &bench->mab), 0);
    qsa_mab_ready(bench->qsa, &bench->mab);
    qsa_set_complete(bench->qsa, true);
    fill(bench);
}

static size_t make_request(uint8_t *bytes, uint64_t nonce, uint64_t token, uint32_t micronet)
{
    struct query_message request = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = nonce,
                                    .token = token,
                                    .instance = 1,
                                    .question = address_from_ipv4(BASE + micronet)};
    return query_encode(&request, bytes, QUERY_MESSAGE_BYTES_MAX);
}

static void check_reply(const uint8_t *bytes, size_t length, struct query_message *reply)
{
    if (query_decode(bytes, length, reply) != DECODE_OK || reply->type != MESSAGE_MAP_REPLY)
        bench_stop("not a Map Reply");
    uint32_t micronet = (uint32_t)(reply->range.start.index - BASE);
    struct address etr = etr_of(micronet);
    if (reply->status != QUERY_MAPPED || !address_equal(&reply->etr, &etr))
        bench_stop("a wrong answer");
}

static size_t make_ack(uint8_t *bytes, const struct query_message *reply)
{
    struct query_message ack = {.type = reply->type == MESSAGE_MAP_REPLY ? MESSAGE_MAP_REPLY_ACK
                                                                         : MESSAGE_CACHE_UPDATE_ACK,
                                .nonce = reply->nonce,
                                .token = reply->token,
                                .server_sequence = reply->server_sequence,
                                .instance = 1,
                                .released_count = reply->flushed_count};
    for (size_t i = 0; i < reply->flushed_count; i++)
        ack.released[i] = reply->flushed[i];
    return query_encode(&ack, bytes, QUERY_MESSAGE_BYTES_MAX);
}

static struct endpoint querier_of(uint32_t number)
{
    return (struct endpoint){address_from_ipv4(0x0a000000u + number), 4746};
}

// One question of one querier, answered and acknowledged.
static void ask(struct bench *bench, uint32_t querier, uint32_t micronet)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint from = querier_of(querier);
    struct endpoint to;
    struct query_message reply;
    size_t length = make_request(bytes, random_u64(&bench->random), 0, micronet);
    qsa_input(bench->qsa, bench->now, &from, bytes, length);
    length = qsa_next_output(bench->qsa, bench->now, &to, bytes);
    check_reply(bytes, length, &reply);
    length = make_ack(bytes, &reply);
    qsa_input(bench->qsa, bench->now, &from, bytes, length);
}

static void bench_core(struct bench *bench)
{
    uint64_t count = 0;
    double start = bench_clock_seconds();
    while (count < TOLD)
        for (int i = 0; i < 1000; i++, count++)
            ask(bench, (uint32_t)(count % QUERIERS),
                (uint32_t)random_below(&bench->random, bench->micronets));
    double took = bench_clock_seconds() - start;
    struct teller *teller = qsa_teller(bench->qsa);
    (void)printf("| core alone, each answer acknowledged and remembered | %.0f answers/s |\n"
                 "| memory for %zu ranges told to %zu queriers | %.0f octets each |\n",
                 (double)count / took, teller_told(teller), teller_queriers(teller),
                 (double)teller_memory(teller) / (double)teller_told(teller));
}

// A thousand changes a second: one querier would not be told more than some hundreds at once.
static void change(struct bench *bench, const struct update *update)
{
    bench->now = instant_add(bench->now, duration_ms(1));
    apply(bench, update, 1);
}

// Takes all updates out and acknowledges them; returns how many there were.
static size_t drain(struct bench *bench)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint to;
    struct query_message update;
    size_t length = 0;
    size_t count = 0;
    while ((length = qsa_next_output(bench->qsa, bench->now, &to, bytes)) > 0) {
        if (query_decode(bytes, length, &update) != DECODE_OK ||
            update.type != MESSAGE_CACHE_UPDATE)
            bench_stop("not a Cache Update");
        length = make_ack(bytes, &update);
        qsa_input(bench->qsa, bench->now, &to, bytes, length);
        count += 1 + update.flushed_count;
    }
    return count;
}

static void bench_update(struct bench *bench, uint32_t told, uint32_t updates)
{
    size_t sent = 0;
    for (uint32_t i = 0; i < updates; i++)
        for (uint32_t querier = 0; querier < told; querier++)
            ask(bench, querier, i);
    size_t others = teller_told(qsa_teller(bench->qsa));
    double start = bench_clock_seconds();
    for (uint32_t i = 0; i < updates; i++) {
        struct update update = {
            UPDATE_MAP, {FAMILY_IPV4, {BASE + i}, {1}}, address_from_ipv4(0xc6130000u + told), {0}};
        change(bench, &update);
        sent += drain(bench);
    }
    double took = bench_clock_seconds() - start;
    if (sent < (size_t)told * updates)
        bench_stop("not all who were told of a mapping are told of its change");
    (void)printf("| update told to %" PRIu32 " of %d queriers, %zu ranges told in all | %.1f us, "
                 "%.2f us for each Cache Update sent and acknowledged |\n",
                 told, QUERIERS, others, took / updates * 1e6, took / (double)sent * 1e6);
    for (uint32_t i = 0; i < updates; i++) {
        struct update update = {UPDATE_MAP, {FAMILY_IPV4, {BASE + i}, {1}}, etr_of(i), {0}};
        change(bench, &update);
        (void)drain(bench);
    }
}

int main(int count, char **arguments)
{
    uint32_t micronets = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1000000;
    struct bench bench;
    build(&bench, micronets);
    (void)printf("QSA, %" PRIu32 " micronets\n\n| what | measured |\n|---|---|\n", micronets);
    (void)fflush(stdout);
    bench_core(&bench);
    bench_update(&bench, 1, UPDATES);
    bench_update(&bench, 10, UPDATES / 10);
    bench_update(&bench, TOLD_MOST, 3);
    qsa_free(bench.qsa);
    database_free(bench.database);
    return 0;
}
