// SPDX-License-Identifier: BSD-2-Clause
// The querier core of the ITR, in a loop of its own:
//
//     ask -> outputs -> poll -> input or tick -> events -> a line each -> ask again when forgotten
#include "cli/watch.h"

#include "cli/output.h"
#include "node/socket_address.h"
#include "query/querier.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS_MAX 60000

struct watch {
    struct querier *querier;
    int sock;
    struct address question;
    bool json;
    bool failed;
    bool forgotten;
    bool unheard;
    unsigned long printed;
};

static struct instant now(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (struct instant){(uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec};
}

// The wall clock as "2030-01-31T22:00:00.123Z".
static const char *print_now(char buffer[40])
{
    struct timespec time = {0};
    struct tm parts;
    char seconds[32];
    (void)clock_gettime(CLOCK_REALTIME, &time);
    if (gmtime_r(&time.tv_sec, &parts) == NULL ||
        strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        seconds[0] = '\0';
    (void)snprintf(buffer, 40, "%s.%03ldZ", seconds, time.tv_nsec / 1000000);
    return buffer;
}

static void print_learned(struct watch *watch, const struct querier_event *event)
{
    char time[40];
    char range[RANGE_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    (void)print_now(time);
    (void)range_print(&event->range, range);
    const char *to =
        event->status == QUERY_NOT_IN_MAB ? "not in a MAB" : address_print(&event->etr, etr);
    if (watch->json) {
        json_t *line = json_pack("{s:i, s:s, s:s, s:s, s:I}", "v", 1, "time", time, "micronet",
                                 range, "status", query_status_name(event->status), "mab_sequence",
                                 (json_int_t)event->mab_sequence);
        if (event->status != QUERY_NOT_IN_MAB)
            (void)json_object_set_new(line, "etr", json_string(to));
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(line);
    } else {
        (void)printf("%s%s%s  %s  %s  set %" PRIu64 "\n", color_dim(), time, color_end(), range, to,
                     event->mab_sequence);
    }
    watch->unheard = fflush(stdout) != 0; // what else is to be said is lost, too
    watch->printed++;
}

static void take_events(struct watch *watch)
{
    struct querier_event event;
    while (querier_next_event(watch->querier, &event)) {
        if (event.kind == QUERIER_LEARNED)
            print_learned(watch, &event);
        else if (event.kind == QUERIER_FORGET)
            watch->forgotten = true;
        else
            watch->failed = true;
    }
}

static void send_outputs(struct watch *watch)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint to;
    size_t length;
    while ((length = querier_next_output(watch->querier, now(), &to, bytes)) > 0) {
        struct sockaddr_storage storage;
        socklen_t size = socket_address_of_endpoint(&to, &storage);
        // What is lost here is sent again, as what is lost on the way.
        (void)sendto(watch->sock, bytes, length, 0, (struct sockaddr *)&storage, size);
    }
}

static int poll_ms(const struct watch *watch)
{
    struct instant deadline = querier_next_deadline(watch->querier);
    uint64_t ms = (instant_since(deadline, now()).ns + 999999) / 1000000;
    return ms < POLL_MS_MAX ? (int)ms : POLL_MS_MAX;
}

static void step(struct watch *watch)
{
    struct pollfd ready = {.fd = watch->sock, .events = POLLIN};
    if (poll(&ready, 1, poll_ms(watch)) > 0) {
        uint8_t bytes[QUERY_MESSAGE_BYTES_MAX + 1];
        struct sockaddr_storage storage;
        socklen_t size = sizeof(storage);
        ssize_t length = recvfrom(watch->sock, bytes, sizeof(bytes), MSG_DONTWAIT,
                                  (struct sockaddr *)&storage, &size);
        if (length >= 0) {
            struct endpoint from = endpoint_of_socket_address((struct sockaddr *)&storage);
            querier_input(watch->querier, now(), &from, bytes, (size_t)length);
        }
    }
    querier_tick(watch->querier, now());
    take_events(watch);
    if (watch->forgotten && !watch->failed) {
        watch->forgotten = false;
        (void)querier_ask(watch->querier, now(), &watch->question);
    }
    send_outputs(watch);
}

bool watch_mapping(const struct endpoint *server, const struct address *question,
                   unsigned long changes_max, bool json, struct error *error)
{
    struct querier_config config = {
        .upstreams = {*server}, .upstream_count = 1, .open_max = 4, .cached_max = 4};
    int family = server->address.family == FAMILY_IPV4 ? AF_INET : AF_INET6;
    struct watch watch = {.question = *question, .json = json};
    watch.sock = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (watch.sock < 0)
        return error_set(error, ERROR_SYSTEM, "no-socket", "no socket: %s", strerror(errno));
    watch.querier = querier_new(&config, random_seed_from_system(), now());
    (void)querier_ask(watch.querier, now(), question);
    send_outputs(&watch);
    while (!watch.failed && !watch.unheard && (changes_max == 0 || watch.printed < changes_max))
        step(&watch);
    querier_free(watch.querier);
    (void)close(watch.sock);
    char text[ENDPOINT_TEXT_MAX];
    return !watch.failed ||
           error_set(error, ERROR_UNAVAILABLE, "no-answer",
                     "%s does not answer%s; is a query server running there, and does UDP get "
                     "through?",
                     endpoint_print(server, text), watch.printed > 0 ? " any more" : "");
}
