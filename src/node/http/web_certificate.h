// SPDX-License-Identifier: BSD-2-Clause
// A TLS certificate of a kind that browsers know, which Ed25519 is not: the operator's, from an
// authority that they trust, or one of our own, about which they ask their user once.
#ifndef IVIP_NODE_HTTP_WEB_CERTIFICATE_H
#define IVIP_NODE_HTTP_WEB_CERTIFICATE_H

#include "base/address.h"
#include "base/error.h"
#include "node/http/certificate.h"

#include <stdbool.h>
#include <time.h>

#define WEB_CERTIFICATE_FILE "web.pem"

// Reads a certificate with its chain, and its key: PEM files, in which the first certificate is the
// server's. Refused where they do not fit each other, or time has run out. To be released.
bool web_certificate_read(const char *certificate_file, const char *key_file,
                          struct certificate *certificate, struct error *error);

// The one kept in WEB_CERTIFICATE_FILE (mode 0600) in that directory. Where there is none it is
// made: ECDSA P-256, self-signed, for this host's name and that address, unless it is a wildcard.
bool web_certificate_keep(const char *directory, const struct address *address,
                          struct certificate *certificate, struct error *error);

// When the server's certificate runs out; -1 where that cannot be said.
time_t web_certificate_end(const struct certificate *certificate);

#endif
