// SPDX-License-Identifier: BSD-2-Clause
// In place of node/udp.c: no sockets, but a wire to the last opener that receives, which loses what
// the test wants lost. Datagrams arrive as they are sent.
#ifndef IVIP_TESTS_NODE_UDP_WIRE_H
#define IVIP_TESTS_NODE_UDP_WIRE_H

#include <stdbool.h>

// From now on nothing is lost.
void udp_wire_mend(void);
// The next so many datagrams are lost.
void udp_wire_lose(unsigned count);
// All are, or none.
void udp_wire_cut(bool cut);
// From now on no socket can be opened, or all can.
void udp_wire_refuse(bool refuse);

#endif
