// SPDX-License-Identifier: BSD-2-Clause
// A load for query servers over UDP, from one processor, which checks every answer. It speaks the
// query protocol, or DNS to servers that hold the same number of names: so both are measured by
// the same sockets, windows and clock.
//
//     query_load ivip|dns PORT MICRONETS SECONDS [RATE | half BEFORE]
//
// Without a rate it keeps WINDOW requests under way on each of SOCKETS sockets, each a querier of
// its own, and so measures the most answers a second. With a rate it sends at that rate, whatever
// comes back, and measures the time from when a request is sent until the kernel has the answer
// (SO_TIMESTAMPNS): so it counts what the server does, and not that this program stood still before
// it read. What it could not send while it stood still for STALL_NS is not sent after, or a burst
// would be measured that nobody asked for. With "half" it first asks as much as it can, for BEFORE
// seconds and then for SECONDS in which that is counted, and goes on with half of it by the same
// queriers: so a server is measured that has much to remember of those who live. Prints: answers/s,
// p50 and p99 in microseconds, lost, Cache Updates taken (each flushed range is one), answers in
// all, p99.9, how many took longer than a millisecond, of how many, and the rate.
#include "base/memory.h"
#include "bench/query_names.h"
#include "wire/query.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS       32
#define WINDOW        32
#define BATCH         32
#define SLOTS         65536 // requests that may be under way: as many as DNS has numbers
#define SETTLE_NS     300000000ull
#define HISTOGRAM_US  100000
#define SOCKET_BUFFER (4 << 20)
#define STALL_NS      3000000 // longer than it takes to read all sockets once
#define NAP_NS        20000 // of the loop that keeps a rate, so that it leaves the processor at times

struct slot {
    uint64_t nonce; // 0: answered
    uint64_t due;   // when it was sent
    uint32_t micronet;
};

struct querier {
    int descriptor;
    uint64_t token;
    unsigned open;
    uint64_t heard;
};

struct load {
    bool dns;
    uint32_t micronets;
    uint64_t random;
    struct querier queriers[SOCKETS];
    int poll;
    struct slot slots[SLOTS];
    uint32_t next_slot;
    uint64_t sent, answered, lost, updates;
    uint64_t counted_from; // answers to what was due before are not counted
    uint64_t counted;
    uint8_t controls[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    uint32_t histogram[HISTOGRAM_US];
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    uint8_t bytes[BATCH][QUERY_MESSAGE_BYTES_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); // as the kernel stamps
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void stop(const char *what)
{
    (void)fprintf(stderr, "query_load: %s\n", what);
    exit(1);
}

// splitmix64: one of three multiplications is enough here, but all are cheap.
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static uint64_t random_next(struct load *load)
{
    return mix(load->random += 0x9e3779b97f4a7c15u);
}

// A nonce names its micronet and its slot, so that a Cache Update that comes long after can be
// checked. That another querier could guess it does not matter here.
static uint64_t nonce_of(uint32_t micronet, uint64_t random)
{
    uint64_t low = ((uint64_t)micronet << 16 | (random & 0xffff)) & 0xffffffffffu;
    return low | (mix(low) & 0xffffffu) << 40 | (uint64_t)1 << 63;
}

static bool nonce_ours(uint64_t nonce, uint32_t *micronet)
{
    *micronet = (uint32_t)(nonce >> 16 & 0xffffffu);
    return nonce == nonce_of(*micronet, nonce & 0xffff);
}

// Asking

static size_t write_dns(const struct slot *slot, uint16_t number, uint8_t *bytes)
{
    static const uint8_t header[10] = {1, 0, 0, 1}; // recursion desired, one question
    size_t length = 2 + sizeof(header);
    bytes[0] = (uint8_t)(number >> 8);
    bytes[1] = (uint8_t)number;
    memcpy(bytes + 2, header, sizeof(header));
    char name[16];
    size_t label = (size_t)snprintf(name, sizeof(name), NAME_FORMAT, slot->micronet);
    bytes[length++] = (uint8_t)label;
    memcpy(bytes + length, name, label);
    length += label;
    bytes[length++] = sizeof(ZONE_NAME) - 1;
    memcpy(bytes + length, ZONE_NAME, sizeof(ZONE_NAME)); // with the root's zero
    length += sizeof(ZONE_NAME);
    memcpy(bytes + length, "\0\1\0\1", 4); // A, IN
    return length + 4;
}

static size_t write_ivip(const struct querier *querier, const struct slot *slot, uint8_t *bytes)
{
    struct query_message request = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = slot->nonce,
                                    .token = querier->token,
                                    .instance = 1,
                                    .question = address_from_ipv4(MICRONETS_BASE + slot->micronet)};
    return query_encode(&request, bytes, QUERY_MESSAGE_BYTES_MAX);
}

static void flush(struct load *load, const struct querier *querier, unsigned count)
{
    for (unsigned sent = 0; sent < count;) {
        int more = sendmmsg(querier->descriptor, load->headers + sent, count - sent, 0);
        sent += more > 0 ? (unsigned)more : 0;
    }
}

static void ask(struct load *load, struct querier *querier, unsigned count, uint64_t due)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t number = (uint16_t)load->next_slot++;
        struct slot *slot = &load->slots[number];
        uint64_t random = random_next(load);
        if (slot->nonce != 0)
            load->lost++;
        slot->micronet = (uint32_t)((random >> 32) * load->micronets >> 32);
        slot->nonce = nonce_of(slot->micronet, number);
        slot->due = due;
        load->vectors[i].iov_len = load->dns ? write_dns(slot, number, load->bytes[i])
                                             : write_ivip(querier, slot, load->bytes[i]);
    }
    flush(load, querier, count);
    querier->open += count;
    load->sent += count;
}

// Answers

static bool dns_right(const struct slot *slot, const uint8_t *bytes, size_t length)
{
    uint8_t question[QUERY_MESSAGE_BYTES_MAX];
    size_t asked = write_dns(slot, 0, question);
    struct address etr = etr_of(slot->micronet, 0);
    return length >= asked + 16 && (bytes[3] & 15) == 0 && bytes[7] > 0 &&
           memcmp(bytes + 12, question + 12, asked - 12) == 0 &&
           memcmp(bytes + asked + 2, "\0\1\0\1", 4) == 0 &&
           memcmp(bytes + asked + 12, etr.octets, 4) == 0;
}

static bool ivip_right(uint32_t micronet, const struct query_message *answer)
{
    struct unit unit = {MICRONETS_BASE + micronet};
    return answer->status == QUERY_MAPPED &&
           range_contains_unit(&answer->range, FAMILY_IPV4, unit) &&
           answer->range.length.units == 1 && etr_is_of(&answer->etr, micronet);
}

static void count_answer(struct load *load, struct querier *querier, struct slot *slot,
                         uint64_t now)
{
    uint64_t us = now > slot->due ? (now - slot->due) / 1000 : 0;
    slot->nonce = 0;
    load->answered++;
    querier->open -= querier->open > 0;
    if (slot->due < load->counted_from)
        return;
    load->counted++;
    load->histogram[us < HISTOGRAM_US ? us : HISTOGRAM_US - 1]++;
}

// Checks a Cache Update and acknowledges it.
static void take_update(struct load *load, const struct querier *querier,
                        const struct query_message *update)
{
    uint32_t micronet = 0;
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    if (!nonce_ours(update->nonce, &micronet) ||
        (update->status != QUERY_FLUSH && !ivip_right(micronet, update)))
        stop("a wrong Cache Update");
    struct query_message ack = {.type = MESSAGE_CACHE_UPDATE_ACK,
                                .nonce = update->nonce,
                                .token = update->token,
                                .server_sequence = update->server_sequence,
                                .instance = 1,
                                .released_count = update->flushed_count};
    for (size_t i = 0; i < update->flushed_count; i++) {
        if (!nonce_ours(update->flushed[i], &micronet))
            stop("a wrong flush");
        ack.released[i] = update->flushed[i];
    }
    size_t length = query_encode(&ack, bytes, sizeof(bytes));
    load->updates += 1 + update->flushed_count;
    (void)send(querier->descriptor, bytes, length, 0);
}

static void take_ivip(struct load *load, struct querier *querier, uint64_t now,
                      const uint8_t *bytes, size_t length)
{
    struct query_message message;
    if (query_decode(bytes, length, &message) != DECODE_OK)
        stop("a malformed message");
    querier->token = message.token;
    if (message.type == MESSAGE_CACHE_UPDATE) {
        take_update(load, querier, &message);
        return;
    }
    struct slot *slot = &load->slots[message.nonce & 0xffff];
    if (message.type != MESSAGE_MAP_REPLY || slot->nonce != message.nonce)
        return; // an answer that was given up
    if (message.status == QUERY_MAPPED && !ivip_right(slot->micronet, &message))
        stop("a wrong answer");
    if (message.status != QUERY_MAPPED) { // busy, or not known yet: no answer
        load->lost++;
        slot->nonce = 0;
        querier->open -= querier->open > 0;
        return;
    }
    count_answer(load, querier, slot, now);
}

static void take_dns(struct load *load, struct querier *querier, uint64_t now, const uint8_t *bytes,
                     size_t length)
{
    struct slot *slot = &load->slots[length < 2 ? 0 : bytes[0] << 8 | bytes[1]];
    if (slot->nonce == 0)
        return;
    if (!dns_right(slot, bytes, length))
        stop("a wrong answer");
    count_answer(load, querier, slot, now);
}

// When the kernel got it.
static uint64_t stamp_of(struct msghdr *header, uint64_t now)
{
    struct timespec stamp;
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    if (control == NULL || control->cmsg_type != SCM_TIMESTAMPNS)
        return now;
    memcpy(&stamp, CMSG_DATA(control), sizeof(stamp));
    return (uint64_t)stamp.tv_sec * 1000000000u + (uint64_t)stamp.tv_nsec;
}

// The batch is for sending, too, which wants no control messages.
static void want_stamps(struct load *load, bool wanted)
{
    for (unsigned i = 0; i < BATCH; i++) {
        load->headers[i].msg_hdr.msg_control = wanted ? load->controls[i] : NULL;
        load->headers[i].msg_hdr.msg_controllen = wanted ? sizeof(load->controls[i]) : 0;
    }
}

static void take_answers(struct load *load, struct querier *querier)
{
    for (unsigned i = 0; i < BATCH; i++)
        load->vectors[i].iov_len = QUERY_MESSAGE_BYTES_MAX;
    want_stamps(load, true);
    int count = recvmmsg(querier->descriptor, load->headers, BATCH, MSG_DONTWAIT, NULL);
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
        uint64_t stamp = stamp_of(&load->headers[i].msg_hdr, now);
        // Acknowledgements go out by a plain send, so the batch's buffers stay as they are.
        if (load->dns)
            take_dns(load, querier, stamp, load->bytes[i], load->headers[i].msg_len);
        else
            take_ivip(load, querier, stamp, load->bytes[i], load->headers[i].msg_len);
    }
    want_stamps(load, false);
    if (count > 0)
        querier->heard = now;
}

static void take_all(struct load *load, int wait_ms)
{
    struct epoll_event events[SOCKETS];
    int count = epoll_wait(load->poll, events, SOCKETS, wait_ms);
    for (int i = 0; i < count; i++)
        take_answers(load, events[i].data.ptr);
}

// Two ways to load

static void keep_full(struct load *load, uint64_t end)
{
    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        for (size_t i = 0; i < SOCKETS; i++) {
            struct querier *querier = &load->queriers[i];
            if (querier->open > 0 && now > querier->heard && now - querier->heard > 100000000)
                querier->open = 0; // lost; counted when the slot is used again
            if (querier->open <= WINDOW / 2) {
                ask(load, querier, WINDOW - querier->open, now);
                querier->heard = now;
            }
        }
        take_all(load, 1);
    }
}

static void keep_rate(struct load *load, uint64_t start, uint64_t end, uint64_t rate)
{
    static const struct timespec nap = {0, NAP_NS};
    size_t turn = 0;
    uint64_t before = start;
    for (uint64_t now = now_ns(); now < end; before = now, now = now_ns()) {
        if (now - before > STALL_NS)
            start += now - before;
        uint64_t due = (now - start) * rate / 1000000000u;
        for (unsigned n = 0; n < SOCKETS && load->sent < due; n++) {
            uint64_t count = due - load->sent < 4 ? due - load->sent : 4;
            ask(load, &load->queriers[turn++ % SOCKETS], (unsigned)count, now_ns());
        }
        take_all(load, 0);
        if (load->sent >= due)
            (void)nanosleep(&nap, NULL);
    }
}

// Nothing was asked nor answered.
static void forget_all(struct load *load)
{
    for (size_t i = 0; i < SOCKETS; i++)
        load->queriers[i].open = 0;
    memset(load->slots, 0, sizeof(load->slots));
    memset(load->histogram, 0, sizeof(load->histogram));
    load->sent = load->answered = load->lost = load->updates = load->counted = 0;
}

// Half of the answers a second that the server gives after `before`, in the time of `counted`.
static uint64_t half_of_most(struct load *load, uint64_t before_ns, uint64_t counted_ns)
{
    keep_full(load, now_ns() + before_ns);
    uint64_t answered = load->answered;
    keep_full(load, now_ns() + counted_ns);
    uint64_t rate = (uint64_t)((double)(load->answered - answered) * 1e9 / (double)counted_ns);
    for (int i = 0; i < 20; i++)
        take_all(load, 5);
    forget_all(load);
    return rate / 2;
}

static void open_sockets(struct load *load, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int size = SOCKET_BUFFER;
    int yes = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load->poll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < BATCH; i++) {
        load->vectors[i].iov_base = load->bytes[i];
        load->headers[i].msg_hdr.msg_iov = &load->vectors[i];
        load->headers[i].msg_hdr.msg_iovlen = 1;
    }
    for (size_t i = 0; i < SOCKETS; i++) {
        struct querier *querier = &load->queriers[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = querier};
        querier->descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(querier->descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        (void)setsockopt(querier->descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes));
        if (connect(querier->descriptor, (struct sockaddr *)&to, sizeof(to)) != 0 ||
            epoll_ctl(load->poll, EPOLL_CTL_ADD, querier->descriptor, &event) != 0)
            stop("cannot open a socket");
        // The first answer brings the token that the others return.
        ask(load, querier, 1, now_ns());
        take_all(load, 2000);
    }
}

static unsigned percentile(const struct load *load, double part)
{
    uint64_t rest = (uint64_t)((double)load->counted * part);
    for (unsigned us = 0; us < HISTOGRAM_US; us++) {
        if (rest < load->histogram[us])
            return us;
        rest -= load->histogram[us];
    }
    return HISTOGRAM_US;
}

// Of all that count, so many took longer than a millisecond.
static uint64_t slow(const struct load *load)
{
    uint64_t quick = 0;
    for (unsigned us = 0; us < 1000; us++)
        quick += load->histogram[us];
    return load->counted - quick;
}

int main(int count, char **arguments)
{
    if (count < 5)
        stop("usage: query_load ivip|dns PORT MICRONETS SECONDS [RATE | half BEFORE]");
    struct load *load = memory_new(sizeof(*load));
    uint64_t rate = count > 5 ? strtoul(arguments[5], NULL, 10) : 0;
    load->dns = strcmp(arguments[1], "dns") == 0;
    load->micronets = (uint32_t)strtoul(arguments[3], NULL, 10);
    load->random = now_ns();
    open_sockets(load, (uint16_t)strtoul(arguments[2], NULL, 10));
    uint64_t length = (uint64_t)(strtod(arguments[4], NULL) * 1e9);
    if (count > 6 && strcmp(arguments[5], "half") == 0)
        rate = half_of_most(load, strtoul(arguments[6], NULL, 10) * 1000000000u, length);
    load->sent = 0;
    uint64_t start = now_ns();
    uint64_t end = start + length;
    load->counted_from = start + SETTLE_NS;
    if (rate == 0)
        keep_full(load, end);
    else
        keep_rate(load, start, end, rate);
    for (int i = 0; i < 20; i++)
        take_all(load, 5);
    for (size_t i = 0; i < SLOTS; i++)
        load->lost += load->slots[i].nonce != 0;
    double took = (double)(end - load->counted_from) / 1e9;
    (void)printf("%.0f %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %" PRIu64 " %" PRIu64
                 " %" PRIu64 "\n",
                 (double)load->counted / took, percentile(load, 0.5), percentile(load, 0.99),
                 load->lost, load->updates, load->answered, percentile(load, 0.999), slow(load),
                 (uint64_t)load->counted, rate);
    memory_free(load);
    return 0;
}
