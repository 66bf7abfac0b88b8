// SPDX-License-Identifier: BSD-2-Clause
// The TLS certificate of a node: self-signed with the node's Ed25519 key and made afresh in memory
// at each start. Nobody checks what it says; clients pin the public key in it, by which they know
// the node anyway.
#ifndef IVIP_NODE_HTTP_CERTIFICATE_H
#define IVIP_NODE_HTTP_CERTIFICATE_H

#include "base/error.h"
#include "base/key.h"

#include <gnutls/x509.h>

// Key and certificate as NUL-ended PEM texts.
struct certificate {
    char *key_pem; // a secret
    char *certificate_pem;
};

// Gives a certificate what all that we make have in common: the version, a random serial number,
// and dates so wide that no machine's clock makes it invalid. A result of GnuTLS, negative for an
// error.
int certificate_begin(gnutls_x509_crt_t crt);

bool certificate_make(const struct secret_key *key, struct certificate *certificate,
                      struct error *error);
// Wipes and frees the texts.
void certificate_release(struct certificate *certificate);

#endif
