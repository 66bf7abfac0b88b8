// SPDX-License-Identifier: BSD-2-Clause
// The kernel as a meeting point with a routing daemon (BIRD with Babel or BGP), over netlink.
//
// A SIPP prefix travels as an IPv6 route under a unique-local /64 that stands for "SIPP":
//
//     0080:0000:0001:0000/48   <->   fd53:4950:5000:0:0080:0000:0001:0000/112
//
// Our own prefixes are offered as unreachable routes, which the routing daemon learns and
// announces. What it learned elsewhere comes back as a route with a device and a link-local next
// hop fe80::; the link address inside that one gives the neighbour's local-use SIPP address.
#include "sipp/daemon/learned.h"
#include "sipp/daemon/sippd.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUTE_PROTOCOL 156 // marks what we put there
#define ROUTES_LENGTH  64  // of the prefix that stands for SIPP
#define MESSAGE_MAX    65536

static const uint8_t routes_prefix[8] = {0xfd, 0x53, 0x49, 0x50, 0x50, 0x00, 0x00, 0x00};

struct kernel {
    struct sippd *sippd;
    int fd;
    struct learned *learned; // NULL: this node does not learn
    bool telling;            // all routes, from the beginning
    bool ask_again;          // once the kernel has told what it is telling now
    uv_poll_t poll;
    struct sipp_prefix offered[NODE_LEVELS_MAX];
    size_t offered_count;
};

struct route_request {
    struct nlmsghdr header;
    struct rtmsg route;
    uint8_t attributes[64];
};

static void add_attribute(struct route_request *request, unsigned short type, const void *bytes,
                          size_t length)
{
    struct rtattr *attribute =
        (struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(length);
    memcpy(RTA_DATA(attribute), bytes, length);
    request->header.nlmsg_len =
        (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

static bool request_route(struct kernel *kernel, uint16_t type, uint16_t flags,
                          const struct sipp_prefix *prefix)
{
    struct route_request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                   .nlmsg_type = type,
                   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
        .route = {.rtm_family = AF_INET6,
                  .rtm_dst_len = (uint8_t)(ROUTES_LENGTH + prefix->length),
                  .rtm_table = RT_TABLE_MAIN,
                  .rtm_protocol = ROUTE_PROTOCOL,
                  .rtm_scope = RT_SCOPE_UNIVERSE,
                  .rtm_type = RTN_UNREACHABLE},
    };
    uint8_t destination[16];
    memcpy(destination, routes_prefix, sizeof(routes_prefix));
    for (unsigned i = 0; i < 8; i++)
        destination[8 + i] = (uint8_t)(prefix->address.bits >> (56 - 8 * i));
    add_attribute(&request, RTA_DST, destination, sizeof(destination));
    return send(kernel->fd, &request, request.header.nlmsg_len, 0) >= 0;
}

bool kernel_has_offers(const struct sippd *sippd)
{
    return sippd->kernel != NULL && sippd->kernel->offered_count > 0;
}

bool kernel_offer(struct sippd *sippd, const struct sipp_prefix *prefix, struct error *error)
{
    struct kernel *kernel = sippd->kernel;
    if (sippd->checking)
        return true;
    if (kernel->offered_count == NODE_LEVELS_MAX)
        return error_set(error, ERROR_LIMIT, "offers-full", "at most %d prefixes can be offered",
                         NODE_LEVELS_MAX);
    if (!request_route(kernel, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, prefix))
        return error_set(error, ERROR_SYSTEM, "no-netlink", "cannot offer a route: %s",
                         strerror(errno));
    kernel->offered[kernel->offered_count++] = *prefix;
    return true;
}

// ---- reading

static uint16_t port_of_device(const struct sippd *sippd, unsigned index)
{
    for (uint16_t i = 0; i < sippd->port_count; i++) {
        if (index != 0 && port_device_index(sippd->ports[i]) == index)
            return i;
    }
    return NODE_NO_INTERFACE;
}

// The SIPP prefix behind an IPv6 destination, or false where it is another kind of route.
static bool sipp_destination(const uint8_t *destination, uint8_t length, struct sipp_prefix *prefix)
{
    if (length < ROUTES_LENGTH || memcmp(destination, routes_prefix, sizeof(routes_prefix)) != 0)
        return false;
    uint64_t bits = 0;
    for (unsigned i = 8; i < 16; i++)
        bits = bits << 8 | destination[i];
    *prefix = sipp_prefix_of((struct sipp_address){bits}, length - ROUTES_LENGTH);
    return true;
}

// The local-use address of a neighbour known by fe80:: and its modified EUI-64 identifier.
static bool sipp_gateway(const uint8_t *gateway, struct sipp_address *address)
{
    if (gateway[0] != 0xfe || gateway[1] != 0x80 || gateway[11] != 0xff || gateway[12] != 0xfe)
        return false;
    const uint8_t link[6] = {gateway[8] ^ 2, gateway[9],  gateway[10],
                             gateway[13],    gateway[14], gateway[15]};
    *address = sipp_local_use(0, link, sizeof(link));
    return true;
}

struct heard_route {
    const uint8_t *destination;
    const uint8_t *gateway;
    unsigned device;
    uint32_t metric;
};

static void read_attributes(struct rtattr *attribute, int length, struct heard_route *heard)
{
    for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
        const void *data = RTA_DATA(attribute);
        size_t size = RTA_PAYLOAD(attribute);
        if (attribute->rta_type == RTA_DST && size == 16)
            heard->destination = data;
        else if (attribute->rta_type == RTA_GATEWAY && size == 16)
            heard->gateway = data;
        else if (attribute->rta_type == RTA_OIF && size == sizeof(unsigned))
            memcpy(&heard->device, data, sizeof(unsigned));
        else if (attribute->rta_type == RTA_PRIORITY && size == sizeof(uint32_t))
            memcpy(&heard->metric, data, sizeof(uint32_t));
    }
}

static void hear_route(struct kernel *kernel, struct nlmsghdr *header)
{
    struct sippd *sippd = kernel->sippd;
    struct rtmsg *route = NLMSG_DATA(header);
    struct heard_route heard = {NULL, NULL, 0, 0};
    struct sipp_prefix prefix;
    struct next_hop next_hop;
    if (kernel->learned == NULL || route->rtm_family != AF_INET6 ||
        route->rtm_table != RT_TABLE_MAIN || route->rtm_protocol == ROUTE_PROTOCOL ||
        route->rtm_type != RTN_UNICAST)
        return;
    read_attributes(RTM_RTA(route), (int)RTM_PAYLOAD(header), &heard);
    if (heard.destination == NULL ||
        !sipp_destination(heard.destination, route->rtm_dst_len, &prefix))
        return;
    next_hop.interface = port_of_device(sippd, heard.device);
    bool good = next_hop.interface != NODE_NO_INTERFACE && heard.gateway != NULL &&
                sipp_gateway(heard.gateway, &next_hop.gateway);
    if (!good && header->nlmsg_type == RTM_NEWROUTE)
        log_warning("kernel", "a route has a next hop that is no neighbour of ours");
    else if (good && header->nlmsg_type == RTM_NEWROUTE)
        learned_add(kernel->learned, &prefix, heard.metric, next_hop,
                    (header->nlmsg_flags & NLM_F_REPLACE) != 0);
    else if (good)
        learned_remove(kernel->learned, &prefix, heard.metric, next_hop);
}

static void hear_link(struct kernel *kernel, struct nlmsghdr *header)
{
    struct sippd *sippd = kernel->sippd;
    const struct ifinfomsg *link = NLMSG_DATA(header);
    uint16_t interface = port_of_device(sippd, (unsigned)link->ifi_index);
    if (interface != NODE_NO_INTERFACE)
        node_set_carrier(sippd->node, interface,
                         header->nlmsg_type == RTM_NEWLINK && (link->ifi_flags & IFF_RUNNING) != 0);
}

// Asks for all routes; they arrive as if they were new. One such answer at a time.
static bool ask_routes(struct kernel *kernel)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
    } request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .route = {.rtm_family = AF_INET6},
    };
    kernel->ask_again = kernel->telling;
    if (kernel->telling)
        return true;
    learned_begin(kernel->learned);
    kernel->telling = send(kernel->fd, &request, request.header.nlmsg_len, 0) >= 0;
    return kernel->telling;
}

// All routes were told. They are asked for again where something changed in the midst of it.
static void hear_end(struct kernel *kernel, bool whole)
{
    if (!kernel->telling)
        return;
    kernel->telling = false;
    if (whole && !kernel->ask_again)
        learned_end(kernel->learned);
    else
        (void)ask_routes(kernel);
}

static void hear(struct kernel *kernel, uint8_t *bytes, int length)
{
    for (struct nlmsghdr *header = (struct nlmsghdr *)bytes; NLMSG_OK(header, (unsigned)length);
         header = NLMSG_NEXT(header, length)) {
        if (header->nlmsg_type == NLMSG_DONE)
            hear_end(kernel, (header->nlmsg_flags & NLM_F_DUMP_INTR) == 0);
        else if (header->nlmsg_type == NLMSG_ERROR)
            kernel->ask_again = kernel->telling; // it is still busy with an earlier question
        else if (header->nlmsg_type == RTM_NEWROUTE || header->nlmsg_type == RTM_DELROUTE)
            hear_route(kernel, header);
        else if (header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK)
            hear_link(kernel, header);
    }
}

static void readable(uv_poll_t *poll, int status, int events)
{
    static _Alignas(struct nlmsghdr) uint8_t bytes[MESSAGE_MAX];
    struct kernel *kernel = poll->data;
    (void)status;
    (void)events;
    for (;;) {
        ssize_t length = recv(kernel->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        // Messages were lost: what we know may be old, so ask for everything again.
        if (length < 0 && errno == ENOBUFS) {
            // So may have been the end of an answer.
            kernel->telling = false;
            if (kernel->learned != NULL)
                (void)ask_routes(kernel);
            continue;
        }
        if (length <= 0)
            break;
        hear(kernel, bytes, (int)length);
    }
    kernel->sippd->settle(kernel->sippd);
}

bool kernel_open(struct sippd *sippd, struct error *error)
{
    const struct sockaddr_nl at = {.nl_family = AF_NETLINK,
                                   .nl_groups = RTMGRP_LINK | RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return error_set(error, ERROR_SYSTEM, "no-netlink", "cannot listen to the kernel: %s",
                         strerror(cause));
    }
    struct kernel *kernel = memory_new(sizeof(*kernel));
    kernel->sippd = sippd;
    kernel->fd = fd;
    kernel->poll.data = kernel;
    (void)uv_poll_init(&sippd->loop, &kernel->poll, fd);
    (void)uv_poll_start(&kernel->poll, UV_READABLE, readable);
    sippd->kernel = kernel;
    return true;
}

bool kernel_learn(struct sippd *sippd, struct error *error)
{
    if (sippd->checking)
        return true;
    if (sippd->kernel->learned == NULL)
        sippd->kernel->learned = learned_new(node_forwarding(sippd->node));
    if (!ask_routes(sippd->kernel))
        return error_set(error, ERROR_SYSTEM, "no-netlink", "cannot ask the kernel for routes: %s",
                         strerror(errno));
    return true;
}

void kernel_close(struct sippd *sippd)
{
    struct kernel *kernel = sippd->kernel;
    if (kernel == NULL)
        return;
    for (size_t i = 0; i < kernel->offered_count; i++)
        (void)request_route(kernel, RTM_DELROUTE, 0, &kernel->offered[i]);
    uv_close((uv_handle_t *)&kernel->poll, NULL);
    (void)uv_run(&sippd->loop, UV_RUN_NOWAIT);
    close(kernel->fd);
    learned_free(kernel->learned);
    memory_free(kernel);
    sippd->kernel = NULL;
}
