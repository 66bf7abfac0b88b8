// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/role_etr.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/tunnel/forwarding.h"
#include "node/tunnel/raw_socket.h"
#include "node/tunnel/tun.h"
#include "tunnel/coalescer.h"
#include "tunnel/etr.h"

#include <stdio.h>
#include <string.h>

struct role_etr {
    struct node *node;
    struct etr *etr;
    struct tun *tun;
    struct raw_receiver *receiver;
    bool serves_ipv4;
    bool serves_ipv6;
    struct coalescer coalescer; // of the batch being received
};

static void receive(void *state, struct raw_packet *packet)
{
    struct role_etr *role = state;
    uint32_t payload = 0;
    if (packet->family == FAMILY_IPV4 &&
        !etr_read_outer(role->etr, packet->bytes, packet->length, &packet->outer, &payload))
        return;
    struct etr_delivery delivery;
    if (etr_input(role->etr, &packet->outer, packet->bytes + payload, packet->length - payload,
                  &delivery) == ETR_DELIVER)
        coalescer_add(&role->coalescer, packet->bytes + payload, delivery.length,
                      &delivery.offload);
}

static void deliver_batch(void *state)
{
    struct role_etr *role = state;
    const struct coalesced_packet *packet;
    while ((packet = coalescer_next(&role->coalescer)) != NULL)
        tun_write(role->tun, packet->parts, packet->count, &packet->offload);
    coalescer_begin(&role->coalescer);
}

static void write_metrics(void *state, struct metrics_page *page)
{
    struct role_etr *role = state;
    const struct etr_counters *counters = etr_counters(role->etr);
    const struct raw_receiver_counters *receiver = raw_receiver_counters(role->receiver);
    const struct tun_counters *tun = tun_counters(role->tun);
    metrics_counter(page, "ivip_etr_packets_total", "Tunnelled packets received",
                    counters->packets);
    metrics_counter(page, "ivip_etr_delivered_total", "Inner packets delivered",
                    counters->delivered);
    metrics_counter(page, "ivip_etr_delivered_octets_total", "Octets of inner packets delivered",
                    counters->octets);
    metrics_describe(page, "ivip_etr_dropped_total", "counter", "Packets dropped, by reason");
    for (int reason = ETR_REASON_NONE + 1; reason < ETR_REASON_COUNT; reason++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"",
                       etr_reason_name((enum etr_reason)reason));
        metrics_value(page, "ivip_etr_dropped_total", labels, (double)counters->reasons[reason]);
    }
    metrics_counter(page, "ivip_etr_overflowed_total",
                    "Packets that the kernel dropped because the ETR was too slow",
                    receiver->overflowed);
    metrics_counter(page, "ivip_etr_write_failed_total",
                    "Inner packets that the kernel would not take", tun->write_failed);
}

static json_t *status(void *state)
{
    struct role_etr *role = state;
    const struct etr_counters *counters = etr_counters(role->etr);
    json_t *dropped = json_object();
    for (int reason = ETR_REASON_NONE + 1; reason < ETR_REASON_COUNT; reason++)
        if (counters->reasons[reason] > 0)
            json_object_set_new(dropped, etr_reason_name((enum etr_reason)reason),
                                json_integer((json_int_t)counters->reasons[reason]));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "device", tun_name(role->tun),
                     "packets", (json_int_t)counters->packets, "delivered",
                     (json_int_t)counters->delivered, "octets", (json_int_t)counters->octets,
                     "overflowed", (json_int_t)raw_receiver_counters(role->receiver)->overflowed,
                     "write_failed", (json_int_t)tun_counters(role->tun)->write_failed, "dropped",
                     dropped);
}

static bool healthy(void *state, char *why, size_t size)
{
    struct role_etr *role = state;
    return tun_works(role->tun, why, size) &&
           forwarding_works(role->serves_ipv4, role->serves_ipv6, true, why, size);
}

static struct etr_config core_config(const struct config_etr *config)
{
    return (struct etr_config){
        .serves = config->serves.items,
        .serve_count = config->serves.count,
        .refuse_sources = config->refuse_sources.items,
        .refuse_source_count = config->refuse_sources.count,
    };
}

static void note_families(struct role_etr *role, const struct config_etr *config)
{
    role->serves_ipv4 = false;
    role->serves_ipv6 = false;
    for (size_t i = 0; i < config->serves.count; i++) {
        role->serves_ipv4 |= config->serves.items[i].family == FAMILY_IPV4;
        role->serves_ipv6 |= config->serves.items[i].family == FAMILY_IPV6;
    }
}

static bool reload(void *state, const struct config *config, struct error *error)
{
    struct role_etr *role = state;
    if (config->etr == NULL)
        return error_set(error, ERROR_INPUT, "needs-restart",
                         "the etr role cannot be taken away without a restart");
    if (strcmp(config->etr->device, tun_name(role->tun)) != 0)
        return error_set(error, ERROR_INPUT, "needs-restart",
                         "etr.device cannot change without a restart");
    struct etr_config core = core_config(config->etr);
    etr_reconfigure(role->etr, &core);
    note_families(role, config->etr);
    return true;
}

static void stop(void *state)
{
    struct role_etr *role = state;
    raw_receiver_close(role->receiver);
    tun_close(role->tun);
    etr_free(role->etr);
    memory_free(role);
}

bool role_etr_start(struct node *node, struct error *error)
{
    const struct config_etr *config = node_config(node)->etr;
    struct etr_config core = core_config(config);
    struct role_etr *role = memory_new(sizeof(*role));
    role->node = node;
    role->etr = etr_new(&core);
    note_families(role, config);
    role->tun = tun_open(node, config->device, error);
    if (role->tun != NULL)
        role->receiver = raw_receiver_open(node, NULL, receive, deliver_batch, role, error);
    if (role->receiver == NULL) {
        tun_close(role->tun);
        etr_free(role->etr);
        memory_free(role);
        return false;
    }
    node_add_role(node,
                  &(struct role){"etr", role, write_metrics, status, healthy, reload, stop, false});
    char why[256];
    if (!healthy(role, why, sizeof(why)))
        log_warning("etr", "%s", why);
    return true;
}
