// SPDX-License-Identifier: BSD-2-Clause
// IPv4 hosts across a SIPP internet (overview appendix A): a TUN device takes their packets.
//
//     10.1.0.5 -> 10.2.0.9        between  1|P|10.1.0.5  and  1|Q|10.2.0.9, through P.0 if so told
//
// Each IPv4 address appears under the C-bit and the 31-bit number of a provider. The whole IPv4
// packet is the payload (type 4), so that ICMP, fragments and checksums of IPv4 stay what they are.
// Packets that come back must be for the IPv4 address that the SIPP address says.
#include "sipp/daemon/sippd.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATEWAY_PREFIXES_MAX 64
#define GATEWAY_BATCH        64
#define IPV4_HEADER_BYTES    20

struct gateway_prefix {
    struct prefix prefix;
    struct sipp_address provider;
    struct sipp_address source;
    struct path via;
};

struct gateway {
    struct sippd *sippd;
    int fd;
    uv_poll_t poll;
    struct gateway_prefix prefixes[GATEWAY_PREFIXES_MAX];
    size_t count;
    uint64_t refused; // packets that had no business here
};

static const struct gateway_prefix *find(const struct gateway *gateway, uint32_t ipv4)
{
    struct address address = address_from_ipv4(ipv4);
    const struct gateway_prefix *best = NULL;
    for (size_t i = 0; i < gateway->count; i++) {
        const struct gateway_prefix *one = &gateway->prefixes[i];
        if (prefix_contains(&one->prefix, &address) &&
            (best == NULL || one->prefix.length > best->prefix.length))
            best = one;
    }
    return best;
}

static uint32_t ipv4_at(const uint8_t *packet, size_t offset)
{
    struct reader reader = reader_over(packet + offset, 4);
    return reader_u32(&reader);
}

// An IPv4 packet of a host here goes to where its destination is.
static void send_packet(struct gateway *gateway, const uint8_t *packet, size_t length)
{
    struct sippd *sippd = gateway->sippd;
    if (length < IPV4_HEADER_BYTES || packet[0] >> 4 != 4)
        return;
    uint32_t from = ipv4_at(packet, 12);
    uint32_t to = ipv4_at(packet, 16);
    const struct gateway_prefix *where = find(gateway, to);
    if (where == NULL) {
        gateway->refused++;
        return;
    }
    struct sequence source = sequence_of(sipp_address_from_ipv4(where->source, from));
    struct path destination = {.count = 1,
                               .addresses = {sipp_address_from_ipv4(where->provider, to)}};
    struct route route;
    if (route_form(&source, &where->via, &destination, &route))
        (void)node_send(sippd->node, sippd_now(), &route, SIPP_HOP_LIMIT_DEFAULT, SIPP_PAYLOAD_IPV4,
                        packet, length, NULL);
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct gateway *gateway = poll->data;
    uint8_t packet[SIPP_PACKET_MAX];
    (void)status;
    (void)events;
    for (unsigned i = 0; i < GATEWAY_BATCH; i++) {
        ssize_t length = read(gateway->fd, packet, sizeof(packet));
        if (length <= 0)
            break;
        send_packet(gateway, packet, (size_t)length);
    }
    gateway->sippd->settle(gateway->sippd);
}

void gateway_event(struct sippd *sippd, const struct node_event *event)
{
    struct gateway *gateway = sippd->gateway;
    struct sipp_address from = route_source(&event->route);
    struct sipp_address to = route_destination(&event->route);
    bool good = event->length >= IPV4_HEADER_BYTES && event->payload[0] >> 4 == 4 &&
                sipp_address_ipv4(from) && sipp_address_ipv4(to) &&
                ipv4_at(event->payload, 12) == sipp_address_to_ipv4(from) &&
                ipv4_at(event->payload, 16) == sipp_address_to_ipv4(to);
    if (!good || write(gateway->fd, event->payload, event->length) < 0)
        gateway->refused++;
}

bool gateway_open(struct sippd *sippd, const char *device, struct error *error)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    if (sippd->gateway != NULL || strlen(device) >= sizeof(request.ifr_name))
        return error_set(error, ERROR_INPUT, "bad-gateway",
                         "a node has one gateway, whose device's name has at most %zu bytes",
                         sizeof(request.ifr_name) - 1);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    // A file that is only checked gets a gateway that never has a packet.
    int fd = open(sippd->checking ? "/dev/null" : "/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || (!sippd->checking && ioctl(fd, TUNSETIFF, &request) != 0)) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_set(error, ERROR_SYSTEM, "no-tun", "cannot make the TUN device %s: %s", device,
                         strerror(cause));
    }
    struct gateway *gateway = memory_new(sizeof(*gateway));
    gateway->sippd = sippd;
    gateway->fd = fd;
    gateway->poll.data = gateway;
    sippd->gateway = gateway;
    if (sippd->checking)
        return true;
    (void)uv_poll_init(&sippd->loop, &gateway->poll, fd);
    (void)uv_poll_start(&gateway->poll, UV_READABLE, readable);
    return true;
}

bool gateway_add(struct sippd *sippd, const struct prefix *prefix, struct sipp_address provider,
                 struct sipp_address source, const struct path *via, struct error *error)
{
    struct gateway *gateway = sippd->gateway;
    if (gateway == NULL || prefix->address.family != FAMILY_IPV4)
        return error_set(error, ERROR_INPUT, "bad-ipv4",
                         "an IPv4 prefix can be reached behind a line \"gateway DEVICE\"");
    if (gateway->count == GATEWAY_PREFIXES_MAX)
        return error_set(error, ERROR_LIMIT, "too-many-prefixes", "at most %d IPv4 prefixes",
                         GATEWAY_PREFIXES_MAX);
    gateway->prefixes[gateway->count++] = (struct gateway_prefix){*prefix, provider, source, *via};
    return true;
}

void gateway_close(struct sippd *sippd)
{
    struct gateway *gateway = sippd->gateway;
    if (gateway == NULL)
        return;
    if (!sippd->checking)
        uv_close((uv_handle_t *)&gateway->poll, NULL);
    (void)uv_run(&sippd->loop, UV_RUN_NOWAIT);
    close(gateway->fd);
    memory_free(gateway);
    sippd->gateway = NULL;
}
