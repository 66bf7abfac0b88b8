// SPDX-License-Identifier: BSD-2-Clause
// Links: packet sockets on Ethernet devices, raw sockets for SIPP in IPv4.
//
// A readable port is emptied in batches. What a batch forwards is collected at the ports it leaves
// by and sent with one system call each before the next batch overwrites the buffers, so a packet
// is never copied.
#include "sipp/daemon/sippd.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_NAME_MAX    IFNAMSIZ
#define TUNNEL_MTU       1480
#define BATCHES_A_WAKEUP 16 // then other ports have their turn
#define SOCKET_BUFFER    (4 << 20)

struct port {
    struct sippd *sippd;
    char name[PORT_NAME_MAX];
    uint16_t interface;
    bool tunnel;
    unsigned index; // of the device
    int fd;
    uv_poll_t poll;
    struct mmsghdr out[PORT_BATCH];
    struct iovec out_bytes[PORT_BATCH];
    struct sockaddr_ll out_to[PORT_BATCH];
    size_t out_count;
};

// Buffers for receiving are shared by all ports: the loop empties one at a time.
static uint8_t buffers[PORT_BATCH][SIPP_PACKET_MAX + 64];

static void flush(struct port *port)
{
    size_t sent = 0;
    while (sent < port->out_count) {
        int done = sendmmsg(port->fd, port->out + sent, (unsigned)(port->out_count - sent), 0);
        // One that the device refuses is lost, as on any link; the others go on.
        sent += done > 0 ? (size_t)done : 1;
    }
    port->out_count = 0;
}

static void flush_all(struct sippd *sippd)
{
    for (size_t i = 0; i < sippd->port_count; i++)
        flush(sippd->ports[i]);
}

// Queues a packet until the flush; the bytes must stay where they are until then.
static void enqueue(struct port *port, const struct link_address *link, uint8_t *bytes,
                    size_t length)
{
    if (port->out_count == PORT_BATCH)
        flush(port);
    size_t i = port->out_count++;
    port->out_bytes[i] = (struct iovec){bytes, length};
    port->out[i].msg_hdr = (struct msghdr){.msg_iov = &port->out_bytes[i], .msg_iovlen = 1};
    if (port->tunnel)
        return;
    port->out_to[i] = (struct sockaddr_ll){.sll_family = AF_PACKET,
                                           .sll_protocol = htons(SIPP_ETHERTYPE),
                                           .sll_ifindex = (int)port->index,
                                           .sll_halen = 6};
    memcpy(port->out_to[i].sll_addr, link->octets, 6);
    port->out[i].msg_hdr.msg_name = &port->out_to[i];
    port->out[i].msg_hdr.msg_namelen = sizeof(port->out_to[i]);
}

void port_send(struct port *port, const struct link_address *link, const uint8_t *bytes,
               size_t length)
{
    uint8_t copy[SIPP_PACKET_MAX];
    if (length > sizeof(copy))
        return;
    memcpy(copy, bytes, length);
    enqueue(port, link, copy, length);
    flush(port);
}

// The SIPP packet in what a socket gave; raw sockets give the IPv4 header too.
static uint8_t *strip_outer(const struct port *port, uint8_t *bytes, size_t *length)
{
    if (!port->tunnel)
        return bytes;
    size_t header = *length == 0 ? 0 : (size_t)(bytes[0] & 0xf) * 4;
    if (header < sizeof(struct iphdr) || header > *length) {
        *length = 0;
        return bytes;
    }
    *length -= header;
    return bytes + header;
}

static void receive_one(struct port *port, struct instant now, const struct sockaddr_ll *from,
                        uint8_t *bytes, size_t length)
{
    struct sippd *sippd = port->sippd;
    struct link_address link = {{0}};
    struct node_hop hop;
    if (!port->tunnel) {
        if (from->sll_pkttype == PACKET_OTHERHOST || from->sll_pkttype == PACKET_OUTGOING)
            return;
        memcpy(link.octets, from->sll_addr, sizeof(link.octets));
    }
    uint8_t *packet = strip_outer(port, bytes, &length);
    if (node_receive(sippd->node, now, port->interface, &link, packet, length, &hop) ==
        NODE_FORWARD)
        enqueue(sippd->ports[hop.interface], &hop.link, packet, hop.length);
}

static bool receive_batch(struct port *port, struct instant now)
{
    struct mmsghdr in[PORT_BATCH];
    struct iovec vectors[PORT_BATCH];
    struct sockaddr_ll from[PORT_BATCH];
    for (size_t i = 0; i < PORT_BATCH; i++) {
        vectors[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
        in[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                        .msg_namelen = sizeof(from[i]),
                                        .msg_iov = &vectors[i],
                                        .msg_iovlen = 1};
    }
    int count = recvmmsg(port->fd, in, PORT_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        receive_one(port, now, &from[i], buffers[i], in[i].msg_len);
    flush_all(port->sippd);
    return count == PORT_BATCH;
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct port *port = poll->data;
    (void)events;
    if (status < 0) {
        // The device went down: take the error off the socket and wait for better times.
        int cause = 0;
        socklen_t size = sizeof(cause);
        (void)getsockopt(port->fd, SOL_SOCKET, SO_ERROR, &cause, &size);
        (void)uv_poll_start(&port->poll, UV_READABLE, readable);
    }
    struct instant now = sippd_now();
    for (unsigned i = 0; i < BATCHES_A_WAKEUP && receive_batch(port, now); i++)
        ;
    port->sippd->settle(port->sippd);
}

// Makes the port of a file that is only checked: it has a name and no socket.
static int no_socket(const char *device, struct interface *interface)
{
    interface->mtu = SIPP_PACKET_MAX;
    memcpy(interface->link.octets, device, strnlen(device, sizeof(interface->link.octets)));
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static bool port_add(struct sippd *sippd, struct port *port, const struct interface *interface,
                     struct error *error)
{
    if (sippd->port_count == NODE_INTERFACES_MAX) {
        close(port->fd);
        memory_free(port);
        return error_set(error, ERROR_LIMIT, "too-many-interfaces", "at most %d interfaces",
                         NODE_INTERFACES_MAX);
    }
    int size = SOCKET_BUFFER;
    (void)setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    port->sippd = sippd;
    port->interface = node_add_interface(sippd->node, interface);
    sippd->ports[sippd->port_count++] = port;
    port->poll.data = port;
    if (sippd->checking)
        return true;
    (void)uv_poll_init(&sippd->loop, &port->poll, port->fd);
    (void)uv_poll_start(&port->poll, UV_READABLE, readable);
    log_info("sippd", "%s is interface %u, MTU %u", port->name, port->interface, interface->mtu);
    return true;
}

// Reads link address and MTU of a device.
static bool describe(int fd, const char *device, struct interface *interface, unsigned *index)
{
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
        return false;
    *index = (unsigned)request.ifr_ifindex;
    if (ioctl(fd, SIOCGIFMTU, &request) != 0)
        return false;
    int mtu = request.ifr_mtu;
    interface->mtu = (uint16_t)(mtu > SIPP_PACKET_MAX ? SIPP_PACKET_MAX : mtu);
    if (ioctl(fd, SIOCGIFHWADDR, &request) != 0)
        return false;
    memcpy(interface->link.octets, request.ifr_hwaddr.sa_data, 6);
    return true;
}

static bool bind_ethernet(int fd, unsigned index)
{
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(SIPP_ETHERTYPE), .sll_ifindex = (int)index};
    struct packet_mreq groups = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_ALLMULTI};
    return bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
           setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof(groups)) == 0;
}

bool port_open_ethernet(struct sippd *sippd, const char *device, bool site_boundary,
                        struct error *error)
{
    struct interface interface = {.site_boundary = site_boundary};
    unsigned index = 0;
    if (strlen(device) >= PORT_NAME_MAX)
        return error_set(error, ERROR_INPUT, "bad-device", "\"%.60s\" is too long for a device",
                         device);
    int fd = sippd->checking ? no_socket(device, &interface)
                             : socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (!sippd->checking &&
                   (!describe(fd, device, &interface, &index) || !bind_ethernet(fd, index)))) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_set(error, ERROR_SYSTEM, "no-device", "cannot use the device %s: %s", device,
                         strerror(cause));
    }
    if (interface.mtu < SIPP_MTU_MIN) {
        close(fd);
        return error_set(error, ERROR_INPUT, "small-mtu", "%s has an MTU of %u; SIPP needs %d",
                         device, interface.mtu, SIPP_MTU_MIN);
    }
    struct port *port = memory_new(sizeof(*port));
    (void)snprintf(port->name, sizeof(port->name), "%s", device);
    port->fd = fd;
    port->index = index;
    return port_add(sippd, port, &interface, error);
}

bool port_open_tunnel(struct sippd *sippd, const char *name, const char *local, const char *remote,
                      struct error *error)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct sockaddr_in there = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, local, &here.sin_addr) != 1 ||
        inet_pton(AF_INET, remote, &there.sin_addr) != 1)
        return error_set(error, ERROR_INPUT, "bad-tunnel",
                         "a tunnel has two IPv4 addresses, local and remote");
    struct interface interface = {.point_to_point = true};
    if (strlen(name) >= PORT_NAME_MAX)
        return error_set(error, ERROR_INPUT, "bad-tunnel", "\"%.60s\" is too long for a tunnel",
                         name);
    int fd = sippd->checking
                 ? no_socket(name, &interface)
                 : socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, SIPP_IP_PROTOCOL);
    if (fd < 0 ||
        (!sippd->checking && (bind(fd, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
                              connect(fd, (const struct sockaddr *)&there, sizeof(there)) != 0))) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_set(error, ERROR_SYSTEM, "no-tunnel", "cannot open the tunnel %s: %s", name,
                         strerror(cause));
    }
    interface.mtu = TUNNEL_MTU;
    struct port *port = memory_new(sizeof(*port));
    (void)snprintf(port->name, sizeof(port->name), "%s", name);
    port->fd = fd;
    port->tunnel = true;
    return port_add(sippd, port, &interface, error);
}

const char *port_name(const struct port *port)
{
    return port->name;
}

unsigned port_device_index(const struct port *port)
{
    return port->index;
}

uint16_t port_find(const struct sippd *sippd, const char *name)
{
    for (uint16_t i = 0; i < sippd->port_count; i++) {
        if (strcmp(sippd->ports[i]->name, name) == 0)
            return i;
    }
    return NODE_NO_INTERFACE;
}

void ports_close(struct sippd *sippd)
{
    for (size_t i = 0; i < sippd->port_count; i++) {
        close(sippd->ports[i]->fd);
        memory_free(sippd->ports[i]);
    }
    sippd->port_count = 0;
}
