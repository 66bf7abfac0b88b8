// SPDX-License-Identifier: BSD-2-Clause
// sippd FILE: runs one SIPP node until it is told to stop.
#include "sipp/daemon/sippd.h"

#include "base/log.h"
#include "base/memory.h"
#include "sipp/lib/notation.h"

#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void say_sequence(struct sippd *sippd, const char *what, const struct sequence *sequence)
{
    struct path path = path_of(sequence);
    char text[PATH_TEXT_MAX];
    log_info("sippd", "%s %s", what, path_print(sippd->names, &path, text));
}

static void say_conflict(struct sippd *sippd, const struct node_event *event)
{
    const uint8_t *link = event->link.octets;
    char text[NAME_TEXT_MAX];
    log_warning("sippd", "%s is ours, but the node at %02x:%02x:%02x:%02x:%02x:%02x uses it too",
                names_print(sippd->names, sequence_identity(&event->sequence), text), link[0],
                link[1], link[2], link[3], link[4], link[5]);
}

static void handle_event(struct sippd *sippd, const struct node_event *event)
{
    switch (event->kind) {
    case EVENT_CONFIGURED:
        say_sequence(sippd, "configured as", &event->sequence);
        break;
    case EVENT_ATTACHED:
        say_sequence(sippd, "attached as", &event->sequence);
        break;
    case EVENT_REGISTERED:
        say_sequence(sippd, "registered", &event->sequence);
        break;
    case EVENT_ECHO_REPLY:
    case EVENT_ERROR:
        control_event(sippd, event);
        break;
    case EVENT_LEASE:
        leases_event(sippd, event);
        break;
    case EVENT_CONFLICT:
        say_conflict(sippd, event);
        break;
    case EVENT_PACKET:
        if (sippd->gateway != NULL && event->payload_type == SIPP_PAYLOAD_IPV4)
            gateway_event(sippd, event);
        else
            node_refuse(sippd->node, sippd_now(), event, ICMP_NO_PAYLOAD_TYPE);
        break;
    }
}

static void timer_due(uv_timer_t *timer)
{
    struct sippd *sippd = timer->data;
    node_tick(sippd->node, sippd_now());
    sippd->settle(sippd);
}

static void settle(struct sippd *sippd)
{
    struct node_output output;
    struct node_event event;
    // Events first, as a lease is written down before its host hears of it.
    while (node_next_event(sippd->node, &event))
        handle_event(sippd, &event);
    while (node_next_output(sippd->node, &output))
        port_send(sippd->ports[output.interface], &output.link, output.bytes, output.length);
    struct instant deadline = node_next_deadline(sippd->node);
    uint64_t wait = instant_since(deadline, sippd_now()).ns / 1000000 + 1;
    (void)uv_timer_start(&sippd->timer, timer_due, wait, 0);
}

static void stop(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static void close_handle(uv_handle_t *handle, void *state)
{
    (void)state;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void start(struct sippd *sippd)
{
    const int signals[2] = {SIGTERM, SIGINT};
    (void)uv_loop_init(&sippd->loop);
    (void)uv_timer_init(&sippd->loop, &sippd->timer);
    sippd->timer.data = sippd;
    sippd->settle = settle;
    for (size_t i = 0; i < 2; i++) {
        (void)uv_signal_init(&sippd->loop, &sippd->stop_signals[i]);
        (void)uv_signal_start(&sippd->stop_signals[i], stop, signals[i]);
    }
    sippd->names = names_new();
    sippd->leases = -1;
}

static void finish(struct sippd *sippd)
{
    // Whoever is impatient and sends a second signal shall not keep routes from being taken back.
    sigset_t stops;
    (void)sigemptyset(&stops);
    (void)sigaddset(&stops, SIGTERM);
    (void)sigaddset(&stops, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &stops, NULL);
    control_close(sippd);
    gateway_close(sippd);
    kernel_close(sippd);
    leases_close(sippd);
    uv_walk(&sippd->loop, close_handle, NULL);
    (void)uv_run(&sippd->loop, UV_RUN_DEFAULT);
    ports_close(sippd);
    node_free(sippd->node);
    names_free(sippd->names);
    (void)uv_loop_close(&sippd->loop);
}

static const char usage[] =
    "usage: sippd [--check] FILE\n"
    "\n"
    "Runs the SIPP node that FILE describes (sippd.conf(5)) until SIGTERM or SIGINT.\n"
    "\n"
    "  --check    only read FILE and say what is wrong with it\n"
    "  --help     this text\n"
    "  --version  the version\n";

static bool run(struct sippd *sippd, const char *file, struct error *error)
{
    if (!kernel_open(sippd, error) || !config_load(sippd, file, error) ||
        !privileges_drop(sippd, error))
        return false;
    log_info("sippd", "running %s", file);
    settle(sippd);
    (void)uv_run(&sippd->loop, UV_RUN_DEFAULT);
    return true;
}

int main(int count, char **words)
{
    static const struct option options[] = {{"check", no_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    static struct sippd sippd;
    struct error error = {0};
    int letter;
    while ((letter = getopt_long(count, words, "", options, NULL)) != -1) {
        if (letter == 'c')
            sippd.checking = true;
        else if (letter == 'h' || letter == 'V')
            return fputs(letter == 'h' ? usage : "sippd " SIPPD_RELEASE "\n", stdout) == EOF ? 1
                                                                                             : 0;
        else
            return 2;
    }
    if (count - optind != 1) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (sodium_init() < 0)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    start(&sippd);
    bool good = sippd.checking ? config_load(&sippd, words[optind], &error)
                               : run(&sippd, words[optind], &error);
    if (!good)
        log_error("sippd", "%s", error.text);
    finish(&sippd);
    return good ? 0 : 1;
}
