// SPDX-License-Identifier: BSD-2-Clause
#include "node/http/http_listener.h"

#include "node/socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 256

static bool set_option(int sock, int level, int name, int value)
{
    return setsockopt(sock, level, name, &value, sizeof(value)) == 0;
}

static bool set_options(int sock, const struct endpoint *listen_at)
{
    // Connections inherit it. GnuTLS writes a flight of its handshake in parts; the second would
    // otherwise wait for the first to be acknowledged, a round trip in each command.
    bool good = set_option(sock, SOL_SOCKET, SO_REUSEADDR, 1) &&
                set_option(sock, IPPROTO_TCP, TCP_NODELAY, 1);
    // The address "::" takes IPv4 too, whatever the system's default is; others have one family.
    if (good && listen_at->address.family == FAMILY_IPV6)
        good =
            set_option(sock, IPPROTO_IPV6, IPV6_V6ONLY, !address_is_wildcard(&listen_at->address));
    return good;
}

// Sockets of one account that all have this may listen at one port. The first may get it late.
static bool share(int sock, int beside)
{
    return beside == HTTP_NO_LISTENER || (set_option(beside, SOL_SOCKET, SO_REUSEPORT, 1) &&
                                          set_option(sock, SOL_SOCKET, SO_REUSEPORT, 1));
}

int http_listener_open(const struct endpoint *wanted, int beside, struct endpoint *local,
                       struct error *error)
{
    const struct endpoint listen_at = endpoint_listenable(wanted);
    char text[ENDPOINT_TEXT_MAX];
    struct sockaddr_storage storage;
    socklen_t length = socket_address_of_endpoint(&listen_at, &storage);
    int sock = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = sock >= 0 && set_options(sock, &listen_at) && share(sock, beside) &&
                bind(sock, (struct sockaddr *)&storage, length) == 0 &&
                listen(sock, BACKLOG) == 0 &&
                getsockname(sock, (struct sockaddr *)&storage, &length) == 0;
    if (good) {
        *local = endpoint_of_socket_address((struct sockaddr *)&storage);
        return sock;
    }
    error_set(error, ERROR_SYSTEM, "cannot-listen", "cannot listen on %s (TCP): %s%s",
              endpoint_print(&listen_at, text), strerror(errno),
              errno == EADDRINUSE ? "; another program has this port" : "");
    if (sock >= 0)
        (void)close(sock);
    return HTTP_NO_LISTENER;
}
