// SPDX-License-Identifier: BSD-2-Clause
// A socket bound to a wildcard address answers from the address that it was asked at: a querier
// takes answers only from there. Which one that was is remembered for the peers that spoke last.
#include "node/udp.h"

#include "base/counters.h"
#include "base/memory.h"
#include "node/socket_address.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCHES_AT_ONCE    16            // read before other work of the loop gets a turn
#define DATAGRAM_BYTES_MAX 2048          // longer ones are cut off, counted and dropped
#define SOCKET_BUFFER      (4096 * 1024) // asked of the kernel, for bursts
#define LOCALS             4096          // peers whose local address is remembered; a power of two
#define CONTROL_BYTES      64            // enough for one in6_pktinfo and a segment's length
#define TRAIN_BYTES_MAX    60000         // datagrams handed to the kernel as one, in all

// Which local address a peer spoke to.
struct local {
    struct sockaddr_storage peer;
    struct in6_pktinfo info;
};

static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) <=
                  CONTROL_BYTES,
              "both control messages must fit");

struct datagrams {
    struct mmsghdr headers[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    struct sockaddr_storage peers[UDP_BATCH];
    _Alignas(struct cmsghdr) uint8_t controls[UDP_BATCH][CONTROL_BYTES];
    uint8_t bytes[UDP_BATCH][DATAGRAM_BYTES_MAX];
};

struct udp {
    uv_poll_t poll;
    int descriptor;
    bool ipv6;            // the socket's family; it takes IPv4 too where it is a wildcard
    struct local *locals; // LOCALS of them; NULL where the socket has one address
    udp_foresee *foresee;
    udp_receive *receive;
    udp_batch_end *batch_end;
    void *state;
    struct datagrams in, out;
    unsigned queued; // in `out`
    bool watched;    // by the node's loop
    bool single;     // the kernel does not cut trains on this socket's way
    bool closing;
    struct udp_counters counters;
};

// Opening

static bool fail(struct error *error, const struct endpoint *listen, const char *what)
{
    char text[ENDPOINT_TEXT_MAX];
    return error_set(error, ERROR_SYSTEM, "socket-refused", "UDP %s: %s: %s",
                     endpoint_print(listen, text), what, strerror(errno));
}

static void set_option(int descriptor, int level, int name, int value)
{
    (void)setsockopt(descriptor, level, name, &value, sizeof(value));
}

// As large as the kernel lets us; a privileged process may go past its limit.
static void enlarge_buffers(int descriptor)
{
    set_option(descriptor, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    set_option(descriptor, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
    set_option(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER);
    set_option(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
}

static bool open_socket(struct udp *udp, const struct endpoint *wanted, bool shared,
                        struct error *error)
{
    const struct endpoint at = endpoint_listenable(wanted);
    const struct endpoint *listen = &at;
    struct sockaddr_storage address;
    socklen_t length = socket_address_of_endpoint(listen, &address);
    bool wildcard = address_is_wildcard(&listen->address);
    udp->ipv6 = listen->address.family == FAMILY_IPV6;
    udp->descriptor = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->descriptor < 0)
        return fail(error, listen, "cannot make a socket");
    enlarge_buffers(udp->descriptor);
    if (shared)
        set_option(udp->descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    if (udp->ipv6)
        set_option(udp->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, !wildcard);
    if (wildcard) {
        udp->locals = memory_new_array(LOCALS, sizeof(struct local));
        set_option(udp->descriptor, udp->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                   udp->ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
    }
    if (bind(udp->descriptor, (struct sockaddr *)&address, length) != 0)
        return fail(error, listen, "cannot bind to it");
    return true;
}

static void prepare(struct datagrams *datagrams)
{
    for (size_t i = 0; i < UDP_BATCH; i++) {
        datagrams->vectors[i] = (struct iovec){datagrams->bytes[i], DATAGRAM_BYTES_MAX};
        struct msghdr *header = &datagrams->headers[i].msg_hdr;
        header->msg_iov = &datagrams->vectors[i];
        header->msg_iovlen = 1;
        header->msg_name = &datagrams->peers[i];
    }
}

static void on_poll(uv_poll_t *poll, int status, int events);

static struct udp *open_udp(const struct endpoint *listen, bool shared, udp_receive *receive,
                            udp_batch_end *batch_end, void *state, struct error *error)
{
    struct udp *udp = memory_new(sizeof(*udp));
    udp->receive = receive;
    udp->batch_end = batch_end;
    udp->state = state;
    prepare(&udp->in);
    prepare(&udp->out);
    if (open_socket(udp, listen, shared, error))
        return udp;
    udp_close(udp);
    return NULL;
}

struct udp *udp_open_shared(const struct endpoint *listen, udp_receive *receive,
                            udp_batch_end *batch_end, void *state, struct error *error)
{
    return open_udp(listen, true, receive, batch_end, state, error);
}

struct udp *udp_open_alone(const struct endpoint *listen, udp_receive *receive,
                           udp_batch_end *batch_end, void *state, struct error *error)
{
    return open_udp(listen, false, receive, batch_end, state, error);
}

void udp_share(struct udp *udp)
{
    set_option(udp->descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
}

struct udp *udp_open(struct node *node, const struct endpoint *listen, udp_receive *receive,
                     udp_batch_end *batch_end, void *state, struct error *error)
{
    struct udp *udp = open_udp(listen, false, receive, batch_end, state, error);
    if (udp == NULL)
        return NULL;
    int failed = uv_poll_init(node_loop(node), &udp->poll, udp->descriptor);
    if (failed != 0) {
        error_set(error, ERROR_SYSTEM, "socket-refused", "cannot watch a UDP socket: %s",
                  uv_strerror(failed));
        udp_close(udp);
        return NULL;
    }
    udp->watched = true;
    udp->poll.data = udp;
    (void)uv_poll_start(&udp->poll, UV_READABLE, on_poll);
    return udp;
}

static void free_udp(struct udp *udp)
{
    memory_free(udp->locals);
    memory_free(udp);
}

static void on_closed(uv_handle_t *handle)
{
    free_udp(handle->data);
}

void udp_close(struct udp *udp)
{
    if (udp == NULL)
        return;
    udp_flush(udp);
    udp->closing = true;
    if (udp->watched)
        (void)uv_poll_stop(&udp->poll);
    if (udp->descriptor >= 0)
        (void)close(udp->descriptor);
    if (udp->watched)
        uv_close((uv_handle_t *)&udp->poll, on_closed);
    else
        free_udp(udp);
}

void udp_foresee_with(struct udp *udp, udp_foresee *foresee)
{
    udp->foresee = foresee;
}

int udp_descriptor(const struct udp *udp)
{
    return udp->descriptor;
}

struct endpoint udp_local(const struct udp *udp)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    (void)getsockname(udp->descriptor, (struct sockaddr *)&address, &length);
    return endpoint_of_socket_address((struct sockaddr *)&address);
}

// The address that a peer spoke to

// Where a peer's place in the table is. Peers that share one take it from each other; the kernel
// then chooses the source, which is wrong only on hosts with several addresses.
static struct local *local_of(const struct udp *udp, const struct sockaddr_storage *peer)
{
    const uint8_t *bytes = (const uint8_t *)peer;
    uint32_t hash = 2166136261u; // FNV-1a: nobody gains by a collision here
    for (size_t i = 0; i < sizeof(struct sockaddr_in6); i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return &udp->locals[(hash ^ hash >> 16) & (LOCALS - 1)];
}

static void remember_local(struct udp *udp, struct msghdr *header)
{
    struct sockaddr_storage *peer = header->msg_name;
    struct local *local = local_of(udp, peer);
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL;
         control = CMSG_NXTHDR(header, control)) {
        bool ipv6 = control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO;
        bool ipv4 = control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO;
        if (!ipv6 && !ipv4)
            continue;
        memset(local, 0, sizeof(*local));
        local->peer = *peer;
        memcpy(&local->info, CMSG_DATA(control),
               ipv6 ? sizeof(struct in6_pktinfo) : sizeof(struct in_pktinfo));
    }
}

// Writes the source address, where one is remembered, into the control part of a message.
static void choose_source(const struct udp *udp, struct msghdr *header, uint8_t *space)
{
    header->msg_control = NULL;
    header->msg_controllen = 0;
    if (udp->locals == NULL)
        return;
    const struct local *local = local_of(udp, header->msg_name);
    if (memcmp(&local->peer, header->msg_name, sizeof(struct sockaddr_in6)) != 0)
        return;
    struct in_pktinfo ipv4;
    memcpy(&ipv4, &local->info, sizeof(ipv4));
    ipv4.ipi_ifindex = 0; // the address counts; routing chooses the interface
    ipv4.ipi_spec_dst = ipv4.ipi_addr;
    struct in6_pktinfo ipv6 = local->info;
    if (!IN6_IS_ADDR_LINKLOCAL(&ipv6.ipi6_addr))
        ipv6.ipi6_ifindex = 0;
    size_t length = udp->ipv6 ? sizeof(ipv6) : sizeof(ipv4);
    memset(space, 0, CONTROL_BYTES);
    header->msg_control = space;
    header->msg_controllen = CMSG_SPACE(length);
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    control->cmsg_level = udp->ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    control->cmsg_type = udp->ipv6 ? IPV6_PKTINFO : IP_PKTINFO;
    control->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(control), udp->ipv6 ? (void *)&ipv6 : (void *)&ipv4, length);
}

// Receiving

static int receive(struct udp *udp)
{
    for (size_t i = 0; i < UDP_BATCH; i++) {
        struct msghdr *header = &udp->in.headers[i].msg_hdr;
        header->msg_namelen = sizeof(udp->in.peers[i]);
        header->msg_control = udp->locals == NULL ? NULL : udp->in.controls[i];
        header->msg_controllen = udp->locals == NULL ? 0 : CONTROL_BYTES;
        memset(&udp->in.peers[i], 0, sizeof(struct sockaddr_in6));
    }
    return recvmmsg(udp->descriptor, udp->in.headers, UDP_BATCH, MSG_DONTWAIT, NULL);
}

// The whole datagrams of those received; returns how many.
static size_t list_datagrams(struct udp *udp, int received, struct udp_datagram *datagrams)
{
    size_t count = 0;
    for (int i = 0; i < received; i++) {
        struct msghdr *header = &udp->in.headers[i].msg_hdr;
        udp->counters.received++;
        if (header->msg_flags & MSG_TRUNC) {
            udp->counters.truncated++;
            continue;
        }
        if (udp->locals != NULL)
            remember_local(udp, header);
        datagrams[count++] = (struct udp_datagram){
            .from = endpoint_of_socket_address(header->msg_name),
            .bytes = udp->in.bytes[i],
            .length = udp->in.headers[i].msg_len,
        };
    }
    return count;
}

bool udp_read(struct udp *udp)
{
    struct udp_datagram datagrams[UDP_BATCH];
    int received = receive(udp);
    if (received <= 0)
        return false;
    size_t count = list_datagrams(udp, received, datagrams);
    if (udp->foresee != NULL)
        udp->foresee(udp->state, datagrams, count);
    for (size_t i = 0; i < count && !udp->closing; i++)
        udp->receive(udp->state, &datagrams[i].from, datagrams[i].bytes, datagrams[i].length);
    if (udp->batch_end != NULL && !udp->closing)
        udp->batch_end(udp->state);
    return received == UDP_BATCH && !udp->closing;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct udp *udp = poll->data;
    (void)status, (void)events;
    for (int i = 0; i < BATCHES_AT_ONCE && udp_read(udp); i++) {
    }
}

// Sending

// An IPv4 destination as a socket of IPv6 wants it: ::ffff:192.0.2.1.
static void map_into_ipv6(struct sockaddr_storage *storage)
{
    struct sockaddr_in ipv4;
    memcpy(&ipv4, storage, sizeof(ipv4));
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = ipv4.sin_port};
    ipv6.sin6_addr.s6_addr[10] = 0xff;
    ipv6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(ipv6.sin6_addr.s6_addr + 12, &ipv4.sin_addr, sizeof(ipv4.sin_addr));
    memset(storage, 0, sizeof(*storage));
    memcpy(storage, &ipv6, sizeof(ipv6));
}

void udp_send(struct udp *udp, const struct endpoint *to, const uint8_t *bytes, size_t length)
{
    assert(length <= DATAGRAM_BYTES_MAX);
    if (udp->closing)
        return;
    if (!udp->ipv6 && to->address.family == FAMILY_IPV6) {
        udp->counters.send_failed++; // no IPv6 on this socket
        return;
    }
    if (udp->queued == UDP_BATCH)
        udp_flush(udp);
    unsigned i = udp->queued++;
    struct msghdr *header = &udp->out.headers[i].msg_hdr;
    socklen_t name_length = socket_address_of_endpoint(to, &udp->out.peers[i]);
    if (udp->ipv6 && to->address.family == FAMILY_IPV4) {
        map_into_ipv6(&udp->out.peers[i]);
        name_length = sizeof(struct sockaddr_in6);
    }
    header->msg_namelen = name_length;
    udp->out.vectors[i].iov_len = length;
    memcpy(udp->out.bytes[i], bytes, length);
    choose_source(udp, header, udp->out.controls[i]);
}

// A train: datagrams of one length to one peer, which the kernel takes as one and cuts at the very
// end (UDP_SEGMENT). A busy querier's answers then pass the kernel's layers once, not each.

static bool same_way(const struct udp *udp, unsigned a, unsigned b)
{
    const struct msghdr *one = &udp->out.headers[a].msg_hdr;
    const struct msghdr *other = &udp->out.headers[b].msg_hdr;
    return udp->out.vectors[a].iov_len == udp->out.vectors[b].iov_len &&
           one->msg_namelen == other->msg_namelen && one->msg_controllen == other->msg_controllen &&
           memcmp(one->msg_name, other->msg_name, one->msg_namelen) == 0 &&
           (one->msg_controllen == 0 ||
            memcmp(one->msg_control, other->msg_control, one->msg_controllen) == 0);
}

// How many datagrams from `first` on can go as one.
static unsigned train_length(const struct udp *udp, unsigned first)
{
    unsigned next = first + 1;
    size_t length = udp->out.vectors[first].iov_len;
    if (udp->single || length == 0)
        return 1;
    while (next < udp->queued && (next - first + 1) * length <= TRAIN_BYTES_MAX &&
           same_way(udp, first, next))
        next++;
    return next - first;
}

// Makes the train's header, from that of its first datagram.
static void couple(struct udp *udp, struct mmsghdr *train, unsigned first, unsigned count)
{
    *train = udp->out.headers[first];
    if (count == 1)
        return;
    struct msghdr *header = &train->msg_hdr;
    uint16_t length = (uint16_t)udp->out.vectors[first].iov_len;
    size_t before = header->msg_controllen;
    header->msg_iovlen = count; // their vectors lie behind each other
    header->msg_control = udp->out.controls[first];
    header->msg_controllen = before + CMSG_SPACE(sizeof(length));
    struct cmsghdr *control = (struct cmsghdr *)(void *)(udp->out.controls[first] + before);
    memset(control, 0, CMSG_SPACE(sizeof(length)));
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(length));
    memcpy(CMSG_DATA(control), &length, sizeof(length));
}

// Sends datagrams each by itself. One that cannot go, because it is unreachable or there is no
// room, is counted; the next may.
static void send_singly(struct udp *udp, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        ssize_t sent = -1;
        do
            sent = sendmsg(udp->descriptor, &udp->out.headers[i].msg_hdr, 0);
        while (sent < 0 && errno == EINTR);
        if (sent < 0)
            udp->counters.send_failed++;
        else
            udp->counters.sent++;
    }
}

void udp_flush(struct udp *udp)
{
    struct mmsghdr trains[UDP_BATCH];
    unsigned firsts[UDP_BATCH + 1];
    unsigned count = 0;
    unsigned done = 0;
    for (unsigned i = 0; i < udp->queued; i = firsts[count]) {
        unsigned length = train_length(udp, i);
        couple(udp, &trains[count], i, length);
        firsts[count++] = i;
        firsts[count] = i + length;
    }
    while (done < count) {
        int sent = sendmmsg(udp->descriptor, trains + done, count - done, 0);
        if (sent > 0) {
            udp->counters.sent += firsts[done + (unsigned)sent] - firsts[done];
            done += (unsigned)sent;
        } else if (errno != EINTR) {
            // Some ways do not take trains: too long a datagram, a device without checksums.
            udp->single |= errno == EIO;
            send_singly(udp, firsts[done], firsts[done + 1] - firsts[done]);
            done++;
        }
    }
    udp->queued = 0;
}

struct udp_counters udp_counters(const struct udp *udp)
{
    struct udp_counters counters = udp->counters;
    counters.lost = udp_queue(udp).lost;
    return counters;
}

void udp_counters_add(struct udp_counters *sum, const struct udp_counters *part)
{
    counters_add(sum, part, sizeof(*sum));
}

void udp_bound_queue(struct udp *udp, size_t octets)
{
    assert(octets <= SOCKET_BUFFER);
    set_option(udp->descriptor, SOL_SOCKET, SO_RCVBUF, (int)octets);
    set_option(udp->descriptor, SOL_SOCKET, SO_RCVBUFFORCE, (int)octets);
}

struct udp_queue udp_queue(const struct udp *udp)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(memory);
    if (getsockopt(udp->descriptor, SOL_SOCKET, SO_MEMINFO, memory, &size) != 0)
        return (struct udp_queue){0};
    uint64_t room = memory[SK_MEMINFO_RCVBUF];
    uint64_t taken = memory[SK_MEMINFO_RMEM_ALLOC];
    uint64_t full = room == 0 ? 0 : taken * 255 / room;
    return (struct udp_queue){full < 255 ? (uint8_t)full : 255, memory[SK_MEMINFO_DROPS]};
}
