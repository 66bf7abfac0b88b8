// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/forwarding.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

// The value of a setting that is one digit; -1 where it cannot be read.
static int read_setting(const char *path)
{
    char digit;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    ssize_t got = read(descriptor, &digit, 1);
    (void)close(descriptor);
    return got == 1 && digit >= '0' && digit <= '9' ? digit - '0' : -1;
}

bool forwarding_works(bool ipv4, bool ipv6, bool delivers, char *why, size_t size)
{
    if (ipv4 && read_setting("/proc/sys/net/ipv4/ip_forward") == 0) {
        (void)snprintf(why, size, "this host does not forward IPv4: set net.ipv4.ip_forward to 1");
        return false;
    }
    if (ipv6 && read_setting("/proc/sys/net/ipv6/conf/all/forwarding") == 0) {
        (void)snprintf(why, size,
                       "this host does not forward IPv6: set net.ipv6.conf.all.forwarding to 1");
        return false;
    }
    if (ipv4 && delivers && read_setting("/proc/sys/net/ipv4/conf/all/rp_filter") == 1) {
        (void)snprintf(why, size,
                       "the strict reverse-path filter drops what the ETR delivers: set "
                       "net.ipv4.conf.all.rp_filter to 0 or 2");
        return false;
    }
    return true;
}
