// SPDX-License-Identifier: BSD-2-Clause
// One heap holds all that is to come: the timers of nodes, datagrams under way, actions. The engine
// takes the earliest, moves time there, and lets it happen.
#include "sim/engine/engine.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim/engine/trace.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

// Most datagrams a node may send at one moment: more means that its core never comes to rest.
#define OUTPUTS_AT_ONCE_MAX 1000000

enum event_kind { EVENT_TIMER, EVENT_DATAGRAM, EVENT_ACTION };

struct event {
    struct heap_node place;
    enum event_kind kind;
};

struct node {
    struct event timer;
    const char *name;
    struct endpoint endpoint;
    const struct engine_core *core;
    void *state;           // NULL while it is down
    struct duration clock; // its clock is ahead of the engine's by that
};

struct datagram {
    struct event event;
    size_t from_node, to_node;
    struct endpoint from, to;
    size_t length;
    uint8_t bytes[];
};

struct action {
    struct event event;
    engine_action *call;
    void *state;
};

struct engine {
    struct instant now;
    struct random_source random;
    struct network *network;
    struct heap events;
    struct node *nodes;
    size_t node_count, nodes_max;
    engine_watch *watch;
    void *watch_state;
    engine_filter *filter;
    void *filter_state;
    struct trace trace;
    bool stopped;
};

struct engine *engine_new(uint64_t seed, size_t nodes_max)
{
    struct engine *engine = memory_new(sizeof(*engine));
    random_init(&engine->random, random_seed_from_number(seed));
    engine->network = network_new(nodes_max);
    engine->nodes = memory_new_array(nodes_max, sizeof(struct node));
    engine->nodes_max = nodes_max;
    heap_init(&engine->events);
    trace_init(&engine->trace);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    for (struct heap_node *place = heap_first(&engine->events); place != NULL;
         place = heap_first(&engine->events)) {
        struct event *event = container_of(place, struct event, place);
        heap_remove(&engine->events, place);
        if (event->kind != EVENT_TIMER)
            memory_free(event);
    }
    heap_release(&engine->events);
    trace_release(&engine->trace);
    network_free(engine->network);
    memory_free(engine->nodes);
    memory_free(engine);
}

struct instant engine_now(const struct engine *engine)
{
    return engine->now;
}

struct random_source *engine_random(struct engine *engine)
{
    return &engine->random;
}

struct network *engine_network(struct engine *engine)
{
    return engine->network;
}

void engine_set_watch(struct engine *engine, engine_watch *watch, void *state)
{
    engine->watch = watch;
    engine->watch_state = state;
}

void engine_set_filter(struct engine *engine, engine_filter *filter, void *state)
{
    engine->filter = filter;
    engine->filter_state = state;
}

void engine_stop(struct engine *engine)
{
    engine->stopped = true;
}

// Nodes

size_t engine_add_node(struct engine *engine, const char *name, const struct endpoint *endpoint,
                       const struct engine_core *core, void *state)
{
    assert(engine->node_count < engine->nodes_max);
    size_t number = engine->node_count++;
    struct node *node = &engine->nodes[number];
    node->timer.kind = EVENT_TIMER;
    node->name = name;
    node->endpoint = *endpoint;
    node->core = core;
    node->state = state;
    node->clock.ns = random_below(&engine->random, duration_s(100000).ns);
    if (state != NULL)
        engine_touched(engine, number);
    return number;
}

bool engine_node_up(const struct engine *engine, size_t node)
{
    return engine->nodes[node].state != NULL;
}

struct instant engine_node_now(const struct engine *engine, size_t node)
{
    return instant_add(engine->now, engine->nodes[node].clock);
}

void engine_set_state(struct engine *engine, size_t number, void *state)
{
    struct node *node = &engine->nodes[number];
    node->state = state;
    engine_note(engine, "%s %s", node->name, state == NULL ? "crashes" : "starts");
    heap_remove(&engine->events, &node->timer.place);
    if (state != NULL)
        engine_touched(engine, number);
}

static size_t find_node(const struct engine *engine, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < engine->node_count; i++)
        if (endpoint_equal(&engine->nodes[i].endpoint, endpoint))
            return i;
    return ENGINE_NOBODY;
}

// Datagrams

static void record(struct engine *engine, const struct engine_datagram *datagram)
{
    const struct node *sender = &engine->nodes[datagram->from_node];
    struct trace_line *line = trace_add(&engine->trace, engine->now);
    line->fate = datagram->fate;
    line->from = sender->name;
    line->to =
        datagram->to_node == ENGINE_NOBODY ? "nobody" : engine->nodes[datagram->to_node].name;
    line->claimed = datagram->from;
    line->spoofed = !endpoint_equal(&datagram->from, &sender->endpoint);
    size_t kept = datagram->length < TRACE_OCTETS_MAX ? datagram->length : TRACE_OCTETS_MAX;
    line->length = (uint16_t)kept;
    memcpy(line->bytes, datagram->bytes, kept);
    if (engine->watch != NULL)
        engine->watch(engine->watch_state, engine->now, datagram);
}

static struct engine_datagram seen(const struct datagram *datagram, enum engine_fate fate)
{
    return (struct engine_datagram){.fate = fate,
                                    .from_node = datagram->from_node,
                                    .to_node = datagram->to_node,
                                    .from = datagram->from,
                                    .to = datagram->to,
                                    .bytes = datagram->bytes,
                                    .length = datagram->length};
}

void engine_inject(struct engine *engine, size_t node, const struct endpoint *from,
                   const struct endpoint *to, const uint8_t *bytes, size_t length)
{
    assert(length > 0 && length <= ENGINE_DATAGRAM_MAX);
    struct engine_datagram datagram = {.fate = ENGINE_SENT,
                                       .from_node = node,
                                       .to_node = find_node(engine, to),
                                       .from = *from,
                                       .to = *to,
                                       .bytes = bytes,
                                       .length = length};
    struct instant arrivals[NETWORK_COPIES_MAX];
    size_t copies = 0;
    bool filtered = engine->filter != NULL && engine->filter(engine->filter_state, &datagram);
    if (datagram.to_node != ENGINE_NOBODY && !filtered)
        copies = network_carry(engine->network, &engine->random, engine->now, node,
                               datagram.to_node, length, arrivals);
    if (copies == 0)
        datagram.fate = datagram.to_node == ENGINE_NOBODY ? ENGINE_UNREACHABLE : ENGINE_LOST;
    record(engine, &datagram);
    for (size_t i = 0; i < copies; i++) {
        struct datagram *copy = memory_new(sizeof(*copy) + length);
        copy->event.kind = EVENT_DATAGRAM;
        copy->from_node = node;
        copy->to_node = datagram.to_node;
        copy->from = *from;
        copy->to = *to;
        copy->length = length;
        memcpy(copy->bytes, bytes, length);
        heap_set(&engine->events, &copy->event.place, arrivals[i]);
    }
}

void engine_touched(struct engine *engine, size_t number)
{
    struct node *node = &engine->nodes[number];
    struct endpoint to;
    uint8_t buffer[ENGINE_DATAGRAM_MAX];
    if (node->state == NULL)
        return;
    for (size_t count = 0;; count++) {
        assert(count < OUTPUTS_AT_ONCE_MAX);
        struct instant now = engine_node_now(engine, number);
        size_t length = node->core->next_output(node->state, now, &to, buffer);
        if (length == 0)
            break;
        engine_inject(engine, number, &node->endpoint, &to, buffer, length);
    }
    struct instant deadline = node->core->next_deadline(node->state);
    if (deadline.ns == INSTANT_NEVER.ns) {
        heap_remove(&engine->events, &node->timer.place);
        return;
    }
    uint64_t own = deadline.ns > node->clock.ns ? deadline.ns - node->clock.ns : 0;
    struct instant at = {own > engine->now.ns ? own : engine->now.ns};
    heap_set(&engine->events, &node->timer.place, at);
}

// Running

static void arrive(struct engine *engine, struct datagram *datagram)
{
    struct node *node = &engine->nodes[datagram->to_node];
    struct engine_datagram what =
        seen(datagram, node->state == NULL ? ENGINE_IN_VAIN : ENGINE_ARRIVED);
    record(engine, &what);
    if (node->state == NULL)
        return;
    node->core->input(node->state, engine_node_now(engine, datagram->to_node), &datagram->from,
                      datagram->bytes, datagram->length);
    engine_touched(engine, datagram->to_node);
}

static void wake(struct engine *engine, struct node *node)
{
    size_t number = (size_t)(node - engine->nodes);
    node->core->tick(node->state, engine_node_now(engine, number));
    engine_touched(engine, number);
}

static void happen(struct engine *engine, struct event *event)
{
    switch (event->kind) {
    case EVENT_TIMER:
        wake(engine, container_of(event, struct node, timer));
        break;
    case EVENT_DATAGRAM: {
        struct datagram *datagram = container_of(event, struct datagram, event);
        arrive(engine, datagram);
        memory_free(datagram);
        break;
    }
    case EVENT_ACTION: {
        struct action *action = container_of(event, struct action, event);
        action->call(action->state, engine->now);
        memory_free(action);
        break;
    }
    }
}

void engine_schedule(struct engine *engine, struct instant at, engine_action *call, void *state)
{
    struct action *action = memory_new(sizeof(*action));
    action->event.kind = EVENT_ACTION;
    action->call = call;
    action->state = state;
    heap_set(&engine->events, &action->event.place, at);
}

void engine_run(struct engine *engine, struct instant until)
{
    while (!engine->stopped) {
        struct heap_node *first = heap_first(&engine->events);
        if (first == NULL || instant_before(until, first->deadline))
            break;
        if (instant_before(engine->now, first->deadline))
            engine->now = first->deadline;
        heap_remove(&engine->events, first);
        happen(engine, container_of(first, struct event, place));
    }
    if (!engine->stopped && instant_before(engine->now, until))
        engine->now = until;
}

// Trace

void engine_note(struct engine *engine, const char *format, ...)
{
    struct trace_line *line = trace_add(&engine->trace, engine->now);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line->text, sizeof(line->text), format, arguments);
    va_end(arguments);
}

void engine_print_trace(const struct engine *engine, FILE *file, engine_describe *describe)
{
    trace_print(&engine->trace, file, describe);
}
