// SPDX-License-Identifier: BSD-2-Clause
#include "udp_wire.h"
#include "../check.h"

#include "base/memory.h"
#include "node/udp.h"

struct udp {
    struct endpoint local;
    udp_receive *receive;
    udp_batch_end *batch_end;
    void *state;
};

static struct udp *listener; // who gets all datagrams
static unsigned lose_next;
static bool is_cut;
static bool refuses;

void udp_wire_mend(void)
{
    lose_next = 0;
    is_cut = false;
    refuses = false;
}

void udp_wire_lose(unsigned count)
{
    lose_next = count;
}

void udp_wire_cut(bool cut)
{
    is_cut = cut;
}

void udp_wire_refuse(bool refuse)
{
    refuses = refuse;
}

struct udp *udp_open(struct node *node, const struct endpoint *listen, udp_receive *receive,
                     udp_batch_end *batch_end, void *state, struct error *error)
{
    (void)node;
    if (refuses) {
        (void)error_set(error, ERROR_SYSTEM, "cannot-listen", "no socket can be opened");
        return NULL;
    }
    struct udp *udp = memory_new(sizeof(*udp));
    *udp = (struct udp){*listen, receive, batch_end, state};
    if (batch_end != NULL)
        listener = udp;
    return udp;
}

// The roles that are linked want these too, but none runs.
void udp_share(struct udp *udp)
{
    (void)udp;
}

struct udp *udp_open_shared(const struct endpoint *listen, udp_receive *receive,
                            udp_batch_end *batch_end, void *state, struct error *error)
{
    (void)listen, (void)receive, (void)batch_end, (void)state, (void)error;
    fail_msg("no role is to open a socket");
    return NULL;
}

struct udp *udp_open_alone(const struct endpoint *listen, udp_receive *receive,
                           udp_batch_end *batch_end, void *state, struct error *error)
{
    return udp_open_shared(listen, receive, batch_end, state, error);
}

void udp_foresee_with(struct udp *udp, udp_foresee *foresee)
{
    (void)udp, (void)foresee;
}

int udp_descriptor(const struct udp *udp)
{
    (void)udp;
    return -1;
}

bool udp_read(struct udp *udp)
{
    (void)udp;
    return false;
}

void udp_close(struct udp *udp)
{
    if (udp == listener)
        listener = NULL;
    memory_free(udp);
}

struct endpoint udp_local(const struct udp *udp)
{
    return udp->local;
}

void udp_send(struct udp *udp, const struct endpoint *to, const uint8_t *bytes, size_t length)
{
    (void)to;
    if (listener == NULL || is_cut)
        return;
    if (lose_next > 0) {
        lose_next--;
        return;
    }
    struct endpoint from = {{FAMILY_IPV4, {127, 0, 0, 1}}, udp->local.port};
    listener->receive(listener->state, &from, bytes, length);
    listener->batch_end(listener->state);
}

void udp_flush(struct udp *udp)
{
    (void)udp;
}

struct udp_counters udp_counters(const struct udp *udp)
{
    (void)udp;
    return (struct udp_counters){0};
}

void udp_counters_add(struct udp_counters *sum, const struct udp_counters *part)
{
    (void)sum, (void)part;
}

void udp_bound_queue(struct udp *udp, size_t octets)
{
    (void)udp, (void)octets;
}

struct udp_queue udp_queue(const struct udp *udp)
{
    (void)udp;
    return (struct udp_queue){0};
}
