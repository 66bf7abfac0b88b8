// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/raw_socket.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/socket_address.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_BUFFER_BYTES    (4 * 1024 * 1024)
#define RECEIVE_BUFFER_BYTES (16 * 1024 * 1024)
#define TOO_BIG_MAX          16
#define SOCKETS              4
#define CONTROL_BYTES        256
// Batches received in one turn of the loop before others have theirs.
#define RECEIVE_TURNS 8

struct raw_sender {
    int ipv4;
    int ipv6;
    enum family family; // of the pieces in the batch
    size_t count;
    struct piece pieces[RAW_SEND_BATCH];
    struct iovec parts[RAW_SEND_BATCH][2];
    struct mmsghdr messages[RAW_SEND_BATCH];
    struct sockaddr_storage to[RAW_SEND_BATCH];
    socklen_t to_length[RAW_SEND_BATCH];
    struct address address[RAW_SEND_BATCH];
    struct address too_big[TOO_BIG_MAX];
    size_t too_big_count;
    struct raw_sender_counters counters;
};

static bool cannot_open(struct error *error, const char *what)
{
    return error_set(error, ERROR_SYSTEM, "no-raw-socket", "%s cannot be opened: %s%s", what,
                     strerror(errno), errno == EPERM ? " (it needs CAP_NET_RAW)" : "");
}

// More than the system's limit where we may (CAP_NET_ADMIN), else as much as it gives.
static void set_buffer(int descriptor, int forced, int option, int bytes)
{
    if (setsockopt(descriptor, SOL_SOCKET, forced, &bytes, sizeof(bytes)) != 0)
        (void)setsockopt(descriptor, SOL_SOCKET, option, &bytes, sizeof(bytes));
}

static bool bind_to_device(int descriptor, const char *device, struct error *error)
{
    if (descriptor < 0 || device == NULL ||
        setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "no-device", "no packets can be sent by device %s: %s",
                     device, strerror(errno));
}

struct raw_sender *raw_sender_open(const char *device, struct error *error)
{
    struct raw_sender *sender = memory_new(sizeof(*sender));
    int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    // IPPROTO_RAW: we write the IP header, and nothing is ever received.
    sender->ipv4 = socket(AF_INET, type, IPPROTO_RAW);
    if (sender->ipv4 < 0) {
        (void)cannot_open(error, "a raw IPv4 socket");
        memory_free(sender);
        return NULL;
    }
    sender->ipv6 = socket(AF_INET6, type, IPPROTO_RAW);
    if (sender->ipv6 < 0)
        log_info("itr", "no raw IPv6 socket: %s; only IPv4 ETRs can be reached", strerror(errno));
    set_buffer(sender->ipv4, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER_BYTES);
    if (sender->ipv6 >= 0)
        set_buffer(sender->ipv6, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER_BYTES);
    if (!bind_to_device(sender->ipv4, device, error) ||
        !bind_to_device(sender->ipv6, device, error)) {
        raw_sender_close(sender);
        return NULL;
    }
    return sender;
}

void raw_sender_close(struct raw_sender *sender)
{
    if (sender == NULL)
        return;
    (void)close(sender->ipv4);
    if (sender->ipv6 >= 0)
        (void)close(sender->ipv6);
    memory_free(sender);
}

struct piece *raw_sender_slot(struct raw_sender *sender, const struct address *to)
{
    if (sender->count == RAW_SEND_BATCH || (sender->count > 0 && sender->family != to->family))
        raw_sender_flush(sender);
    size_t i = sender->count;
    sender->family = (enum family)to->family;
    if (i == 0 || !address_equal(&sender->address[i - 1], to)) {
        struct endpoint endpoint = {*to, 0};
        sender->to_length[i] = socket_address_of_endpoint(&endpoint, &sender->to[i]);
    } else {
        sender->to_length[i] = sender->to_length[i - 1];
        memcpy(&sender->to[i], &sender->to[i - 1], sender->to_length[i]);
    }
    sender->address[i] = *to;
    return &sender->pieces[i];
}

void raw_sender_commit(struct raw_sender *sender)
{
    size_t i = sender->count;
    assert(i < RAW_SEND_BATCH);
    struct piece *piece = &sender->pieces[i];
    sender->parts[i][0] = (struct iovec){piece->header, piece->header_length};
    sender->parts[i][1] = (struct iovec){(void *)(uintptr_t)piece->payload, piece->payload_length};
    sender->messages[i].msg_hdr = (struct msghdr){
        .msg_name = &sender->to[i],
        .msg_namelen = sender->to_length[i],
        .msg_iov = sender->parts[i],
        .msg_iovlen = piece->payload_length > 0 ? 2 : 1,
    };
    sender->count++;
}

static void remember_too_big(struct raw_sender *sender, const struct address *to)
{
    for (size_t i = 0; i < sender->too_big_count; i++)
        if (address_equal(&sender->too_big[i], to))
            return;
    if (sender->too_big_count < TOO_BIG_MAX)
        sender->too_big[sender->too_big_count++] = *to;
}

// Counts why message `i` was not sent.
static void count_failure(struct raw_sender *sender, size_t i, int why)
{
    switch (why) {
    case EMSGSIZE:
        sender->counters.too_big++;
        remember_too_big(sender, &sender->address[i]);
        return;
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
        sender->counters.no_buffers++;
        return;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EPERM:
    case EACCES:
        sender->counters.unreachable++;
        return;
    default:
        sender->counters.failed++;
    }
}

void raw_sender_flush(struct raw_sender *sender)
{
    int descriptor = sender->family == FAMILY_IPV6 ? sender->ipv6 : sender->ipv4;
    for (size_t i = 0; i < sender->count;) {
        int sent = sendmmsg(descriptor, &sender->messages[i], (unsigned)(sender->count - i), 0);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0) {
            count_failure(sender, i, errno);
            i++;
            continue;
        }
        for (int done = 0; done < sent; done++, i++) {
            sender->counters.sent++;
            sender->counters.sent_octets += sender->messages[i].msg_len;
        }
    }
    sender->count = 0;
}

bool raw_sender_next_too_big(struct raw_sender *sender, struct address *to)
{
    if (sender->too_big_count == 0)
        return false;
    *to = sender->too_big[--sender->too_big_count];
    return true;
}

const struct raw_sender_counters *raw_sender_counters(const struct raw_sender *sender)
{
    return &sender->counters;
}

struct receiving_socket {
    uv_poll_t poll;
    struct raw_receiver *receiver;
    int descriptor;
    enum family family;
    uint8_t protocol;
    uint32_t overflowed; // the kernel's count, as last seen
};

struct raw_receiver {
    raw_receive *receive;
    raw_batch_end *batch_end;
    void *state;
    struct receiving_socket sockets[SOCKETS];
    size_t open; // sockets whose poll handle is not yet closed
    struct raw_receiver_counters counters;
    struct mmsghdr messages[RAW_RECEIVE_BATCH];
    struct iovec parts[RAW_RECEIVE_BATCH];
    struct sockaddr_storage from[RAW_RECEIVE_BATCH];
    uint8_t control[RAW_RECEIVE_BATCH][CONTROL_BYTES] __attribute__((aligned(8)));
    uint8_t *buffers; // PACKET_BYTES_MAX each
};

// Fills in what the kernel tells beside the packet.
static void read_control(struct receiving_socket *socket, struct msghdr *message,
                         struct etr_outer *outer)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
         control = CMSG_NXTHDR(message, control)) {
        int value;
        if (control->cmsg_len < CMSG_LEN(sizeof(value)))
            continue;
        memcpy(&value, CMSG_DATA(control), sizeof(value));
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_HOPLIMIT)
            outer->hop_limit = (uint8_t)value;
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_TCLASS)
            outer->traffic_class = (uint8_t)value;
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
            socket->receiver->counters.overflowed += (uint32_t)value - socket->overflowed;
            socket->overflowed = (uint32_t)value;
        }
    }
}

static void take_message(struct receiving_socket *socket, size_t i)
{
    struct raw_receiver *receiver = socket->receiver;
    struct mmsghdr *message = &receiver->messages[i];
    struct raw_packet packet = {
        .family = socket->family,
        .bytes = receiver->parts[i].iov_base,
        .length = message->msg_len,
        .outer = {.protocol = socket->protocol},
    };
    packet.outer.source = endpoint_of_socket_address((struct sockaddr *)&receiver->from[i]).address;
    read_control(socket, &message->msg_hdr, &packet.outer);
    receiver->receive(receiver->state, &packet);
}

static int receive_batch(struct receiving_socket *socket)
{
    struct raw_receiver *receiver = socket->receiver;
    for (size_t i = 0; i < RAW_RECEIVE_BATCH; i++) {
        receiver->parts[i] =
            (struct iovec){receiver->buffers + i * PACKET_BYTES_MAX, PACKET_BYTES_MAX};
        receiver->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &receiver->from[i],
            .msg_namelen = sizeof(receiver->from[i]),
            .msg_iov = &receiver->parts[i],
            .msg_iovlen = 1,
            .msg_control = receiver->control[i],
            .msg_controllen = CONTROL_BYTES,
        };
    }
    return recvmmsg(socket->descriptor, receiver->messages, RAW_RECEIVE_BATCH, MSG_DONTWAIT, NULL);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct receiving_socket *socket = poll->data;
    for (int turn = 0; status == 0 && turn < RECEIVE_TURNS; turn++) {
        int got = receive_batch(socket);
        if (got < 0)
            return;
        for (int i = 0; i < got; i++)
            take_message(socket, (size_t)i);
        socket->receiver->batch_end(socket->receiver->state);
        if (got < RAW_RECEIVE_BATCH)
            return;
    }
}

static bool bind_to(int descriptor, const struct address *at, struct error *error)
{
    struct sockaddr_storage address;
    struct endpoint endpoint = {*at, 0};
    socklen_t length = socket_address_of_endpoint(&endpoint, &address);
    char text[ADDRESS_TEXT_MAX];
    if (bind(descriptor, (struct sockaddr *)&address, length) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "no-address", "nothing can be received at %s: %s",
                     address_print(at, text), strerror(errno));
}

static bool open_socket(struct node *node, struct receiving_socket *receiving,
                        const struct address *at, struct error *error)
{
    bool ipv6 = receiving->family == FAMILY_IPV6;
    int on = 1;
    receiving->descriptor = socket(ipv6 ? AF_INET6 : AF_INET,
                                   SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, receiving->protocol);
    if (receiving->descriptor < 0 && ipv6 && errno == EAFNOSUPPORT)
        return true; // a host without IPv6
    if (receiving->descriptor < 0)
        return cannot_open(error, "a raw socket for tunnelled packets");
    if (at != NULL && !bind_to(receiving->descriptor, at, error))
        return false;
    set_buffer(receiving->descriptor, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    (void)setsockopt(receiving->descriptor, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    if (ipv6 &&
        (setsockopt(receiving->descriptor, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)) != 0 ||
         setsockopt(receiving->descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) != 0))
        return cannot_open(error, "a raw IPv6 socket that tells hop limits");
    if (uv_poll_init(node_loop(node), &receiving->poll, receiving->descriptor) != 0)
        return cannot_open(error, "a handle for a raw socket");
    receiving->poll.data = receiving;
    receiving->receiver->open++;
    (void)uv_poll_start(&receiving->poll, UV_READABLE, on_readable);
    return true;
}

struct raw_receiver *raw_receiver_open(struct node *node, const struct address *at,
                                       raw_receive *receive, raw_batch_end *batch_end, void *state,
                                       struct error *error)
{
    static const enum family families[SOCKETS] = {FAMILY_IPV4, FAMILY_IPV4, FAMILY_IPV6,
                                                  FAMILY_IPV6};
    static const uint8_t protocols[SOCKETS] = {PROTOCOL_IPV4, PROTOCOL_IPV6, PROTOCOL_IPV4,
                                               PROTOCOL_IPV6};
    struct raw_receiver *receiver = memory_new(sizeof(*receiver));
    receiver->receive = receive;
    receiver->batch_end = batch_end;
    receiver->state = state;
    receiver->buffers = memory_new_array(RAW_RECEIVE_BATCH, PACKET_BYTES_MAX);
    for (size_t i = 0; i < SOCKETS; i++)
        receiver->sockets[i] = (struct receiving_socket){.receiver = receiver,
                                                         .descriptor = -1,
                                                         .family = families[i],
                                                         .protocol = protocols[i]};
    for (size_t i = 0; i < SOCKETS; i++) {
        if (at != NULL && at->family != receiver->sockets[i].family)
            continue;
        if (!open_socket(node, &receiver->sockets[i], at, error)) {
            raw_receiver_close(receiver);
            return NULL;
        }
    }
    return receiver;
}

static void free_receiver(struct raw_receiver *receiver)
{
    memory_free(receiver->buffers);
    memory_free(receiver);
}

static void poll_closed(uv_handle_t *handle)
{
    struct receiving_socket *socket = handle->data;
    struct raw_receiver *receiver = socket->receiver;
    (void)close(socket->descriptor);
    if (--receiver->open == 0)
        free_receiver(receiver);
}

void raw_receiver_close(struct raw_receiver *receiver)
{
    if (receiver == NULL)
        return;
    bool any = receiver->open > 0;
    for (size_t i = 0; i < SOCKETS; i++) {
        struct receiving_socket *socket = &receiver->sockets[i];
        if (socket->descriptor < 0)
            continue;
        if (socket->poll.data != NULL)
            uv_close((uv_handle_t *)&socket->poll, poll_closed);
        else
            (void)close(socket->descriptor);
    }
    if (!any)
        free_receiver(receiver);
}

const struct raw_receiver_counters *raw_receiver_counters(const struct raw_receiver *receiver)
{
    return &receiver->counters;
}
