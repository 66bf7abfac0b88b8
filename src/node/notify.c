// SPDX-License-Identifier: BSD-2-Clause
#include "node/notify.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void notify_manager(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET"); // NOLINT(concurrency-mt-unsafe)
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path) + 1);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0'; // a name in the abstract namespace
    // A reload is only believed with the time at which it began (Type=notify-reload).
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    char message[96];
    int size = snprintf(message, sizeof(message), "%s\nMONOTONIC_USEC=%" PRIu64 "\n", state,
                        (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || sendto(sock, message, (size_t)size, 0, (struct sockaddr *)&address, length) < 0)
        log_debug("node", "the service manager was not told \"%s\": %s", state, strerror(errno));
    if (sock >= 0)
        (void)close(sock);
}
