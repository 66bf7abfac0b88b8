// SPDX-License-Identifier: BSD-2-Clause
// Whether this host's settings let packets through between its networks and the TUN. They are the
// operator's; the roles only look, and say in their health what is wrong.
#ifndef IVIP_NODE_TUNNEL_FORWARDING_H
#define IVIP_NODE_TUNNEL_FORWARDING_H

#include <stdbool.h>
#include <stddef.h>

// True where the host forwards the families named, and no strict reverse-path filter would drop
// what an ETR delivers. Otherwise `why` says which setting to change.
bool forwarding_works(bool ipv4, bool ipv6, bool delivers, char *why, size_t size);

#endif
