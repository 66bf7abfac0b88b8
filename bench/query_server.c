// SPDX-License-Identifier: BSD-2-Clause
// A query server to be loaded: a QSA whose one MAB holds MICRONETS micronets of one address each,
// which change all the time as if by fast push; or a QSR that asks such a QSA.
//
//     query_server qsa PORT MICRONETS UPDATES_A_SECOND [THREADS]
//     query_server qsr PORT UPSTREAM_PORT [THREADS]
//
// Prints "ready", then runs until it is stopped by a signal.
#include "bench/query_names.h"
#include "mapping/database.h"
#include "node/node.h"
#include "node/query/qsa_threads.h"
#include "node/query/qsr_threads.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct server {
    struct node *node;
    struct database *database;
    struct qsa_threads *threads;
    struct qsr_threads *qsr;
    struct prefix mab;
    uint32_t micronets;
    uint64_t sequence;
    uint64_t updates_a_second;
    uint64_t updates; // applied since `started`
    struct instant started;
    struct random_source random;
    uv_timer_t timer;
};

static const struct teller_config teller = {.queriers_max = TELLER_QUERIERS_MAX,
                                            .unproven_max = TELLER_UNPROVEN_MAX,
                                            .told_max = TELLER_TOLD_MAX,
                                            .told_per_querier_max = TELLER_TOLD_MAX / 4};

static void stop(const char *what)
{
    (void)fprintf(stderr, "query_server: %s\n", what);
    exit(1);
}

static struct node *open_node(void)
{
    static const char text[] = "name: bench\nqsr: {upstreams: [\"127.0.0.1\"]}\n";
    char path[] = "/tmp/ivip-bench-query-XXXXXX";
    struct secret_key key;
    struct error error;
    int file = mkstemp(path);
    key_generate(&key);
    if (file < 0 || write(file, text, sizeof(text) - 1) < 0)
        stop("cannot write a config");
    struct config *config = config_load(path, &error);
    (void)unlink(path);
    if (config == NULL)
        stop(error.text);
    return node_new(config, &key);
}

// The QSA

static void apply(struct server *server, const struct update *updates, size_t count)
{
    struct error error;
    struct mapping *mapping = database_get(server->database, &server->mab);
    if (!mapping_apply(mapping, updates, count, NULL, &error))
        stop(error.text);
    server->sequence++;
    if (server->threads != NULL)
        qsa_threads_tell(server->threads, qsa_news_new(QSA_NEWS_CHANGED, &server->mab,
                                                       server->sequence, NULL, updates, count));
}

static void fill(struct server *server)
{
    static struct update updates[UPDATE_SET_MAX];
    for (uint32_t i = 0; i < server->micronets;) {
        size_t count = 0;
        for (; count < UPDATE_SET_MAX && i < server->micronets; count++, i++)
            updates[count] = (struct update){
                UPDATE_DEFINE, {FAMILY_IPV4, {MICRONETS_BASE + i}, {1}}, etr_of(i, 0), {0}};
        apply(server, updates, count);
    }
}

// As many single updates of micronets at random as are due by now.
static void on_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;
    double seconds = (double)instant_since(node_now(server->node), server->started).ns / 1e9;
    uint64_t due = (uint64_t)(seconds * (double)server->updates_a_second);
    if (due > server->updates + server->updates_a_second / 10) // it was stopped meanwhile
        server->updates = due - server->updates_a_second / 10;
    for (; server->updates < due; server->updates++) {
        uint32_t micronet = (uint32_t)random_below(&server->random, server->micronets);
        struct update update = {UPDATE_MAP,
                                {FAMILY_IPV4, {MICRONETS_BASE + micronet}, {1}},
                                etr_of(micronet, (uint32_t)random_below(&server->random, 500)),
                                {0}};
        apply(server, &update, 1);
    }
}

static void tell(struct server *server, enum qsa_news_kind kind)
{
    qsa_threads_tell(server->threads,
                     qsa_news_new(kind, &server->mab, server->sequence,
                                  database_get(server->database, &server->mab), NULL, 0));
}

static void open_qsa(struct server *server, const struct endpoint *listen, size_t threads)
{
    struct qsa_config config = {teller, duration_s(600)};
    struct error error;
    (void)prefix_parse("20.0.0.0/8", &server->mab, NULL);
    random_init(&server->random, random_seed_from_number(1));
    server->database = database_new();
    (void)database_put(server->database, mapping_new(&server->mab, NULL), NULL);
    fill(server);
    server->threads = qsa_threads_open(listen, &config, threads, &error);
    if (server->threads == NULL)
        stop(error.text);
    tell(server, QSA_NEWS_RELOADED);
    tell(server, QSA_NEWS_READY);
    tell(server, QSA_NEWS_COMPLETE);
    server->started = (struct instant){uv_hrtime()};
    server->timer.data = server;
    (void)uv_timer_init(node_loop(server->node), &server->timer);
    (void)uv_timer_start(&server->timer, on_timer, 1, 1);
}

// The QSR

static void open_qsr(struct server *server, const struct endpoint *listen, uint16_t upstream,
                     size_t threads)
{
    struct qsr_config config = {
        .querier = {.upstreams = {{address_from_ipv4(INADDR_LOOPBACK), upstream}},
                    .upstream_count = 1,
                    .open_max = 65536,
                    .cached_max = 1000000},
        .teller = teller,
        .waiting_max = 65536,
    };
    struct error error;
    server->qsr = qsr_threads_open(listen, &config, threads, &error);
    if (server->qsr == NULL)
        stop(error.text);
}

int main(int count, char **arguments)
{
    struct server server = {.node = open_node()};
    if (count < 4)
        stop("usage: query_server qsa PORT MICRONETS UPDATES | qsr PORT UPSTREAM_PORT");
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK),
                              (uint16_t)strtoul(arguments[2], NULL, 10)};
    unsigned long number = strtoul(arguments[3], NULL, 10);
    if (strcmp(arguments[1], "qsa") == 0) {
        if (number == 0 || number > MICRONETS_MOST)
            stop("1 to 16777216 micronets");
        server.micronets = (uint32_t)number;
        server.updates_a_second = count > 4 ? strtoul(arguments[4], NULL, 10) : 0;
        open_qsa(&server, &listen, count > 5 ? strtoul(arguments[5], NULL, 10) : 1);
    } else {
        open_qsr(&server, &listen, (uint16_t)number,
                 count > 4 ? strtoul(arguments[4], NULL, 10) : 1);
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    (void)uv_run(node_loop(server.node), UV_RUN_DEFAULT);
    (void)pause(); // a QSR needs nothing of the loop
    return 0;
}
