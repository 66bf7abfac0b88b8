// SPDX-License-Identifier: BSD-2-Clause
// What a hit in a QSR's cache costs beside an answer of a QSA: both cores in one program, without
// the kernel, in turns of some milliseconds, so that whatever else the machine does hits both.
// Questions come in batches, as from a socket; every answer is checked. Prints Markdown.
//
//     query_hits [MICRONETS]     100000
#include "measure.h"

#include "bench/query_names.h"
#include "mapping/mapping.h"
#include "query/qsa.h"
#include "query/qsr.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define QUERIERS 32
#define TURNS    240
#define BATCHES  100     // in a turn
#define MOST     1000000 // micronets, as many as a QSR caches

enum kind { THE_QSA, THE_QSR, KINDS };

struct datagram {
    struct endpoint peer;
    size_t length;
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
};

struct bench {
    struct instant now;
    struct prefix mab;
    struct mapping *mapping;
    uint32_t micronets;
    struct random_source random;
    struct qsa *qsa;
    struct qsr *qsr;
    struct qsa *upstream; // of the QSR
    uint64_t tokens[KINDS][QUERIERS];
};

static const struct teller_config teller = {.queriers_max = 1000,
                                            .unproven_max = 1000,
                                            .told_max = 4000000,
                                            .told_per_querier_max = 4000000};
static const struct endpoint upstream_at = {{FAMILY_IPV4, {10, 1, 0, 1}}, 4746};
static const struct endpoint qsr_at = {{FAMILY_IPV4, {10, 1, 0, 2}}, 4746};

static struct endpoint querier_at(uint32_t number)
{
    return (struct endpoint){address_from_ipv4(0x0a000000u + number), 4746};
}

static void fill(struct bench *bench)
{
    static struct update updates[UPDATE_SET_MAX];
    struct error error;
    for (uint32_t i = 0; i < bench->micronets;) {
        size_t count = 0;
        for (; count < UPDATE_SET_MAX && i < bench->micronets; count++, i++)
            updates[count] = (struct update){
                UPDATE_DEFINE, {FAMILY_IPV4, {MICRONETS_BASE + i}, {1}}, etr_of(i, 0), {0}};
        if (!mapping_apply(bench->mapping, updates, count, NULL, &error))
            bench_stop(error.text);
    }
}

static struct qsa *open_qsa(const struct bench *bench, uint64_t seed)
{
    struct qsa_config config = {teller, duration_s(600)};
    struct qsa *qsa = qsa_new(&config, random_seed_from_number(seed), bench->now);
    (void)qsa_mab_add(qsa, &bench->mab, NULL);
    qsa_mab_reloaded(qsa, bench->now, &bench->mab, bench->mapping, 0);
    qsa_mab_ready(qsa, &bench->mab);
    qsa_set_complete(qsa, true);
    return qsa;
}

static void open_all(struct bench *bench, uint32_t micronets)
{
    struct qsr_config config = {
        .querier = {.upstreams = {upstream_at},
                    .upstream_count = 1,
                    .open_max = 1000,
                    .cached_max = MOST},
        .teller = teller,
        .waiting_max = 1000,
    };
    *bench = (struct bench){.micronets = micronets, .now = {1000000000}};
    (void)prefix_parse("20.0.0.0/8", &bench->mab, NULL);
    random_init(&bench->random, random_seed_from_number(1));
    bench->mapping = mapping_new(&bench->mab, NULL);
    fill(bench);
    bench->qsa = open_qsa(bench, 2);
    bench->upstream = open_qsa(bench, 3);
    bench->qsr = qsr_new(&config, random_seed_from_number(4), bench->now);
}

static void close_all(struct bench *bench)
{
    qsr_free(bench->qsr);
    qsa_free(bench->upstream);
    qsa_free(bench->qsa);
    mapping_free(bench->mapping);
}

static void make_request(struct bench *bench, enum kind kind, uint32_t querier, uint32_t micronet,
                         struct datagram *datagram)
{
    struct query_message request = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = random_u64(&bench->random),
                                    .token = bench->tokens[kind][querier],
                                    .instance = 1,
                                    .question = address_from_ipv4(MICRONETS_BASE + micronet)};
    datagram->peer = querier_at(querier);
    datagram->length = query_encode(&request, datagram->bytes, sizeof(datagram->bytes));
}

static void check_reply(struct bench *bench, enum kind kind, const struct datagram *datagram)
{
    struct query_message reply;
    if (query_decode(datagram->bytes, datagram->length, &reply) != DECODE_OK ||
        reply.type != MESSAGE_MAP_REPLY || reply.status != QUERY_MAPPED)
        bench_stop("not an answer");
    if (!etr_is_of(&reply.etr, (uint32_t)(reply.range.start.index - MICRONETS_BASE)))
        bench_stop("a wrong answer");
    for (uint32_t i = 0; i < QUERIERS; i++) {
        struct endpoint querier = querier_at(i);
        if (endpoint_equal(&querier, &datagram->peer))
            bench->tokens[kind][i] = reply.token;
    }
}

// Carries messages between the QSR and its QSA, until the QSR has one for a querier.
static void carry(struct bench *bench, struct datagram *reply)
{
    struct datagram datagram;
    for (;;) {
        datagram.length = qsr_next_output(bench->qsr, bench->now, &datagram.peer, datagram.bytes);
        if (datagram.length == 0)
            bench_stop("no answer");
        if (!endpoint_equal(&datagram.peer, &upstream_at)) {
            *reply = datagram;
            return;
        }
        qsa_input(bench->upstream, bench->now, &qsr_at, datagram.bytes, datagram.length);
        while ((datagram.length = qsa_next_output(bench->upstream, bench->now, &datagram.peer,
                                                  datagram.bytes)) > 0)
            qsr_input(bench->qsr, bench->now, &upstream_at, datagram.bytes, datagram.length);
    }
}

// The QSR is asked for every micronet once. Who asks first proves its address by the next request.
static void warm(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->micronets; i++) {
        struct datagram datagram;
        make_request(bench, THE_QSR, i % QUERIERS, i, &datagram);
        qsr_input(bench->qsr, bench->now, &datagram.peer, datagram.bytes, datagram.length);
        carry(bench, &datagram);
        check_reply(bench, THE_QSR, &datagram);
    }
}

static size_t take_output(struct bench *bench, enum kind kind, struct datagram *datagram)
{
    datagram->length =
        kind == THE_QSA ? qsa_next_output(bench->qsa, bench->now, &datagram->peer, datagram->bytes)
                        : qsr_next_output(bench->qsr, bench->now, &datagram->peer, datagram->bytes);
    return datagram->length;
}

// What a server's thread does with a batch (src/node/query/query_threads.c). The answers take the
// place of the questions.
static void answer(struct bench *bench, enum kind kind, struct datagram *datagrams)
{
    struct foresight foresight;
    foresight_init(&foresight);
    for (size_t i = 0; i < FORESIGHT_MAX; i++)
        foresight_add(&foresight, &datagrams[i].peer, datagrams[i].bytes, datagrams[i].length);
    if (kind == THE_QSA)
        teller_foresee(qsa_teller(bench->qsa), &foresight);
    else
        qsr_foresee(bench->qsr, &foresight);
    for (size_t i = 0; i < FORESIGHT_MAX; i++) {
        struct datagram *in = &datagrams[i];
        if (kind == THE_QSA)
            qsa_input(bench->qsa, bench->now, &in->peer, in->bytes, in->length);
        else
            qsr_input(bench->qsr, bench->now, &in->peer, in->bytes, in->length);
    }
    for (size_t i = 0; i < FORESIGHT_MAX; i++)
        if (take_output(bench, kind, &datagrams[i]) == 0)
            bench_stop("an answer is missing");
}

// Nanoseconds of processor time for an answer, in one turn of many batches.
static double turn(struct bench *bench, enum kind kind)
{
    static struct datagram datagrams[FORESIGHT_MAX];
    double took = 0;
    for (int i = 0; i < BATCHES; i++) {
        for (size_t k = 0; k < FORESIGHT_MAX; k++)
            make_request(bench, kind, (uint32_t)random_below(&bench->random, QUERIERS),
                         (uint32_t)random_below(&bench->random, bench->micronets), &datagrams[k]);
        double start = bench_seconds();
        answer(bench, kind, datagrams);
        took += bench_seconds() - start;
        for (size_t k = 0; k < FORESIGHT_MAX; k++)
            check_reply(bench, kind, &datagrams[k]);
    }
    return took / (BATCHES * FORESIGHT_MAX) * 1e9;
}

static void print(const char *what, const char *unit, double *values)
{
    double median = bench_median(values, TURNS); // sorted then
    (void)printf("| %s | %.*f%s (%.*f-%.*f) |\n", what, unit[0] == '\0' ? 2 : 0, median, unit,
                 unit[0] == '\0' ? 2 : 0, values[TURNS / 10], unit[0] == '\0' ? 2 : 0,
                 values[TURNS - 1 - TURNS / 10]);
}

int main(int count, char **arguments)
{
    unsigned long micronets = count > 1 ? strtoul(arguments[1], NULL, 10) : 100000;
    static double times[KINDS][TURNS];
    static double ratios[TURNS];
    struct bench bench;
    if (micronets == 0 || micronets > MOST)
        bench_stop("1 to 1000000 micronets");
    open_all(&bench, (uint32_t)micronets);
    warm(&bench);
    for (int i = 0; i < TURNS; i++) {
        for (int kind = 0; kind < KINDS; kind++)
            times[kind][i] = turn(&bench, (enum kind)kind);
        ratios[i] = times[THE_QSR][i] / times[THE_QSA][i];
    }
    if (qsr_counters(bench.qsr)->misses != bench.micronets)
        bench_stop("not all were hits");
    (void)printf("%lu micronets, all of them in the QSR's cache\n\n"
                 "| core alone, batches of %d, %d turns of each: median (eight tenths within)"
                 " | |\n|---|---|\n",
                 micronets, FORESIGHT_MAX, TURNS);
    print("an answer of the QSA", " ns", times[THE_QSA]);
    print("a hit of the QSR", " ns", times[THE_QSR]);
    print("a hit of the QSR beside an answer of the QSA in the turn before", "", ratios);
    close_all(&bench);
    return 0;
}
