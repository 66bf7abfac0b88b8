// SPDX-License-Identifier: BSD-2-Clause
// Benchmark of fast push: sets into a sender, its payloads into a receiver, signatures included.
// Prints Markdown. `bench/run-push` builds and starts it; docs/performance.md explains the numbers.
//
// Time is that of the thread on its processor. Each figure is the median of ROUNDS; a round has its
// own sender, receiver and database. Time is virtual, so nothing waits for pacing.
#include "measure.h"

#include "base/memory.h"
#include "push/receiver.h"
#include "push/sender.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS    7
#define PAYLOADS  6000 // about so many a round
#define MICRONETS 65536
#define UNLIMITED 1000000000000

struct bench_case {
    const char *name;
    const char *mab;
    size_t set; // updates in a set
};

static const struct bench_case cases[] = {
    {"IPv4, sets of 1", "20.0.0.0/14", 1},         {"IPv4, sets of 16", "20.0.0.0/14", 16},
    {"IPv4, sets of 1024", "20.0.0.0/14", 1024},   {"IPv6, sets of 1", "2001:db8::/32", 1},
    {"IPv6, sets of 1024", "2001:db8::/32", 1024},
};

// A RUAS, a receiver, and the payloads between them.
struct bench {
    const struct bench_case *which;
    struct prefix mab;
    struct mapping *master;
    uint64_t sequence;
    struct secret_key key;
    struct sender *sender;
    struct database *database;
    struct receiver *receiver;
    struct instant now;
    uint8_t (*payloads)[PAYLOAD_BYTES_MAX];
    uint16_t *lengths;
    size_t payload_count;
    size_t payload_capacity;
};

static const struct endpoint from = {{FAMILY_IPV4, {198, 18, 0, 1}}, 4749};

static struct update update_number(const struct bench *bench, enum update_kind kind, uint32_t i)
{
    struct update update = {.kind = kind, .range = *mapping_units(bench->master)};
    update.range.start.index += i % MICRONETS;
    update.range.length.units = 1;
    update.etr = address_from_ipv4(0xc6120000 + i % 251);
    if (update.range.family == FAMILY_IPV6) {
        update.etr = (struct address){FAMILY_IPV6, {0x20, 0x01, 0x0d, 0xb8}};
        update.etr.octets[15] = (uint8_t)(i % 251);
    }
    return update;
}

// Defines all micronets, so that updates then map them.
static void fill(struct bench *bench)
{
    for (uint32_t i = 0; i < MICRONETS; i++) {
        struct update update = update_number(bench, UPDATE_DEFINE, i);
        if (!mapping_apply(bench->master, &update, 1, NULL, NULL))
            bench_stop("the master refused a definition");
    }
}

static void drain(struct bench *bench)
{
    struct receiver_event event;
    while (receiver_next_event(bench->receiver, bench->now, &event))
        continue;
}

// Brings the receiver to where it follows: a directory, and a snapshot.
static void boot(struct bench *bench)
{
    struct public_key key = key_public(&bench->key);
    struct directory_mab mab = {bench->mab, 0, true, mapping_hash(bench->master)};
    struct directory directory = {.ruas = key, .epoch = 1, .mab_count = 1, .mabs = &mab};
    struct snapshot_info info = {.ruas = key_id(&key), .epoch = 1};
    struct snapshot_bytes bytes;
    struct mapping *copy = NULL;
    drain(bench);
    receiver_directory(bench->receiver, bench->now, 0, &directory);
    drain(bench);
    if (!snapshot_write(bench->master, &info, &bench->key, &bytes, NULL) ||
        !snapshot_read(bytes.bytes, bytes.length, &key, &info, &copy, NULL))
        bench_stop("no snapshot");
    memory_free(bytes.bytes);
    receiver_snapshot(bench->receiver, bench->now, &bench->mab, &info, copy, NULL);
    drain(bench);
}

static void begin(struct bench *bench, const struct bench_case *which)
{
    memset(bench, 0, sizeof(*bench));
    bench->which = which;
    bench->now.ns = 1000000000;
    key_from_seed((const uint8_t[32]){1}, &bench->key);
    if (!prefix_parse(which->mab, &bench->mab, NULL))
        bench_stop("no MAB");
    bench->master = mapping_new(&bench->mab, NULL);
    fill(bench);
    struct sender_config sender = {.epoch = 1, .bytes_second = UNLIMITED, .secret = bench->key};
    bench->sender = sender_new(&sender, bench->now);
    struct mapping_hash hash = mapping_hash(bench->master);
    sender_add_mab(bench->sender, &bench->mab, 0, &hash);
    struct public_key key = key_public(&bench->key);
    struct receiver_config receiver = {1, &key, 0};
    bench->database = database_new();
    bench->receiver =
        receiver_new(&receiver, bench->database, random_seed_from_number(1), bench->now);
    boot(bench);
}

static void end(struct bench *bench)
{
    receiver_free(bench->receiver);
    database_free(bench->database);
    sender_free(bench->sender);
    mapping_free(bench->master);
    memory_free(bench->payloads);
    memory_free(bench->lengths);
}

// Takes all payloads that are due out of the sender.
static void take_payloads(struct bench *bench)
{
    for (;;) {
        if (bench->payload_count == bench->payload_capacity) {
            bench->payload_capacity = bench->payload_capacity * 2 + 1024;
            bench->payloads =
                memory_resize(bench->payloads, bench->payload_capacity * sizeof(*bench->payloads));
            bench->lengths =
                memory_resize(bench->lengths, bench->payload_capacity * sizeof(uint16_t));
        }
        uint8_t *place = bench->payloads[bench->payload_count];
        size_t length = sender_next_output(bench->sender, bench->now, (struct wall_time){1}, place);
        if (length == 0)
            return;
        bench->lengths[bench->payload_count++] = (uint16_t)length;
    }
}

// Sets into the sender, payloads out, until there are PAYLOADS. Updates sent.
static size_t send(struct bench *bench)
{
    static struct update updates[UPDATE_SET_MAX];
    size_t sent = 0;
    while (bench->payload_count < PAYLOADS) {
        for (size_t i = 0; i < bench->which->set; i++)
            updates[i] = update_number(bench, UPDATE_MAP, (uint32_t)(sent + i));
        sent += bench->which->set;
        if (!sender_set(bench->sender, bench->now, &bench->mab, ++bench->sequence, updates,
                        bench->which->set, NULL))
            bench_stop("the queue is full");
        bench->now.ns += 100000; // a tenth of a millisecond
        take_payloads(bench);
    }
    bench->now = instant_add(bench->now, duration_ms(SENDER_BATCH_MS));
    take_payloads(bench);
    return sent;
}

// All payloads into the receiver.
static void receive(struct bench *bench)
{
    for (size_t i = 0; i < bench->payload_count; i++) {
        receiver_input(bench->receiver, bench->now, &from, bench->payloads[i], bench->lengths[i]);
        drain(bench);
    }
}

static void run(const struct bench_case *which)
{
    double sending[ROUNDS];
    double receiving[ROUNDS];
    double sent_updates[ROUNDS];
    double received_updates[ROUNDS];
    double repeats[ROUNDS];
    double octets = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct bench bench;
        begin(&bench, which);
        double start = bench_seconds();
        size_t updates = send(&bench);
        double sent = bench_seconds();
        receive(&bench);
        double received = bench_seconds();
        if (receiver_counters(bench.receiver)->applied_updates != updates)
            bench_stop("the receiver did not apply all updates");
        receive(&bench); // once more: all repeated
        double repeated = bench_seconds();
        double payloads = (double)bench.payload_count;
        sending[round] = payloads / (sent - start);
        receiving[round] = payloads / (received - sent);
        sent_updates[round] = (double)updates / (sent - start);
        received_updates[round] = (double)updates / (received - sent);
        repeats[round] = payloads / (repeated - received);
        octets = (double)sender_counters(bench.sender)->bytes / (double)updates;
        end(&bench);
    }
    (void)printf("| %s | %.1f | %.0f | %.1f | %.0f | %.1f | %.0f |\n", which->name,
                 bench_median(sending, ROUNDS) / 1e3, bench_median(sent_updates, ROUNDS) / 1e3,
                 bench_median(receiving, ROUNDS) / 1e3,
                 bench_median(received_updates, ROUNDS) / 1e3, octets,
                 bench_median(repeats, ROUNDS) / 1e3);
    (void)fflush(stdout);
}

// What a receiver does with forgeries: those that it checks, and those that it does not any more.
static void run_forged(void)
{
    double checked[ROUNDS];
    double suppressed[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        struct bench bench;
        begin(&bench, &cases[0]);
        (void)send(&bench);
        double start = bench_seconds();
        for (size_t i = 0; i < bench.payload_count; i++) {
            bench.payloads[i][bench.lengths[i] - 1] ^= 1;
            bench.now = instant_add(bench.now, duration_ms(20)); // few enough to be checked
            receiver_input(bench.receiver, bench.now, &from, bench.payloads[i], bench.lengths[i]);
        }
        double middle = bench_seconds();
        for (size_t i = 0; i < bench.payload_count; i++)
            receiver_input(bench.receiver, bench.now, &from, bench.payloads[i], bench.lengths[i]);
        double payloads = (double)bench.payload_count;
        checked[round] = payloads / (middle - start);
        suppressed[round] = payloads / (bench_seconds() - middle);
        end(&bench);
    }
    (void)printf("\nForged payloads dropped a second: %.1f thousand with the check of the "
                 "signature, %.0f thousand in a flood (100 checked).\n",
                 bench_median(checked, ROUNDS) / 1e3, bench_median(suppressed, ROUNDS) / 1e3);
}

int main(void)
{
    (void)printf(
        "| case | payloads sent, k/s | updates sent, k/s | payloads received, k/s | updates "
        "received, k/s | octets an update | repeated payloads dropped, k/s |\n"
        "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run(&cases[i]);
    run_forged();
    return 0;
}
