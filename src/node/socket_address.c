// SPDX-License-Identifier: BSD-2-Clause
#include "node/socket_address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

socklen_t socket_address_of_endpoint(const struct endpoint *endpoint,
                                     struct sockaddr_storage *storage)
{
    assert(endpoint->address.family != FAMILY_NONE);
    memset(storage, 0, sizeof(*storage));
    if (endpoint->address.family == FAMILY_IPV4) {
        struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        memcpy(&ipv4.sin_addr, endpoint->address.octets, sizeof(ipv4.sin_addr));
        memcpy(storage, &ipv4, sizeof(ipv4));
        return sizeof(ipv4);
    }
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
    memcpy(&ipv6.sin6_addr, endpoint->address.octets, sizeof(ipv6.sin6_addr));
    memcpy(storage, &ipv6, sizeof(ipv6));
    return sizeof(ipv6);
}

struct endpoint endpoint_of_socket_address(const struct sockaddr *address)
{
    struct endpoint endpoint = {0};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof(ipv4));
        endpoint.address = address_from_octets(FAMILY_IPV4, (const uint8_t *)&ipv4.sin_addr.s_addr);
        endpoint.port = ntohs(ipv4.sin_port);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, address, sizeof(ipv6));
        const uint8_t *octets = ipv6.sin6_addr.s6_addr;
        endpoint.address = IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)
                               ? address_from_octets(FAMILY_IPV4, octets + 12)
                               : address_from_octets(FAMILY_IPV6, octets);
        endpoint.port = ntohs(ipv6.sin6_port);
    }
    return endpoint;
}

bool address_is_wildcard(const struct address *address)
{
    static const uint8_t zeros[16];
    return address->family != FAMILY_NONE && memcmp(address->octets, zeros, sizeof(zeros)) == 0;
}

struct endpoint endpoint_listenable(const struct endpoint *wanted)
{
    struct endpoint endpoint = *wanted;
    if (endpoint.address.family != FAMILY_IPV6 || !address_is_wildcard(&endpoint.address))
        return endpoint;
    int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock >= 0)
        (void)close(sock);
    else if (errno == EAFNOSUPPORT)
        endpoint.address.family = FAMILY_IPV4;
    return endpoint;
}

struct endpoint endpoint_reachable(const struct endpoint *listening)
{
    struct endpoint endpoint = *listening;
    if (address_is_wildcard(&endpoint.address)) // "::" takes IPv4 too, which no host is without
        endpoint.address = address_from_ipv4(INADDR_LOOPBACK);
    return endpoint;
}
