// SPDX-License-Identifier: BSD-2-Clause
// What the forwarding benchmark needs on its wires (sipp/bench/forward.py):
//
//     wire_tool send DEVICE LINK sipp|ipv6 SIZE SECONDS    as many packets as the device takes
//     wire_tool count DEVICE sipp|ipv6 SECONDS             how many arrive; prints packets a second
//     wire_tool forward IN OUT LINK                        an IPv6 forwarder in user space
//
// The forwarder is what sippd is compared with: the same packet sockets, batches and system calls,
// and what RFC 8200 asks of a router without options: version, length, hop limit, one look-up.
#include "base/cursor.h"
#include "sipp/lib/forwarding.h"
#include "sipp/lib/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH        64
#define FRAME_MAX    2048
#define ETHER_SIPP   0x88b5
#define ETHER_IPV6   0x86dd
#define IPV6_HEADER  40
#define SOCKET_BYTES (4 << 20)

static uint8_t frames[BATCH][FRAME_MAX];
static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];

static int fail(const char *what)
{
    (void)fprintf(stderr, "wire_tool: %s: %s\n", what, strerror(errno));
    return 1;
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int open_device(const char *device, uint16_t type, struct sockaddr_ll *at)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
    int size = SOCKET_BYTES;
    *at = (struct sockaddr_ll){.sll_family = AF_PACKET,
                               .sll_protocol = htons(type),
                               .sll_ifindex = (int)if_nametoindex(device),
                               .sll_halen = 6};
    if (fd < 0 || bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
        exit(fail(device));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    return fd;
}

static void read_link(const char *text, struct sockaddr_ll *at)
{
    unsigned octets[6];
    if (sscanf(text, "%x:%x:%x:%x:%x:%x", &octets[0], &octets[1], &octets[2], &octets[3],
               &octets[4], &octets[5]) != 6)
        exit(fail(text));
    for (unsigned i = 0; i < 6; i++)
        at->sll_addr[i] = (unsigned char)octets[i];
}

static uint16_t type_of(const char *word)
{
    return strcmp(word, "sipp") == 0 ? ETHER_SIPP : ETHER_IPV6;
}

// One packet of the kind; the addresses are those that forward.py gives the router routes for.
static size_t make_packet(uint16_t type, size_t size, uint8_t *bytes)
{
    static const uint8_t payload[FRAME_MAX];
    if (type == ETHER_SIPP) {
        struct route route = {
            .count = 2,
            .active = 1,
            .addresses = {{UINT64_C(0x0080000000010007)}, {UINT64_C(0x0080000000020007)}}};
        return packet_encode(&route, 0, 64, SIPP_PAYLOAD_UDP, payload, size - SIPP_HEADER_BYTES,
                             bytes, FRAME_MAX);
    }
    struct writer writer = writer_over(bytes, FRAME_MAX);
    writer_u32(&writer, UINT32_C(6) << 28);
    writer_u16(&writer, (uint16_t)(size - IPV6_HEADER));
    writer_u8(&writer, 17);
    writer_u8(&writer, 64);
    const uint64_t addresses[] = {UINT64_C(0xfd00000000010000), 7, UINT64_C(0xfd00000000020000), 7};
    for (size_t i = 0; i < 4; i++)
        writer_u64(&writer, addresses[i]);
    writer_zeros(&writer, size - IPV6_HEADER);
    return writer_length(&writer);
}

static int run_send(char **words)
{
    struct sockaddr_ll to;
    uint16_t type = type_of(words[2]);
    int fd = open_device(words[0], type, &to);
    read_link(words[1], &to);
    size_t length = make_packet(type, strtoul(words[3], NULL, 10), frames[0]);
    for (size_t i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){frames[0], length};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    double end = seconds_now() + strtod(words[4], NULL);
    while (seconds_now() < end)
        (void)sendmmsg(fd, messages, BATCH, 0);
    return 0;
}

static int receive_batch(int fd)
{
    for (size_t i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){frames[i], FRAME_MAX};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    struct pollfd readable = {fd, POLLIN, 0};
    if (poll(&readable, 1, 100) <= 0)
        return 0;
    int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    return count < 0 ? 0 : count;
}

// Counts from the first packet on.
static int run_count(char **words)
{
    struct sockaddr_ll at;
    int fd = open_device(words[0], type_of(words[1]), &at);
    uint64_t packets = 0;
    double wanted = strtod(words[2], NULL);
    double give_up = seconds_now() + 10 + wanted;
    while (receive_batch(fd) == 0 && seconds_now() < give_up)
        ;
    double begin = seconds_now();
    while (seconds_now() < begin + wanted)
        packets += (uint64_t)receive_batch(fd);
    (void)printf("%.0f\n", (double)packets / (seconds_now() - begin));
    return 0;
}

// What a router does to one IPv6 packet; false drops it.
static bool forward_ipv6(const struct forwarding *table, uint8_t *bytes, size_t length)
{
    struct reader reader = reader_over(bytes, length);
    uint32_t first = reader_u32(&reader);
    uint16_t payload = reader_u16(&reader);
    (void)reader_u8(&reader);
    uint8_t hop_limit = reader_u8(&reader);
    (void)reader_take(&reader, 16);
    // The table holds prefixes of up to 64 bits, as routes between sites are.
    struct sipp_address high = {reader_u64(&reader)};
    (void)reader_u64(&reader);
    if (reader.failed || first >> 28 != 6 || payload > reader_left(&reader) || hop_limit <= 1 ||
        forwarding_look_up(table, high) == NULL)
        return false;
    bytes[7]--;
    return true;
}

static _Noreturn void run_forward(char **words)
{
    struct sockaddr_ll in;
    struct sockaddr_ll out;
    int from = open_device(words[0], ETHER_IPV6, &in);
    int to = open_device(words[1], ETHER_IPV6, &out);
    read_link(words[2], &out);
    struct forwarding *table = forwarding_new();
    for (uint64_t i = 1; i <= 3; i++) {
        struct sipp_prefix prefix = {{UINT64_C(0xfd00000000000000) | i << 16}, 64};
        forwarding_set(table, &prefix, (struct next_hop){1, SIPP_ADDRESS_NONE});
    }
    for (;;) {
        int count = receive_batch(from);
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (!forward_ipv6(table, frames[i], messages[i].msg_len))
                continue;
            vectors[kept] = (struct iovec){frames[i], messages[i].msg_len};
            messages[kept].msg_hdr = (struct msghdr){.msg_name = &out,
                                                     .msg_namelen = sizeof(out),
                                                     .msg_iov = &vectors[kept],
                                                     .msg_iovlen = 1};
            kept++;
        }
        for (int sent = 0; sent < kept;) {
            int done = sendmmsg(to, messages + sent, (unsigned)(kept - sent), 0);
            sent += done > 0 ? done : 1;
        }
    }
}

int main(int count, char **words)
{
    if (count == 7 && strcmp(words[1], "send") == 0)
        return run_send(words + 2);
    if (count == 5 && strcmp(words[1], "count") == 0)
        return run_count(words + 2);
    if (count == 5 && strcmp(words[1], "forward") == 0)
        run_forward(words + 2);
    (void)fputs("usage: see the top of wire_tool.c\n", stderr);
    return 2;
}
