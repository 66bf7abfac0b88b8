// SPDX-License-Identifier: BSD-2-Clause
// Tells the service manager how far a node is, by the datagram protocol of systemd's NOTIFY_SOCKET
// (sd_notify(3)); nothing happens where there is no such manager.
#ifndef IVIP_NODE_NOTIFY_H
#define IVIP_NODE_NOTIFY_H

// `state` is "READY=1", "RELOADING=1" or "STOPPING=1".
void notify_manager(const char *state);

#endif
