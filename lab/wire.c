// SPDX-License-Identifier: BSD-2-Clause
// Wires between network namespaces, with delay, jitter, loss and a rate.
//
//     wire < LINKS
//
// Each line of standard input is one wire:
//
//     NAMESPACE DEVICE NAMESPACE DEVICE DELAY_US JITTER_US LOSS_PPM RATE_BPS MTU
//
// For each the program makes a TAP device in both namespaces (named as under /run/netns) and
// carries frames between them until SIGTERM or SIGINT. It prints "ready" when all are there. The
// kernel's own way (netem) needs a module that many machines lack.
//
//     namespace A                                      namespace B
//     ...-[ TAP device ] -> read, draw, due time -> ring -> write at due time -> [ TAP device ]-...
//
// A frame is due when the rate lets it go, plus the delay, plus or minus the jitter, but never
// before the frame that came before it: a wire does not reorder. All wires share one thread, one
// epoll and one timer set to the earliest due time.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    WIRES_MAX = 1024,
    FRAMES_MAX = 4096,   // in flight in one direction; more are dropped, as a full queue does
    ETHERNET_BYTES = 18, // header and a VLAN tag, on top of the MTU
    READS_IN_A_ROW = 64, // from one device before the others get their turn
    NAME_BYTES = 64,
    SECOND_NS = 1000000000,
    PARTS_IN_A_MILLION = 1000000,
};

struct frame {
    uint64_t due; // nanoseconds, CLOCK_MONOTONIC
    size_t length;
};

// One direction of a wire: frames read from one device wait here for the other.
struct direction {
    int from, to; // TAP devices
    struct frame *ring;
    uint8_t *slots; // the frames' bytes, slot_bytes for each place in the ring
    size_t slot_bytes;
    uint64_t head, tail; // head: next to write; tail: next free; head <= tail
    uint64_t last_due;   // no frame is due before this
    uint64_t line_free;  // when the rate lets the next frame begin
    const struct wire *wire;
};

struct wire {
    char namespaces[2][NAME_BYTES];
    char devices[2][IFNAMSIZ];
    uint64_t delay_ns, jitter_ns, rate_bps;
    uint32_t loss_ppm;
    int mtu;
    struct direction directions[2];
};

static struct wire wires[WIRES_MAX];
static size_t wire_count;
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "wire: %s %s: %s\n", what, which, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

// xorshift64*: the same losses in every run, so that a run can be repeated.
static uint64_t random_below(uint64_t bound)
{
    assert(bound > 0);
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * 0x2545f4914f6cdd1du >> 11) % bound;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("out of memory for", "frames");
    return memory;
}

// ---- devices

static void enter_namespace(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/run/netns/%s", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || setns(file, CLONE_NEWNET) != 0)
        fail("cannot enter namespace", name);
    close(file);
}

static void set_mtu(const char *device, int mtu)
{
    struct ifreq request = {.ifr_mtu = mtu};
    memcpy(request.ifr_name, device, IFNAMSIZ);
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0 || ioctl(control, SIOCSIFMTU, &request) != 0)
        fail("cannot set the MTU of", device);
    close(control);
}

static int open_tap(const char *name_of_namespace, const char *device, int mtu)
{
    enter_namespace(name_of_namespace);
    int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    memcpy(request.ifr_name, device, IFNAMSIZ);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) != 0)
        fail("cannot make TAP device", device);
    set_mtu(device, mtu);
    return tap;
}

static void open_wire(struct wire *wire)
{
    int taps[2];
    for (int end = 0; end < 2; end++)
        taps[end] = open_tap(wire->namespaces[end], wire->devices[end], wire->mtu);
    size_t bytes = (size_t)wire->mtu + ETHERNET_BYTES;
    for (int end = 0; end < 2; end++)
        wire->directions[end] = (struct direction){
            .from = taps[end],
            .to = taps[!end],
            .ring = allocate(FRAMES_MAX, sizeof(struct frame)),
            .slots = allocate(FRAMES_MAX, bytes),
            .slot_bytes = bytes,
            .wire = wire,
        };
}

static void read_wires(FILE *input)
{
    char line[512];
    while (fgets(line, sizeof line, input) != NULL) {
        if (wire_count == WIRES_MAX) {
            fprintf(stderr, "wire: more than %d wires\n", WIRES_MAX);
            exit(1);
        }
        struct wire *wire = &wires[wire_count];
        uint64_t delay_us, jitter_us;
        int fields =
            sscanf(line, "%63s %15s %63s %15s %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu64 " %d",
                   wire->namespaces[0], wire->devices[0], wire->namespaces[1], wire->devices[1],
                   &delay_us, &jitter_us, &wire->loss_ppm, &wire->rate_bps, &wire->mtu);
        if (fields != 9) {
            fprintf(stderr, "wire: expected nine fields: %s", line);
            exit(1);
        }
        wire->delay_ns = delay_us * 1000;
        wire->jitter_ns = jitter_us * 1000;
        wire_count++;
    }
}

// ---- frames

static bool is_lost(const struct wire *wire)
{
    return wire->loss_ppm > 0 && random_below(PARTS_IN_A_MILLION) < wire->loss_ppm;
}

static uint64_t due_time(struct direction *direction, uint64_t now, size_t length)
{
    const struct wire *wire = direction->wire;
    uint64_t leaves = now;
    if (wire->rate_bps > 0) {
        if (leaves < direction->line_free)
            leaves = direction->line_free;
        leaves += length * 8 * SECOND_NS / wire->rate_bps;
        direction->line_free = leaves;
    }
    uint64_t due = leaves + wire->delay_ns;
    if (wire->jitter_ns > 0) {
        due += random_below(2 * wire->jitter_ns + 1);
        due = due > now + wire->jitter_ns ? due - wire->jitter_ns : now;
    }
    if (due < direction->last_due)
        due = direction->last_due;
    direction->last_due = due;
    return due;
}

static uint8_t *slot_bytes(const struct direction *direction, uint64_t place)
{
    return direction->slots + (place % FRAMES_MAX) * direction->slot_bytes;
}

// Reads what a device has and gives each frame its due time. A frame that is lost, or for which
// there is no room, is read all the same and its place in the ring used again.
static void read_frames(struct direction *direction)
{
    for (int i = 0; i < READS_IN_A_ROW; i++) {
        assert(direction->tail - direction->head < FRAMES_MAX);
        ssize_t length =
            read(direction->from, slot_bytes(direction, direction->tail), direction->slot_bytes);
        if (length <= 0)
            return;
        bool full = direction->tail - direction->head == FRAMES_MAX - 1;
        if (full || is_lost(direction->wire))
            continue;
        struct frame *frame = &direction->ring[direction->tail++ % FRAMES_MAX];
        frame->due = due_time(direction, now_ns(), (size_t)length);
        frame->length = (size_t)length;
    }
}

// Writes what is due; returns when the next frame is, or 0 when none waits.
static uint64_t write_frames(struct direction *direction, uint64_t now)
{
    while (direction->head != direction->tail) {
        struct frame *frame = &direction->ring[direction->head % FRAMES_MAX];
        if (frame->due > now)
            return frame->due;
        // A device that is down or full loses the frame, as a wire to it would.
        ssize_t written =
            write(direction->to, slot_bytes(direction, direction->head), frame->length);
        (void)written;
        direction->head++;
    }
    return 0;
}

static void set_timer(int timer, uint64_t due)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(due / SECOND_NS), .tv_nsec = (long)(due % SECOND_NS)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void write_all_due(int timer)
{
    uint64_t now = now_ns();
    uint64_t next = 0;
    for (size_t i = 0; i < 2 * wire_count; i++) {
        uint64_t due = write_frames(&wires[i / 2].directions[i % 2], now);
        if (due > 0 && (next == 0 || due < next))
            next = due;
    }
    set_timer(timer, next);
}

// ---- loop

static void watch(int epoll, int file, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event) != 0)
        fail("cannot watch", "a device");
}

static int signals_as_file(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

// What an event is about, where it is not a direction of a wire.
static char timer_mark, signal_mark;

static void carry(int epoll, int timer)
{
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &signal_mark)
                return;
            if (events[i].data.ptr == &timer_mark) {
                uint64_t expirations;
                ssize_t taken = read(timer, &expirations, sizeof expirations);
                (void)taken;
            } else {
                read_frames(events[i].data.ptr);
            }
        }
        write_all_due(timer);
    }
}

int main(void)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        fail("cannot open", "/proc/self/ns/net");
    read_wires(stdin);
    for (size_t i = 0; i < wire_count; i++)
        open_wire(&wires[i]);
    if (setns(home, CLONE_NEWNET) != 0)
        fail("cannot return to", "the first namespace");

    prctl(PR_SET_TIMERSLACK, 1); // due times to the microsecond
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int signals = signals_as_file();
    watch(epoll, timer, &timer_mark);
    watch(epoll, signals, &signal_mark);
    for (size_t i = 0; i < 2 * wire_count; i++)
        watch(epoll, wires[i / 2].directions[i % 2].from, &wires[i / 2].directions[i % 2]);
    puts("ready");
    fflush(stdout);
    carry(epoll, timer);
    return 0;
}
