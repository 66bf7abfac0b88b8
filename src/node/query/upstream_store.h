// SPDX-License-Identifier: BSD-2-Clause
// The query servers that DNS named last, kept in the state directory, so that a node which starts
// while DNS is down can ask somebody (docs/discovery.md, "Finding upstreams").
//
//     STATE/upstreams-itr.json   {"v":1,"domain":"isp.example","servers":[{"server":...}]}
#ifndef IVIP_NODE_QUERY_UPSTREAM_STORE_H
#define IVIP_NODE_QUERY_UPSTREAM_STORE_H

#include "base/error.h"
#include "query/service.h"

#include <stddef.h>

// Reads the servers of that role and domain into `servers`, which has room for `most`. Returns how
// many there are: 0 also where the file is missing, damaged or about another domain.
size_t upstream_store_load(const char *directory, const char *role, const char *domain,
                           struct service_server *servers, size_t most);
// Puts them in the place of what was kept, whole or not at all.
bool upstream_store_save(const char *directory, const char *role, const char *domain,
                         const struct service_server *servers, size_t count, struct error *error);

#endif
