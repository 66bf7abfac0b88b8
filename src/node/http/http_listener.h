// SPDX-License-Identifier: BSD-2-Clause
// The socket that an HTTP server listens at.
#ifndef IVIP_NODE_HTTP_HTTP_LISTENER_H
#define IVIP_NODE_HTTP_HTTP_LISTENER_H

#include "base/address.h"
#include "base/error.h"

#define HTTP_NO_LISTENER (-1)

// Listens at an address and port; the address "::" takes both families that the host has, and port
// 0 lets the kernel choose. `local` becomes where that is. `beside`: another that listens there
// already and goes on, so that no connection is refused while one server takes the place of
// another; or HTTP_NO_LISTENER, and then nobody else may have the port. HTTP_NO_LISTENER with
// "cannot-listen" where it fails.
int http_listener_open(const struct endpoint *wanted, int beside, struct endpoint *local,
                       struct error *error);

#endif
