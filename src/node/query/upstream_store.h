// SPDX-License-Identifier: BSD-2-Clause
// The query servers that DNS named last, as the text of a file, so that a node which starts while
// DNS is down can ask somebody (docs/discovery.md, "Finding upstreams").
//
//     {"v":1,"domain":"isp.example","servers":[{"server":"192.0.2.1:4746","priority":10}]}
#ifndef IVIP_NODE_QUERY_UPSTREAM_STORE_H
#define IVIP_NODE_QUERY_UPSTREAM_STORE_H

#include "query/service.h"

#include <stddef.h>
#include <stdint.h>

#define UPSTREAM_STORE_BYTES_MAX 65536 // of a file

// The text, which the caller frees with memory_free.
uint8_t *upstream_store_encode(const char *domain, const struct service_server *servers,
                               size_t count, size_t *length);
// Reads the servers of that domain into `servers`, which has room for `most`. Returns how many
// there are: 0 also where the text is damaged or about another domain.
size_t upstream_store_decode(const uint8_t *bytes, size_t length, const char *domain,
                             struct service_server *servers, size_t most);

#endif
