// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/route.h"

#include <assert.h>
#include <string.h>

struct sequence sequence_of(struct sipp_address address)
{
    return (struct sequence){.count = 1, .addresses = {address}};
}

struct sipp_address sequence_identity(const struct sequence *sequence)
{
    assert(sequence->count >= 1 && sequence->count <= SEQUENCE_MAX);
    return sequence->addresses[sequence->count - 1];
}

static bool addresses_equal(const struct sipp_address *a, const struct sipp_address *b,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!sipp_address_equal(a[i], b[i]))
            return false;
    }
    return true;
}

bool sequence_equal(const struct sequence *a, const struct sequence *b)
{
    return a->count == b->count && addresses_equal(a->addresses, b->addresses, a->count);
}

struct path path_of(const struct sequence *sequence)
{
    assert(sequence->count >= 1 && sequence->count <= SEQUENCE_MAX);
    struct path path = {.count = sequence->count};
    memcpy(path.addresses, sequence->addresses, sequence->count * sizeof(path.addresses[0]));
    return path;
}

bool path_equal(const struct path *a, const struct path *b)
{
    return a->count == b->count && addresses_equal(a->addresses, b->addresses, a->count);
}

struct sipp_address path_identity(const struct path *path)
{
    assert(path->count >= 1 && path->count <= ROUTE_MAX);
    return path->addresses[path->count - 1];
}

static void route_append(struct route *route, struct sipp_address address)
{
    assert(route->count < ROUTE_MAX);
    route->addresses[route->count++] = address;
}

bool route_form(const struct sequence *source, const struct path *via,
                const struct path *destination, struct route *route)
{
    assert(source->count >= 1 && source->count <= SEQUENCE_MAX && destination->count >= 1);
    const struct path no_policy = {.count = 0};
    const struct path *policy = via == NULL ? &no_policy : via;
    if (source->count + policy->count + destination->count > ROUTE_MAX)
        return false;
    struct route formed = {.active = source->count};
    for (size_t i = source->count; i > 0; i--)
        route_append(&formed, source->addresses[i - 1]);
    for (size_t i = 0; i < policy->count; i++)
        route_append(&formed, policy->addresses[i]);
    for (size_t i = 0; i < destination->count; i++)
        route_append(&formed, destination->addresses[i]);
    *route = formed;
    assert(route_valid(route));
    return true;
}

bool route_valid(const struct route *route)
{
    return route->count >= 2 && route->count <= ROUTE_MAX && route->active >= 1 &&
           route->active < route->count;
}

bool route_equal(const struct route *a, const struct route *b)
{
    return a->count == b->count && a->active == b->active &&
           addresses_equal(a->addresses, b->addresses, a->count);
}

struct sipp_address route_source(const struct route *route)
{
    return route->addresses[0];
}

struct sipp_address route_destination(const struct route *route)
{
    assert(route_valid(route));
    return route->addresses[route->count - 1];
}

struct sipp_address route_active(const struct route *route)
{
    assert(route_valid(route));
    return route->addresses[route->active];
}

bool route_finished(const struct route *route)
{
    assert(route_valid(route));
    return route->active == route->count - 1;
}

void route_advance(struct route *route)
{
    assert(!route_finished(route));
    route->active++;
}

size_t route_isolate(const struct route *route, const struct own_sequence *own, size_t count)
{
    assert(route_valid(route));
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        const struct sequence *sequence = &own[i].sequence;
        if (sequence->count >= route->count ||
            (best != count && sequence->count <= own[best].sequence.count))
            continue;
        const struct sipp_address *tail = &route->addresses[route->count - sequence->count];
        if (addresses_equal(tail, sequence->addresses, sequence->count))
            best = i;
    }
    return best;
}

size_t sequence_choose(const struct own_sequence *own, size_t count,
                       struct sipp_address destination)
{
    size_t best = count;
    unsigned best_bits = 0;
    for (size_t i = 0; i < count; i++) {
        if (!own[i].source_capable)
            continue;
        unsigned bits = sipp_common_bits(own[i].sequence.addresses[0], destination);
        if (best == count || bits > best_bits) {
            best = i;
            best_bits = bits;
        }
    }
    return best;
}

size_t path_choose(const struct path *paths, size_t path_count, const struct own_sequence *own,
                   size_t own_count)
{
    assert(path_count > 0);
    size_t best = 0;
    unsigned best_bits = 0;
    for (size_t i = 0; i < path_count; i++) {
        size_t source = sequence_choose(own, own_count, paths[i].addresses[0]);
        if (source == own_count)
            break;
        unsigned bits = sipp_common_bits(own[source].sequence.addresses[0], paths[i].addresses[0]);
        if (bits > best_bits) {
            best = i;
            best_bits = bits;
        }
    }
    return best;
}

struct path route_way_back(const struct route *route, size_t tail)
{
    assert(route_valid(route) && tail < route->count);
    struct path back = {.count = 0};
    for (size_t i = route->count - tail; i > 0; i--)
        back.addresses[back.count++] = route->addresses[i - 1];
    return back;
}

bool route_reply(const struct route *received, const struct own_sequence *own, size_t count,
                 struct route *reply)
{
    size_t mine = route_isolate(received, own, count);
    if (mine == count)
        return false;
    struct path back = route_way_back(received, own[mine].sequence.count);
    size_t source =
        own[mine].source_capable ? mine : sequence_choose(own, count, back.addresses[0]);
    return source != count && route_form(&own[source].sequence, NULL, &back, reply);
}

bool route_error_back(const struct route *received, const struct sequence *source,
                      struct route *back)
{
    assert(route_valid(received));
    struct path way = route_way_back(received, (size_t)(received->count - received->active));
    return route_form(source, NULL, &way, back);
}
