// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/tun.h"

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/tunnel/routes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

// Segmentation of UDP (USO), which Debian 12's headers do not know yet. Kernels before 6.2 refuse.
#define OFFLOAD_USO4 0x20
#define OFFLOAD_USO6 0x40
#define GSO_UDP_L4   5 // virtio-net

struct tun {
    struct list_node node_devices; // all devices of the process
    struct node *node;
    unsigned references;
    char name[TUN_NAME_MAX + 1];
    int descriptor;
    unsigned index;
    uv_poll_t poll;
    bool polling;
    tun_readable *readable;
    void *readable_state;
    struct tun_counters counters;
};

static struct list_node devices = {&devices, &devices};

static struct tun *find_open(const struct node *node, const char *name)
{
    for (struct list_node *at = devices.next; at != &devices; at = at->next) {
        struct tun *tun = container_of(at, struct tun, node_devices);
        if (tun->node == node && strcmp(tun->name, name) == 0)
            return tun;
    }
    return NULL;
}

// Takes as much work off the kernel's hands as it will give: the most it knows, or less.
static void set_offloads(int descriptor)
{
    unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (ioctl(descriptor, TUNSETOFFLOAD, tcp | OFFLOAD_USO4 | OFFLOAD_USO6) == 0)
        return;
    if (ioctl(descriptor, TUNSETOFFLOAD, tcp) != 0)
        log_warning("tun", "no segmentation offload, which costs throughput: %s", strerror(errno));
}

// The device is ours, so its settings are too: no address of its own, packets from any source (the
// ETR has checked them), also from this host's own.
static void write_setting(const char *family, const char *name, const char *setting,
                          const char *value)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, setting);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return; // no IPv6 here, or a container that may not: tun_open goes on, health will tell
    if (write(descriptor, value, strlen(value)) < 0)
        log_warning("tun", "%s could not be set to %s: %s", path, value, strerror(errno));
    (void)close(descriptor);
}

static bool make_device(struct tun *tun, struct error *error)
{
    tun->descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun->descriptor < 0)
        return error_set(error, ERROR_SYSTEM, "no-tun", "/dev/net/tun cannot be opened: %s (%s)",
                         strerror(errno),
                         errno == EACCES || errno == EPERM ? "may the node's account use it?"
                                                           : "is the tun module loaded?");
    struct ifreq request = {0};
    memcpy(request.ifr_name, tun->name, strlen(tun->name));
    request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    if (ioctl(tun->descriptor, TUNSETIFF, &request) != 0) {
        const char *why = errno == EBUSY    ? "another process uses it"
                          : errno == EPERM  ? "it needs CAP_NET_ADMIN"
                          : errno == EINVAL ? "a device of another kind has that name"
                                            : strerror(errno);
        return error_set(error, ERROR_SYSTEM, "no-tun", "device %s cannot be made: %s", tun->name,
                         why);
    }
    set_offloads(tun->descriptor);
    tun->index = if_nametoindex(tun->name);
    return true;
}

static bool configure_device(struct tun *tun, struct error *error)
{
    write_setting("ipv4", tun->name, "rp_filter", "0");
    write_setting("ipv4", tun->name, "accept_local", "1");
    write_setting("ipv6", tun->name, "addr_gen_mode", "1");
    write_setting("ipv6", tun->name, "accept_ra", "0");
    // As large as any link, so that it is the ITR that says what is too big for which ETR.
    return routes_link_up(tun->index, routes_largest_mtu(), error);
}

static void close_descriptor(struct tun *tun)
{
    if (tun->descriptor >= 0)
        (void)close(tun->descriptor);
    tun->descriptor = -1;
}

struct tun *tun_open(struct node *node, const char *name, struct error *error)
{
    struct tun *tun = find_open(node, name);
    if (tun != NULL) {
        tun->references++;
        return tun;
    }
    if (strlen(name) == 0 || strlen(name) > TUN_NAME_MAX || strchr(name, '/') != NULL) {
        (void)error_set(error, ERROR_INPUT, "bad-device",
                        "\"%s\" is no device name: 1 to %d characters, no slash", name,
                        TUN_NAME_MAX);
        return NULL;
    }
    tun = memory_new(sizeof(*tun));
    tun->node = node;
    tun->references = 1;
    memcpy(tun->name, name, strlen(name) + 1);
    if (!make_device(tun, error) || !configure_device(tun, error)) {
        close_descriptor(tun);
        memory_free(tun);
        return NULL;
    }
    list_append(&devices, &tun->node_devices);
    return tun;
}

static void poll_closed(uv_handle_t *handle)
{
    struct tun *tun = handle->data;
    close_descriptor(tun);
    memory_free(tun);
}

void tun_close(struct tun *tun)
{
    if (tun == NULL || --tun->references > 0)
        return;
    list_remove(&tun->node_devices);
    if (tun->polling) {
        uv_close((uv_handle_t *)&tun->poll, poll_closed);
        return;
    }
    close_descriptor(tun);
    memory_free(tun);
}

const char *tun_name(const struct tun *tun)
{
    return tun->name;
}

unsigned tun_index(const struct tun *tun)
{
    return tun->index;
}

const struct tun_counters *tun_counters(const struct tun *tun)
{
    return &tun->counters;
}

uint64_t tun_overflowed(const struct tun *tun)
{
    struct routes_link link = {0};
    (void)routes_link_state(tun->index, &link);
    return link.overflowed;
}

bool tun_works(const struct tun *tun, char *why, size_t size)
{
    struct routes_link link = {0};
    if (!routes_link_state(tun->index, &link))
        (void)snprintf(why, size, "somebody removed device %s: restart the node", tun->name);
    else if (!link.up)
        (void)snprintf(why, size, "device %s is down: `ip link set %s up`", tun->name, tun->name);
    return link.up;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct tun *tun = poll->data;
    if (status == 0 && tun->readable != NULL)
        tun->readable(tun->readable_state);
}

void tun_start_reading(struct tun *tun, tun_readable *readable, void *state)
{
    assert(tun->readable == NULL);
    tun->readable = readable;
    tun->readable_state = state;
    if (!tun->polling) {
        int failed = uv_poll_init(node_loop(tun->node), &tun->poll, tun->descriptor);
        assert(failed == 0);
        (void)failed;
        tun->poll.data = tun;
        tun->polling = true;
    }
    (void)uv_poll_start(&tun->poll, UV_READABLE, on_poll);
}

void tun_stop_reading(struct tun *tun)
{
    if (tun->polling)
        (void)uv_poll_stop(&tun->poll);
    tun->readable = NULL;
}

// What the kernel says of a packet, in our words. False where it makes no sense.
static bool read_header(const struct virtio_net_hdr *header, struct offload *offload)
{
    *offload = (struct offload){0};
    if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
        offload->checksum_unfinished = true;
        offload->checksum_start = header->csum_start;
        offload->checksum_offset = header->csum_offset;
    }
    switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6:
        offload->kind = OFFLOAD_TCP;
        break;
    case GSO_UDP_L4:
        offload->kind = OFFLOAD_UDP;
        break;
    default:
        return false;
    }
    offload->segment_size = header->gso_size;
    return true;
}

bool tun_read(struct tun *tun, uint8_t *buffer, uint32_t *length, struct offload *offload)
{
    struct virtio_net_hdr header;
    struct iovec parts[] = {{&header, sizeof(header)}, {buffer, PACKET_BYTES_MAX}};
    for (;;) {
        ssize_t got = readv(tun->descriptor, parts, 2);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            tun->counters.read_failed += errno != EAGAIN;
            return false;
        }
        if ((size_t)got <= sizeof(header) || !read_header(&header, offload)) {
            tun->counters.read_failed++;
            continue;
        }
        *length = (uint32_t)((size_t)got - sizeof(header));
        return true;
    }
}

static void write_header(const uint8_t *bytes, const struct offload *offload,
                         struct virtio_net_hdr *header)
{
    memset(header, 0, sizeof(*header));
    if (offload->checksum_unfinished) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = offload->checksum_start;
        header->csum_offset = offload->checksum_offset;
    }
    if (offload->kind == OFFLOAD_NONE)
        return;
    bool ipv6 = bytes[0] >> 4 == 6;
    uint32_t transport = 8;
    if (offload->kind == OFFLOAD_TCP) {
        header->gso_type = ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        transport = (bytes[offload->checksum_start + 12] >> 4) * 4u;
    } else {
        header->gso_type = GSO_UDP_L4;
    }
    header->gso_size = offload->segment_size;
    header->hdr_len = (uint16_t)(offload->checksum_start + transport);
}

void tun_write(struct tun *tun, const struct coalesced_part *parts, size_t count,
               const struct offload *offload)
{
    struct virtio_net_hdr header;
    struct iovec all[COALESCER_BATCH + 1];
    assert(count > 0 && count <= COALESCER_BATCH);
    write_header(parts[0].bytes, offload, &header);
    all[0] = (struct iovec){&header, sizeof(header)};
    for (size_t i = 0; i < count; i++)
        all[i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].bytes, parts[i].length};
    ssize_t written;
    do {
        written = writev(tun->descriptor, all, (int)count + 1);
    } while (written < 0 && errno == EINTR);
    tun->counters.write_failed += written < 0;
}
