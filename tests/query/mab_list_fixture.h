// SPDX-License-Identifier: BSD-2-Clause
// A list of MABs that learns from servers A and B over a network that loses, repeats and forges.
#ifndef IVIP_TESTS_QUERY_MAB_LIST_FIXTURE_H
#define IVIP_TESTS_QUERY_MAB_LIST_FIXTURE_H

#include "wire_tap.h"

#include "base/random.h"
#include "query/mab_list.h"
#include "query/page_teller.h"

#include <stdio.h>
#include <stdlib.h>

#define A        "192.0.2.1:4746"
#define B        "192.0.2.2:4746"
#define STRANGER "203.0.113.66:4746"
#define ME       "192.0.2.9:4746"

#define DELAY_MS     5 // each way
#define FLIGHT_MAX   4096
#define SECOND_MS    1000
#define SERVER_COUNT 2

struct flight {
    struct instant arrives;
    bool to_list;
    size_t server;
    size_t length;
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
};

struct fixture {
    struct mab_list *list;
    struct page_teller servers[SERVER_COUNT];
    bool dead[SERVER_COUNT];
    struct instant now;
    struct random_source random;
    unsigned loss, twice, spoiled; // percent
    bool forging;                  // each request is answered by a stranger as well
    uint32_t jitter_ms;
    size_t flights;
    struct flight *flying;
    size_t requests; // that left the list
    unsigned versions, lost, found;
};

static struct endpoint server_endpoint(size_t server)
{
    return endpoint_of(server == 0 ? A : B);
}

static struct fixture start(size_t servers)
{
    struct fixture f = {.now = at_ms(0)};
    struct endpoint endpoints[] = {endpoint_of(A), endpoint_of(B)};
    random_init(&f.random, random_seed_from_number(11));
    f.list = mab_list_new(random_seed_from_number(5), f.now);
    f.flying = calloc(FLIGHT_MAX, sizeof(*f.flying));
    for (size_t i = 0; i < SERVER_COUNT; i++)
        page_teller_init(&f.servers[i]);
    mab_list_set_servers(f.list, f.now, endpoints, servers);
    return f;
}

static void stop(struct fixture *f)
{
    mab_list_free(f->list);
    for (size_t i = 0; i < SERVER_COUNT; i++)
        page_teller_release(&f->servers[i]);
    free(f->flying);
}

static void publish(struct fixture *f, size_t server, const struct mab_entry *entries, size_t count)
{
    struct page_shelf *shelf = page_shelf_of_entries(entries, count);
    page_teller_set(&f->servers[server], shelf);
    page_shelf_release(shelf);
}

// `count` MABs 20.0.0.0/24, 20.0.1.0/24 ..., from number `first` on.
static struct mab_entry *make_entries(uint32_t first, uint32_t count)
{
    struct mab_entry *entries = calloc(count + 1, sizeof(*entries));
    for (uint32_t i = 0; i < count; i++) {
        entries[i].prefix =
            (struct prefix){address_from_ipv4((20u << 24) + ((first + i) << 8)), 24};
        (void)snprintf(entries[i].dsoc, sizeof(entries[i].dsoc), "dsoc-%u",
                       (first + i) * 7919u % 300);
    }
    return entries;
}

static void publish_many(struct fixture *f, size_t server, uint32_t first, uint32_t count)
{
    struct mab_entry *entries = make_entries(first, count);
    publish(f, server, entries, count);
    free(entries);
}

static bool happens(struct fixture *f, unsigned percent)
{
    return random_below(&f->random, 100) < percent;
}

static void fly(struct fixture *f, bool to_list, size_t server, const uint8_t *bytes, size_t length)
{
    if (happens(f, f->loss))
        return;
    unsigned copies = happens(f, f->twice) ? 2 : 1;
    for (; copies > 0; copies--) {
        assert_true(f->flights < FLIGHT_MAX);
        struct flight *flight = &f->flying[f->flights++];
        uint64_t delay = DELAY_MS + (f->jitter_ms > 0 ? random_below(&f->random, f->jitter_ms) : 0);
        *flight = (struct flight){.arrives = instant_add(f->now, duration_ms(delay)),
                                  .to_list = to_list,
                                  .server = server,
                                  .length = length};
        memcpy(flight->bytes, bytes, length);
        if (to_list && happens(f, f->spoiled))
            flight->bytes[PAGE_HEADER_BYTES + random_below(&f->random, length)] ^= 1;
    }
}

static void take_events(struct fixture *f)
{
    enum mab_list_event event;
    while (mab_list_next_event(f->list, &event)) {
        f->versions += event == MAB_LIST_VERSION;
        f->lost += event == MAB_LIST_LOST;
        f->found += event == MAB_LIST_FOUND;
    }
}

// Somebody off path answers what he guesses was asked; `request` is only for its form.
static void forge(struct fixture *f, const struct page_message *request)
{
    static const uint8_t page[] = "\x10"
                                  "66.0.0.0/8 wrong";
    struct page_message forged = {.type = MESSAGE_PAGE_REPLY, .nonce = request->nonce ^ 1};
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct endpoint from = server_endpoint(0);
    memcpy(forged.page, request->page, sizeof(forged.page));
    mab_page_name(page, sizeof(page) - 1, forged.root.page);
    forged.status = PAGE_NONE;
    if (request->page[0] != '\0') {
        forged.status = PAGE_FOUND;
        forged.bytes = page;
        forged.length = sizeof(page) - 1;
    }
    mab_list_input(f->list, f->now, &from, bytes,
                   page_message_encode(&forged, bytes, sizeof(bytes)));
    // And one who sees the nonce, but is at another address.
    forged.nonce = request->nonce;
    from = endpoint_of(STRANGER);
    mab_list_input(f->list, f->now, &from, bytes,
                   page_message_encode(&forged, bytes, sizeof(bytes)));
}

static void send_all(struct fixture *f)
{
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct endpoint to;
    size_t length = 0;
    while ((length = mab_list_next_output(f->list, f->now, &to, bytes)) > 0) {
        struct endpoint a = endpoint_of(A);
        struct page_message request;
        assert_int_equal(page_message_decode(bytes, length, &request), DECODE_OK);
        f->requests++;
        if (f->forging)
            forge(f, &request);
        fly(f, false, endpoint_equal(&to, &a) ? 0 : 1, bytes, length);
    }
    take_events(f);
}

static void arrive(struct fixture *f, const struct flight *flight)
{
    struct endpoint server = server_endpoint(flight->server);
    struct endpoint me = endpoint_of(ME);
    struct page_message request;
    if (flight->to_list) {
        mab_list_input(f->list, f->now, &server, flight->bytes, flight->length);
        return;
    }
    if (f->dead[flight->server])
        return;
    struct page_teller *teller = &f->servers[flight->server];
    assert_int_equal(page_message_decode(flight->bytes, flight->length, &request), DECODE_OK);
    page_teller_input(teller, &me, &request, flight->length);
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    size_t length = page_teller_next_output(teller, &me, bytes);
    assert_in_range(length, PAGE_HEADER_BYTES, flight->length); // no amplification
    fly(f, true, flight->server, bytes, length);
}

static struct instant next_moment(const struct fixture *f)
{
    struct instant next = mab_list_next_deadline(f->list);
    for (size_t i = 0; i < f->flights; i++)
        next = instant_earlier(next, f->flying[i].arrives);
    return next;
}

// One moment in which something happens; false where there is none before `end`.
static bool step(struct fixture *f, struct instant end)
{
    send_all(f);
    struct instant next = next_moment(f);
    if (next.ns == INSTANT_NEVER.ns || instant_before(end, next))
        return false;
    f->now = next.ns > f->now.ns ? next : f->now;
    for (size_t i = f->flights; i > 0; i--) {
        struct flight flight = f->flying[i - 1];
        if (instant_before(f->now, flight.arrives))
            continue;
        f->flying[i - 1] = f->flying[--f->flights];
        arrive(f, &flight);
        take_events(f);
    }
    if (instant_reached(f->now, mab_list_next_deadline(f->list)))
        mab_list_tick(f->list, f->now);
    return true;
}

static void pass(struct fixture *f, uint64_t ms)
{
    struct instant end = instant_add(f->now, duration_ms(ms));
    while (step(f, end))
        continue;
    f->now = end;
}

// Until so many versions were taken over.
static void await_versions(struct fixture *f, unsigned versions)
{
    struct instant end = instant_add(f->now, duration_s(3600));
    while (f->versions < versions)
        assert_true(step(f, end));
}

static void assert_mabs(const struct fixture *f, uint32_t first, uint32_t count)
{
    const struct mab_set *set = mab_list_set(f->list);
    assert_int_equal(set->mab_count, count);
    for (uint32_t i = 0; i < count; i++)
        if (set->mabs[i].length != 24 ||
            address_to_ipv4(&set->mabs[i].address) != (20u << 24) + ((first + i) << 8))
            fail_msg("MAB %u is another", i);
}

#endif
