// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/sim/sample.h"

#include "base/cursor.h"

#include <assert.h>

#define ECHOES 40
#define TRIES  20 // of each echo, where frames are lost

struct echo {
    size_t host;
    struct route route;
    bool away; // to a mobile host that is not at home: only an answer will do
    bool done;
};

static struct path random_policy(struct sample *sample)
{
    struct path via = {.count = 0};
    for (uint64_t i = random_below(&sample->random, 4); i > 0; i--) {
        size_t provider = random_below(&sample->random, sample->shape.providers);
        via.addresses[via.count++] = sample_provider_prefix(provider).address;
    }
    return via;
}

static struct path random_destination(struct sample *sample)
{
    const struct sample_host *host =
        &sample->hosts[random_below(&sample->random, sample->host_count)];
    struct path path = host->paths[random_below(&sample->random, host->path_count)];
    uint64_t fate = random_below(&sample->random, 10);
    if (fate == 0)
        path.addresses[path.count - 1].bits |= 0x7000; // nobody
    else if (fate == 1)
        path = (struct path){.count = 1, .addresses = {{SAMPLE_LOOP_PREFIX | 1}}};
    else if (fate == 2)
        path = (struct path){.count = 1, .addresses = {{UINT64_C(0x00fe000000000001)}}};
    return path;
}

static bool is_mobile(const struct sample *sample, size_t host)
{
    for (size_t i = 0; i < sample->mobile_count; i++) {
        if (sample->mobiles[i].host == host)
            return true;
    }
    return false;
}

// True for the address of a mobile host that is not at home.
static bool is_away(const struct sample *sample, struct sipp_address address)
{
    for (size_t i = 0; i < sample->mobile_count; i++) {
        const struct sample_mobile *one = &sample->mobiles[i];
        if (sipp_address_equal(path_identity(&sample->hosts[one->host].paths[0]), address))
            return one->place != one->home;
    }
    return false;
}

// One echo of four is for a mobile host, where there are any; half of those by the path in use.
static void choose(struct sample *sample, struct echo *echo)
{
    bool mobile = sample->mobile_count > 0 && random_below(&sample->random, 4) == 0;
    bool free_choice = mobile && random_below(&sample->random, 2) == 0;
    struct path via = random_policy(sample);
    struct path destination = random_destination(sample);
    do
        echo->host = random_below(&sample->random, sample->host_count);
    while (mobile && is_mobile(sample, echo->host));
    echo->done = false;
    if (mobile) {
        const struct sample_mobile *one =
            &sample->mobiles[random_below(&sample->random, sample->mobile_count)];
        destination = sample->hosts[one->host].paths[0];
    }
    echo->away = is_away(sample, path_identity(&destination));
    struct node *node = fabric_node(sample->fabric, sample->hosts[echo->host].node);
    bool good = node_route_to(node, fabric_now(sample->fabric, node), free_choice ? NULL : &via,
                              &destination, &echo->route, NULL);
    assert(good);
    (void)good;
}

static void send_echo(struct sample *sample, const struct echo *echo, uint16_t number)
{
    struct node *node = fabric_node(sample->fabric, sample->hosts[echo->host].node);
    bool good = node_send_echo(node, fabric_now(sample->fabric, node), &echo->route, 64, number,
                               number, NULL, 0, NULL);
    assert(good);
    (void)good;
    sample->sent++;
}

static void check_reply(struct sample *sample, const struct echo *echo,
                        const struct node_event *event)
{
    const struct node *node = fabric_node(sample->fabric, sample->hosts[echo->host].node);
    struct route again;
    if (!sipp_address_equal(route_source(&event->route), route_destination(&echo->route)) ||
        !sipp_address_equal(route_destination(&event->route), route_source(&echo->route)))
        sample_fail(sample, "an answer of another identity", &event->route);
    // A mobile host away from home answers from where it is, or from where it is known to be.
    if (!echo->away && (!node_route_back(node, &event->route, &again) ||
                        (!route_equal(&again, &echo->route) && !is_mobile(sample, echo->host))))
        sample_fail(sample, "reversal of reversal is another route", &echo->route);
}

// The number of the echo that an error quotes, or UINT16_MAX.
static uint16_t quoted_number(struct sample *sample, const struct node_event *event)
{
    struct packet packet;
    const struct icmp_error *error = &event->icmp.error;
    if (packet_decode_quote(error->quote, error->quote_length, &packet) != PACKET_OK)
        return UINT16_MAX;
    if (!sipp_address_equal(route_source(&packet.route), route_destination(&event->route)))
        sample_fail(sample, "an error for another", &event->route);
    struct reader reader = reader_over(error->quote + packet.payload_offset, packet.payload_length);
    (void)reader_take(&reader, 6);
    return reader_u16(&reader);
}

static void hear_answer(struct sample *sample, struct echo *echo, const struct node_event *event)
{
    bool reply = event->kind == EVENT_ECHO_REPLY;
    if (reply) {
        sample->answered++;
        sample->reached += echo->away ? 1 : 0;
        check_reply(sample, echo, event);
    } else {
        sample->errors++;
        sample->expired += event->icmp.type == ICMP_TIME_EXCEEDED ? 1 : 0;
    }
    // A policy that goes round for too long ends in an error also towards a mobile host.
    bool expired = !reply && event->icmp.type == ICMP_TIME_EXCEEDED;
    if (reply || expired || !echo->away)
        echo->done = true;
}

static void collect(struct sample *sample, struct echo *echoes, size_t host)
{
    struct node_event event;
    while (node_next_event(fabric_node(sample->fabric, sample->hosts[host].node), &event)) {
        if (event.kind != EVENT_ECHO_REPLY && event.kind != EVENT_ERROR)
            continue;
        uint16_t number =
            event.kind == EVENT_ECHO_REPLY ? event.icmp.echo.number : quoted_number(sample, &event);
        if (echoes != NULL && number < ECHOES && echoes[number].host == host)
            hear_answer(sample, &echoes[number], &event);
    }
}

void sample_exchange(struct sample *sample)
{
    struct echo echoes[ECHOES];
    int tries = (sample->shape.faults & FAULT_LOSS) != 0 ? TRIES : 1;
    uint64_t before = sample->frames;
    uint64_t sent = sample->sent;
    for (uint16_t i = 0; i < ECHOES; i++)
        choose(sample, &echoes[i]);
    for (int round = 0; round < tries; round++) {
        for (uint16_t i = 0; i < ECHOES; i++) {
            if (!echoes[i].done)
                send_echo(sample, &echoes[i], i);
        }
        // Long enough for three unanswered Where-Are-You.
        fabric_run(sample->fabric, duration_s(5));
        for (size_t i = 0; i < sample->host_count; i++)
            collect(sample, echoes, i);
    }
    for (size_t i = 0; i < ECHOES; i++) {
        if (!echoes[i].done)
            sample_fail(sample, "neither answer nor error reached the source", &echoes[i].route);
    }
    // Each echo and its answer or error may cross 64 wires, and as many in a tunnel; the rest is
    // announcements.
    uint64_t announcements =
        (uint64_t)tries * 4 * fabric_count(sample->fabric) * NODE_INTERFACES_MAX;
    if (sample->frames - before > (sample->sent - sent) * 4 * 64 + announcements)
        sample_fail(sample, "packets outlive their hop limit", NULL);
}

void sample_disturb(struct sample *sample)
{
    struct echo echo;
    for (uint16_t i = 0; i < ECHOES; i++) {
        choose(sample, &echo);
        send_echo(sample, &echo, UINT16_MAX - i);
    }
    fabric_run(sample->fabric, duration_s(5));
    for (size_t i = 0; i < sample->host_count; i++)
        collect(sample, NULL, i);
}
