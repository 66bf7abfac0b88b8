// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/routes.h"

#include "node/socket_address.h"

#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REQUEST_BYTES         256
#define ACKNOWLEDGEMENT_BYTES 4096
#define LINK_BYTES            16384 // what the kernel says of a device
#define ROUTE_BYTES           4096
#define ANSWER_SECONDS        2 // the kernel answers at once; never wait for ever
#define MTU_DEFAULT           1500
// IPv6 routes have metric 1024 unless another is given, and lose against those of a BGP daemon.
#define ROUTE_METRIC 1

// The older socket headers do not have these beside linux/ipv6.h.
#ifndef IPV6_MTU
#define IPV6_MTU 24
#endif

struct request {
    struct nlmsghdr header;
    uint8_t body[REQUEST_BYTES];
};

static void put_body(struct request *request, const void *body, size_t length)
{
    memcpy(request->body, body, length);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(length);
}

static void put_attribute(struct request *request, unsigned short type, const void *value,
                          size_t length)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
    assert(at + RTA_LENGTH(length) <= sizeof(*request));
    struct rtattr attribute = {.rta_len = (unsigned short)RTA_LENGTH(length), .rta_type = type};
    memcpy((uint8_t *)request + at, &attribute, sizeof(attribute));
    memcpy((uint8_t *)request + at + RTA_LENGTH(0), value, length);
    request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(length));
}

// One socket for all that is asked; to open one for each route takes as long as the route.
static int kernel = -1;

static bool open_kernel(void)
{
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    if (kernel < 0)
        kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return kernel >= 0 && setsockopt(kernel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0;
}

// Sends the request and waits for the first message of the answer to it; returns its length, or -1
// with errno. The socket is given up then, lest the answer come to the next request.
static ssize_t exchange(struct request *request, uint8_t *answer, size_t size)
{
    static uint32_t sequence;
    struct nlmsghdr header = {0};
    request->header.nlmsg_flags |= NLM_F_REQUEST;
    request->header.nlmsg_seq = ++sequence;
    ssize_t got = -1;
    if (open_kernel() && send(kernel, request, request->header.nlmsg_len, 0) >= 0) {
        do {
            got = recv(kernel, answer, size, 0);
            if (got >= (ssize_t)sizeof(header))
                memcpy(&header, answer, sizeof(header));
        } while (got >= 0 && header.nlmsg_seq != sequence);
    }
    int reason = errno;
    if (got < 0 && kernel >= 0) {
        (void)close(kernel);
        kernel = -1;
    }
    errno = reason;
    return got;
}

// Returns an errno, or 0 where the answer is of that type; its header is copied.
static int ask_kernel(struct request *request, uint16_t type, uint8_t *answer, size_t size,
                      struct nlmsghdr *header)
{
    struct nlmsgerr result;
    ssize_t got = exchange(request, answer, size);
    if (got < 0)
        return errno;
    memcpy(header, answer, sizeof(*header));
    if (header->nlmsg_len < sizeof(*header) || header->nlmsg_len > (size_t)got)
        return EBADMSG; // too long for us
    if (header->nlmsg_type == type && type != NLMSG_ERROR)
        return 0;
    if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_len < NLMSG_LENGTH(sizeof(result)))
        return EBADMSG;
    memcpy(&result, answer + NLMSG_LENGTH(0), sizeof(result));
    return -result.error;
}

// Orders something and waits for the kernel's acknowledgement: 0, or an errno.
static int order_kernel(struct request *request)
{
    uint8_t answer[ACKNOWLEDGEMENT_BYTES];
    struct nlmsghdr header = {0};
    request->header.nlmsg_flags |= NLM_F_ACK;
    return ask_kernel(request, NLMSG_ERROR, answer, sizeof(answer), &header);
}

// Copies the value of an attribute behind `body` octets of a message; false where it is not there,
// or shorter.
static bool find_attribute(const uint8_t *message, const struct nlmsghdr *header, size_t body,
                           unsigned short type, void *value, size_t length)
{
    struct rtattr attribute;
    for (size_t at = NLMSG_LENGTH(NLMSG_ALIGN(body));
         at + sizeof(attribute) <= header->nlmsg_len;) {
        memcpy(&attribute, message + at, sizeof(attribute));
        if (attribute.rta_len < sizeof(attribute) || at + attribute.rta_len > header->nlmsg_len)
            return false;
        if (attribute.rta_type == type && attribute.rta_len >= RTA_LENGTH(length)) {
            memcpy(value, message + at + RTA_LENGTH(0), length);
            return true;
        }
        at += RTA_ALIGN(attribute.rta_len);
    }
    return false;
}

bool routes_link_up(unsigned index, uint32_t mtu, struct error *error)
{
    struct request request = {.header = {.nlmsg_type = RTM_NEWLINK}};
    struct ifinfomsg link = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    put_body(&request, &link, sizeof(link));
    put_attribute(&request, IFLA_MTU, &mtu, sizeof(mtu));
    int failed = order_kernel(&request);
    if (failed == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "no-link",
                     "the device cannot be brought up with an MTU of %u: %s", mtu,
                     strerror(failed));
}

bool routes_link_state(unsigned index, struct routes_link *link)
{
    struct request request = {.header = {.nlmsg_type = RTM_GETLINK}};
    struct ifinfomsg body = {.ifi_index = (int)index};
    struct rtnl_link_stats64 statistics = {0};
    struct nlmsghdr header = {0};
    uint8_t answer[LINK_BYTES];
    put_body(&request, &body, sizeof(body));
    if (ask_kernel(&request, RTM_NEWLINK, answer, sizeof(answer), &header) != 0 ||
        header.nlmsg_len < NLMSG_LENGTH(sizeof(body)))
        return false;
    memcpy(&body, answer + NLMSG_LENGTH(0), sizeof(body));
    (void)find_attribute(answer, &header, sizeof(body), IFLA_STATS64, &statistics,
                         offsetof(struct rtnl_link_stats64, multicast));
    *link = (struct routes_link){(body.ifi_flags & IFF_UP) != 0, statistics.tx_dropped};
    return true;
}

// Whether a device's MTU counts: up, and not loopback.
static bool counts(const struct ifaddrs *device)
{
    return (device->ifa_flags & IFF_UP) != 0 && (device->ifa_flags & IFF_LOOPBACK) == 0;
}

uint32_t routes_largest_mtu(void)
{
    struct ifaddrs *all = NULL;
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint32_t largest = 0;
    if (descriptor >= 0 && getifaddrs(&all) == 0) {
        for (const struct ifaddrs *device = all; device != NULL; device = device->ifa_next) {
            struct ifreq request = {0};
            strncpy(request.ifr_name, device->ifa_name, sizeof(request.ifr_name) - 1);
            if (counts(device) && ioctl(descriptor, SIOCGIFMTU, &request) == 0 &&
                (uint32_t)request.ifr_mtu > largest)
                largest = (uint32_t)request.ifr_mtu;
        }
        freeifaddrs(all);
    }
    if (descriptor >= 0)
        (void)close(descriptor);
    return largest == 0 ? MTU_DEFAULT : largest;
}

bool routes_device_mtu(const char *name, uint32_t *mtu)
{
    struct ifreq request = {0};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
    bool up = ioctl(descriptor, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0 &&
              ioctl(descriptor, SIOCGIFMTU, &request) == 0;
    if (up)
        *mtu = (uint32_t)request.ifr_mtu;
    (void)close(descriptor);
    return up;
}

static void put_route(struct request *request, const struct prefix *prefix, unsigned index,
                      uint8_t protocol)
{
    bool ipv6 = prefix->address.family == FAMILY_IPV6;
    struct rtmsg route = {
        .rtm_family = ipv6 ? AF_INET6 : AF_INET,
        .rtm_dst_len = prefix->length,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = protocol,
        .rtm_scope = ipv6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
        .rtm_type = RTN_UNICAST,
    };
    uint32_t metric = ROUTE_METRIC;
    put_body(request, &route, sizeof(route));
    put_attribute(request, RTA_DST, prefix->address.octets,
                  family_octets((enum family)prefix->address.family));
    put_attribute(request, RTA_OIF, &index, sizeof(index));
    put_attribute(request, RTA_PRIORITY, &metric, sizeof(metric));
}

bool routes_add(const struct prefix *prefix, unsigned index, uint8_t protocol, struct error *error)
{
    struct request request = {
        .header = {.nlmsg_type = RTM_NEWROUTE, .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE}};
    put_route(&request, prefix, index, protocol);
    int failed = order_kernel(&request);
    if (failed == 0)
        return true;
    char text[PREFIX_TEXT_MAX];
    return error_set(error, ERROR_SYSTEM, "no-route", "the route of %s cannot be added: %s",
                     prefix_print(prefix, text), strerror(failed));
}

bool routes_remove(const struct prefix *prefix, unsigned index, uint8_t protocol,
                   struct error *error)
{
    struct request request = {.header = {.nlmsg_type = RTM_DELROUTE}};
    put_route(&request, prefix, index, protocol);
    int failed = order_kernel(&request);
    if (failed == 0 || failed == ESRCH || failed == ENODEV)
        return true;
    char text[PREFIX_TEXT_MAX];
    return error_set(error, ERROR_SYSTEM, "no-route", "the route of %s cannot be removed: %s",
                     prefix_print(prefix, text), strerror(failed));
}

bool routes_there(const struct prefix *prefix, unsigned index)
{
    bool ipv6 = prefix->address.family == FAMILY_IPV6;
    struct request request = {.header = {.nlmsg_type = RTM_GETROUTE}};
    struct rtmsg route = {
        .rtm_family = ipv6 ? AF_INET6 : AF_INET,
        .rtm_dst_len = ipv6 ? 128 : 32,
        .rtm_flags = RTM_F_FIB_MATCH, // the route itself, not what it makes of this address
    };
    struct nlmsghdr header = {0};
    uint8_t answer[ROUTE_BYTES];
    uint32_t device = 0;
    put_body(&request, &route, sizeof(route));
    put_attribute(&request, RTA_DST, prefix->address.octets,
                  family_octets((enum family)prefix->address.family));
    int failed = ask_kernel(&request, RTM_NEWROUTE, answer, sizeof(answer), &header);
    if (failed != 0 || header.nlmsg_len < NLMSG_LENGTH(sizeof(route)))
        return failed != ENETUNREACH && failed != EHOSTUNREACH;
    memcpy(&route, answer + NLMSG_LENGTH(0), sizeof(route));
    return route.rtm_dst_len >= prefix->length ||
           (find_attribute(answer, &header, sizeof(route), RTA_OIF, &device, sizeof(device)) &&
            device == index);
}

// Connecting a UDP socket sends nothing, but makes the kernel look the route up and keep it.
static bool find_route(int descriptor, const struct endpoint *destination, uint32_t *mtu,
                       struct address *source)
{
    bool ipv6 = destination->address.family == FAMILY_IPV6;
    struct sockaddr_storage address;
    socklen_t length = socket_address_of_endpoint(destination, &address);
    if (connect(descriptor, (struct sockaddr *)&address, length) != 0)
        return false;
    int found = 0;
    socklen_t size = sizeof(found);
    if (getsockopt(descriptor, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_MTU : IP_MTU, &found,
                   &size) != 0 ||
        found <= 0)
        return false;
    length = sizeof(address);
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0)
        return false;
    *mtu = (uint32_t)found;
    *source = endpoint_of_socket_address((struct sockaddr *)&address).address;
    return true;
}

bool routes_find(const struct address *destination, uint32_t *mtu, struct address *source)
{
    bool ipv6 = destination->family == FAMILY_IPV6;
    int descriptor = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    struct endpoint endpoint = {*destination, 9}; // any port will do
    bool found = find_route(descriptor, &endpoint, mtu, source);
    (void)close(descriptor);
    return found;
}
