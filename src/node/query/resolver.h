// SPDX-License-Identifier: BSD-2-Clause
// A validating resolver in the node's event loop: libunbound, which does its work in a thread of
// its own and is heard through a descriptor (docs/discovery.md, "Trust").
#ifndef IVIP_NODE_QUERY_RESOLVER_H
#define IVIP_NODE_QUERY_RESOLVER_H

#include "base/error.h"
#include "node/config/config.h"
#include "node/node.h"
#include "query/service.h"

struct resolver;

// Gets the answer to a question, in the loop's thread; `answer` is borrowed for the call.
typedef void resolver_answered(void *state, const struct dns_question *question,
                               const struct dns_answer *answer);

struct resolver_config {
    const char *trust_anchor; // file with DS or DNSKEY records in the form of a zone file, which is
                              // read by resolver_open; NULL: nothing is validated, so every answer
                              // is DNS_INSECURE
    const struct config_endpoints *servers; // the resolvers to ask
    bool of_system; // without `servers`: those of /etc/resolv.conf, not the DNS from its root on
};

struct resolver *resolver_open(struct node *node, const struct resolver_config *config,
                               resolver_answered *answered, void *state, struct error *error);
// Nothing is answered any more when it returns. Waits for libunbound's thread to end.
void resolver_close(struct resolver *resolver);

// Begins anew with another config, such as what /etc/resolv.conf says now. What is open is asked
// again, or with `forget` never answered. False, and all is as before, where that cannot be.
bool resolver_reopen(struct resolver *resolver, const struct resolver_config *config, bool forget,
                     struct error *error);

// Asks; each question is answered once, never from within the call.
void resolver_ask(struct resolver *resolver, const struct dns_question *question);

#endif
