// SPDX-License-Identifier: BSD-2-Clause
// Endpoints as the kernel's socket calls want them.
#ifndef IVIP_NODE_SOCKET_ADDRESS_H
#define IVIP_NODE_SOCKET_ADDRESS_H

#include "base/address.h"

#include <sys/socket.h>

// Fills `storage` and returns the length to pass along with it.
socklen_t socket_address_of_endpoint(const struct endpoint *endpoint,
                                     struct sockaddr_storage *storage);
// Reads it back. IPv4 addresses that a socket for both families writes as IPv6 (::ffff:192.0.2.1)
// come out as IPv4. FAMILY_NONE for other kinds of sockets.
struct endpoint endpoint_of_socket_address(const struct sockaddr *address);
// True for "0.0.0.0" and "::".
bool address_is_wildcard(const struct address *address);
// The same address for a socket to listen at: "::" becomes "0.0.0.0" on a host without IPv6.
struct endpoint endpoint_listenable(const struct endpoint *wanted);
// Where a program of this host reaches what listens there: the loopback address for a wildcard.
struct endpoint endpoint_reachable(const struct endpoint *listening);

#endif
