// SPDX-License-Identifier: BSD-2-Clause
// sippd's file from any text: it is refused with a reason, or makes a node that runs. What it would
// open is not opened: devices, tunnels and files that it names are stood in for here.
#include "fuzzer.h"

#include "base/memory.h"
#include "sipp/daemon/sippd.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static char port_names[NODE_INTERFACES_MAX][16];

static bool add_port(struct sippd *sippd, const char *name, bool tunnel, struct error *error)
{
    struct interface interface = {.mtu = 1500, .point_to_point = tunnel};
    if (sippd->port_count == NODE_INTERFACES_MAX || strlen(name) >= sizeof(port_names[0]))
        return error_set(error, ERROR_LIMIT, "too-many-interfaces", "no room for %.20s", name);
    interface.link.octets[5] = (uint8_t)sippd->port_count;
    (void)snprintf(port_names[sippd->port_count++], sizeof(port_names[0]), "%s", name);
    (void)node_add_interface(sippd->node, &interface);
    return true;
}

bool port_open_ethernet(struct sippd *sippd, const char *device, bool site_boundary,
                        struct error *error)
{
    (void)site_boundary;
    return add_port(sippd, device, false, error);
}

bool port_open_tunnel(struct sippd *sippd, const char *name, const char *local, const char *remote,
                      struct error *error)
{
    return local != remote && add_port(sippd, name, true, error);
}

uint16_t port_find(const struct sippd *sippd, const char *name)
{
    for (uint16_t i = 0; i < sippd->port_count; i++) {
        if (strcmp(port_names[i], name) == 0)
            return i;
    }
    return NODE_NO_INTERFACE;
}

// Every file holds the same: names and a key are both in it, and each is refused as the other.
char *file_read(const char *file, struct error *error)
{
    static const char names[] = "P 0080:0000:0000:0000/32\nP.D +1/16\nP.D.h +7/16\n";
    static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    if (strcmp(file, "nowhere") == 0) {
        (void)error_set(error, ERROR_NOT_FOUND, "cannot-read", "cannot read nowhere");
        return NULL;
    }
    return strcmp(file, "key") == 0 ? memory_copy(key, sizeof(key))
                                    : memory_copy(names, sizeof(names));
}

bool control_open(struct sippd *sippd, const char *path, struct error *error)
{
    (void)sippd;
    return path[0] != '\0' || error_set(error, ERROR_INPUT, "bad-path", "no path");
}

bool kernel_learn(struct sippd *sippd, struct error *error)
{
    (void)sippd;
    (void)error;
    return true;
}

bool kernel_offer(struct sippd *sippd, const struct sipp_prefix *prefix, struct error *error)
{
    (void)sippd;
    (void)error;
    assert(prefix->length <= SIPP_ADDRESS_BITS);
    return true;
}

bool gateway_open(struct sippd *sippd, const char *device, struct error *error)
{
    (void)sippd;
    return device[0] != '\0' || error_set(error, ERROR_INPUT, "bad-gateway", "no device");
}

bool gateway_add(struct sippd *sippd, const struct prefix *prefix, struct sipp_address provider,
                 struct sipp_address source, const struct path *via, struct error *error)
{
    (void)sippd;
    (void)provider;
    (void)source;
    (void)error;
    assert(prefix->length <= 128 && via->count < ROUTE_MAX);
    return true;
}

bool leases_open(struct sippd *sippd, const char *file, struct error *error)
{
    const struct link_address link = {{2, 0, 0, 0, 0, (uint8_t)file[0]}};
    return node_add_lease(sippd->node, &link, (uint8_t)file[0], error);
}

bool privileges_account(struct sippd *sippd, const char *user, struct error *error)
{
    (void)sippd;
    return user[0] != 'x' || error_set(error, ERROR_NOT_FOUND, "no-such-user", "no account");
}

struct instant sippd_now(void)
{
    return (struct instant){1000000000};
}

// A node that was made runs for a minute.
static void run(struct node *node)
{
    struct instant now = {1000000000};
    for (int i = 0; i < 60; i++) {
        struct node_output output;
        struct node_event event;
        node_tick(node, now);
        while (node_next_output(node, &output))
            ;
        while (node_next_event(node, &event))
            ;
        now = instant_add(now, duration_s(1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sippd sippd;
    struct error error = {0};
    char *text = memory_new(size + 1);
    memcpy(text, data, size);
    memset(&sippd, 0, sizeof(sippd));
    sippd.names = names_new();
    if (config_read(&sippd, "sippd.conf", text, &error))
        run(sippd.node);
    else
        assert(error.reason[0] != '\0' && error.text[0] != '\0');
    node_free(sippd.node);
    names_free(sippd.names);
    memory_free(text);
    return 0;
}
