// SPDX-License-Identifier: BSD-2-Clause
// The daemon around a node: what its files share.
//
//     main.c      the top: hands what the node has ready to the files below
//     port.c      packet sockets and protocol 41 tunnels; forwards in batches
//     gateway.c   TUN device: IPv4 hosts, by their C-bit addresses
//     kernel.c    netlink: routes that a routing daemon learned, carrier of links
//     learned.c   which of the kernel's routes are in use
//     control*.c  commands of the `sipp` tool
//     leases.c    what a configuration server has given out
//     config.c    the file that says what the node is
//     privileges.c  what the process may do once all is open
#ifndef SIPP_DAEMON_SIPPD_H
#define SIPP_DAEMON_SIPPD_H

#include "base/address.h"
#include "sipp/lib/names.h"
#include "sipp/lib/node.h"

#include <sys/types.h>
#include <uv.h>

#define SIPP_ETHERTYPE   0x88b5 // set aside for experiments; 0x86dd belongs to IPv6 now
#define SIPP_IP_PROTOCOL 41
#define PORT_BATCH       64
#define SIPPD_USER_MAX   64

struct port;
struct gateway;
struct control;
struct kernel;

struct sippd {
    uv_loop_t loop;
    uv_timer_t timer;
    // Sends and handles all that the node has ready, and arms its timer: main.c's, which stands
    // above all other files. To be called at the end of every callback that moved the node.
    void (*settle)(struct sippd *sippd);
    uv_signal_t stop_signals[2];
    struct node *node;
    struct names *names;
    struct port *ports[NODE_INTERFACES_MAX]; // by interface number of the node
    size_t port_count;
    struct gateway *gateway; // NULL where there is none
    struct control *control;
    struct kernel *kernel;
    int leases;    // the file of them, or -1
    bool checking; // the file is only read: nothing is opened, nothing in the system changes
    char user[SIPPD_USER_MAX]; // the account to run as; empty: the one that started it
    uid_t uid;
    gid_t gid;
};

// ---- clock.c
// The time for the node.
struct instant sippd_now(void);

// ---- config.c: makes the node and everything around it from a file. With `checking`, finds every
// mistake that can be found without opening anything.
bool config_load(struct sippd *sippd, const char *file, struct error *error);
// The same from the text of the file, whose name is for errors.
bool config_read(struct sippd *sippd, const char *file, const char *text, struct error *error);

// ---- file.c
// A whole small file as text; the caller frees it with memory_free.
char *file_read(const char *file, struct error *error);

// ---- port.c
bool port_open_ethernet(struct sippd *sippd, const char *device, bool site_boundary,
                        struct error *error);
bool port_open_tunnel(struct sippd *sippd, const char *name, const char *local, const char *remote,
                      struct error *error);
void port_send(struct port *port, const struct link_address *link, const uint8_t *bytes,
               size_t length);
const char *port_name(const struct port *port);
unsigned port_device_index(const struct port *port); // 0 for tunnels
// The interface number of a port by name, or NODE_NO_INTERFACE.
uint16_t port_find(const struct sippd *sippd, const char *name);
void ports_close(struct sippd *sippd);

// ---- control.c
bool control_open(struct sippd *sippd, const char *path, struct error *error);
// Gives the socket to the account that the daemon will run as.
bool control_give(const struct sippd *sippd, struct error *error);
void control_close(struct sippd *sippd);
// Echo replies and errors go to whoever asked for the echo.
void control_event(struct sippd *sippd, const struct node_event *event);

// ---- gateway.c
bool gateway_open(struct sippd *sippd, const char *device, struct error *error);
// IPv4 addresses in `prefix` are reached under the 32 bits of `provider`, from our own high half
// `source`, along `via` (count 0 for none).
bool gateway_add(struct sippd *sippd, const struct prefix *prefix, struct sipp_address provider,
                 struct sipp_address source, const struct path *via, struct error *error);
void gateway_event(struct sippd *sippd, const struct node_event *event);
void gateway_close(struct sippd *sippd);

// ---- kernel.c: listens to the kernel from the beginning for links that come and go.
bool kernel_open(struct sippd *sippd, struct error *error);
// True where the kernel's table holds prefixes of ours.
bool kernel_has_offers(const struct sippd *sippd);
// Follows the kernel's IPv6 routes below KERNEL_ROUTES from now on.
bool kernel_learn(struct sippd *sippd, struct error *error);
// Offers a prefix of ours to the routing daemon, as an IPv6 route in the kernel's table.
bool kernel_offer(struct sippd *sippd, const struct sipp_prefix *prefix, struct error *error);
void kernel_close(struct sippd *sippd);

// ---- leases.c: reads what earlier runs gave out, and writes down what is given out from now on.
// The node must serve addresses already.
bool leases_open(struct sippd *sippd, const char *file, struct error *error);
void leases_event(struct sippd *sippd, const struct node_event *event);
void leases_close(struct sippd *sippd);

// ---- privileges.c
// Remembers the account that privileges_drop changes to; false where there is none of the name.
bool privileges_account(struct sippd *sippd, const char *user, struct error *error);
// To be called once everything is open: keeps CAP_NET_ADMIN where routes were offered, which must
// be taken back at the end, and no other capability; takes the configured account; and can gain
// nothing any more. Sockets that are open need no capability to be used.
bool privileges_drop(const struct sippd *sippd, struct error *error);

#endif
