// SPDX-License-Identifier: BSD-2-Clause
// The TUN device: where the kernel hands packets for MABs to the ITR, and where the ETR hands
// decapsulated packets to the kernel, which forwards them.
//
// It carries a virtio-net header with each packet, so that TCP and UDP come as super-packets of up
// to 64 KB with their checksums unfinished. Roles of one node that name the same device share it.
#ifndef IVIP_NODE_TUNNEL_TUN_H
#define IVIP_NODE_TUNNEL_TUN_H

#include "node/node.h"
#include "tunnel/coalescer.h"

#include <stdbool.h>
#include <stdint.h>

#define TUN_NAME_MAX 15 // characters in a device name

struct tun;

struct tun_counters {
    uint64_t read_failed;  // and packets with a virtio-net header that makes no sense
    uint64_t write_failed; // the kernel refused the packet, or had no room
};

// Called when there is something to read.
typedef void tun_readable(void *state);

// Makes the device and brings it up, or adds a reference to the one that this node has. It
// vanishes with its last reference, also when the process is killed, and every route to it too.
struct tun *tun_open(struct node *node, const char *name, struct error *error);
// Gives the reference back; the device goes with the last.
void tun_close(struct tun *tun);

const char *tun_name(const struct tun *tun);
unsigned tun_index(const struct tun *tun);
const struct tun_counters *tun_counters(const struct tun *tun);
// Packets that the kernel dropped because they were not read quickly enough.
uint64_t tun_overflowed(const struct tun *tun);
// False where somebody took the device down or away; `why` says so.
bool tun_works(const struct tun *tun, char *why, size_t size);

// From now on `readable` is called; one reader a device.
void tun_start_reading(struct tun *tun, tun_readable *readable, void *state);
void tun_stop_reading(struct tun *tun);
// Reads one packet into `buffer` (PACKET_BYTES_MAX). False when there is none now.
bool tun_read(struct tun *tun, uint8_t *buffer, uint32_t *length, struct offload *offload);
// Hands a packet of `count` parts to the kernel as if it had come in from a network. Counts when it
// was refused.
void tun_write(struct tun *tun, const struct coalesced_part *parts, size_t count,
               const struct offload *offload);

#endif
