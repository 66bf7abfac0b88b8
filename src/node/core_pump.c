// SPDX-License-Identifier: BSD-2-Clause
#include "node/core_pump.h"

#include "base/memory.h"
#include "wire/query.h"

struct core_pump {
    struct node *node;
    struct core_functions functions;
    void *core;
    struct udp *udp;
    uv_timer_t timer;
};

static void on_timer(uv_timer_t *timer);

void core_pump_drain(struct core_pump *pump)
{
    struct endpoint to;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    struct instant now = node_now(pump->node);
    size_t length = 0;
    while ((length = pump->functions.next_output(pump->core, now, &to, buffer)) > 0)
        udp_send(pump->udp, &to, buffer, length);
    udp_flush(pump->udp);
    struct instant deadline = pump->functions.next_deadline(pump->core);
    if (deadline.ns == INSTANT_NEVER.ns) {
        (void)uv_timer_stop(&pump->timer);
        return;
    }
    uint64_t wait = instant_since(deadline, now).ns;
    (void)uv_timer_start(&pump->timer, on_timer, (wait + 999999) / 1000000, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct core_pump *pump = timer->data;
    pump->functions.tick(pump->core, node_now(pump->node));
    core_pump_drain(pump);
}

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct core_pump *pump = state;
    pump->functions.input(pump->core, node_now(pump->node), from, bytes, length);
}

static void on_batch_end(void *state)
{
    core_pump_drain(state);
}

struct core_pump *core_pump_open(struct node *node, const struct endpoint *listen,
                                 const struct core_functions *functions, void *core,
                                 struct error *error)
{
    struct core_pump *pump = memory_new(sizeof(*pump));
    pump->node = node;
    pump->functions = *functions;
    pump->core = core;
    pump->udp = udp_open(node, listen, on_datagram, on_batch_end, pump, error);
    if (pump->udp == NULL) {
        memory_free(pump);
        return NULL;
    }
    (void)uv_timer_init(node_loop(node), &pump->timer);
    pump->timer.data = pump;
    core_pump_drain(pump);
    return pump;
}

static void on_timer_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void core_pump_close(struct core_pump *pump)
{
    if (pump == NULL)
        return;
    udp_close(pump->udp);
    uv_close((uv_handle_t *)&pump->timer, on_timer_closed);
}

const struct udp *core_pump_udp(const struct core_pump *pump)
{
    return pump->udp;
}
