// SPDX-License-Identifier: BSD-2-Clause
// The fallback's side of handing packets over (arch §10, figure 6, plan A): an ITR with all
// mappings takes packets that caching ITRs of its own network have no mapping for yet out of their
// tunnel, and tunnels them on.
//
//     host ---> caching ITR ==== [src host, dst fallback_at][packet] ====> fallback ITR ===> ETR
//
// It takes only what comes to fallback_at, from sources in fallback_for. It never hands anything
// on itself, and refuses mappings to fallback_at: so no packet goes round.
#include "node/tunnel/role_itr_state.h"

#include <string.h>

static void take_over(void *state, struct raw_packet *packet)
{
    struct role_itr *role = state;
    struct etr_delivery delivery;
    uint32_t payload = 0;
    if (packet->family == FAMILY_IPV4 &&
        !etr_read_outer(role->taking_over, packet->bytes, packet->length, &packet->outer, &payload))
        return;
    if (etr_input(role->taking_over, &packet->outer, packet->bytes + payload,
                  packet->length - payload, &delivery) != ETR_DELIVER)
        return;
    uint8_t *room = role_itr_room(role);
    memcpy(room, packet->bytes + payload, delivery.length);
    // A router's part, which the kernel does for packets that come by the TUN. One that arrives
    // with 1 is dropped for its TTL of 0.
    packet_set_hop_limit(room, (uint8_t)(room[room[0] >> 4 == 6 ? 7 : 8] - 1));
    role_itr_take(role, room, delivery.length, &delivery.offload);
}

static void batch_end(void *state)
{
    role_itr_drive(state);
}

static struct etr_config taken(const struct config_itr *config)
{
    return (struct etr_config){.accept_sources = config->fallback_for.items,
                               .accept_source_count = config->fallback_for.count,
                               .serves_all = true};
}

bool role_itr_open_fallback(struct role_itr *role, struct error *error)
{
    const struct config_itr *config = node_config(role->node)->itr;
    if (config->fallback_at.family == FAMILY_NONE)
        return true;
    struct etr_config core = taken(config);
    role->taking_over = etr_new(&core);
    role->receiver =
        raw_receiver_open(role->node, &config->fallback_at, take_over, batch_end, role, error);
    return role->receiver != NULL;
}

void role_itr_reload_fallback(struct role_itr *role, const struct config_itr *config)
{
    if (role->taking_over == NULL)
        return;
    struct etr_config core = taken(config);
    etr_reconfigure(role->taking_over, &core);
}
