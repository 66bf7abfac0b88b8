// SPDX-License-Identifier: BSD-2-Clause
// What each command says of itself: `sipp COMMAND --help`.
#include "sipp/tool/tool.h"

#include <stdio.h>
#include <string.h>

struct page {
    const char *word;
    const char *text;
};

static const struct page pages[] = {
    {"addr",
     "usage: sipp [-n FILE] [--json] addr ADDRESS|PREFIX|SEQUENCE...\n"
     "       sipp addr local-use LINK [SUBNET]\n"
     "       sipp [-n FILE] addr ipv4 PROVIDER IPV4\n"
     "       sipp [-d SERVER] addr dns NAME\n"
     "       sipp [-n FILE] addr record SEQUENCE\n"
     "\n"
     "Says what an address is: its kind, its name in the names file, the IPv4 or link\n"
     "address inside it. An address is 16 hexadecimal digits in groups of four, or a dotted\n"
     "name of the names file. The other forms make addresses, and ask for them or write\n"
     "them as DNS records.\n"
     "\n"
     "    $ sipp addr local-use 02:00:00:00:00:01 2\n"
     "    7d02:0200:0000:0001  local-use  subnet 2  link 02:00:00:00:00:01\n"
     "    $ sipp addr ipv4 0080:0001:0000:0000 192.0.2.1\n"
     "    8080:0001:c000:0201  global unicast of an IPv4-only node  IPv4 192.0.2.1\n"},
    {"registry",
     "usage: sipp registry FILE list\n"
     "       sipp registry FILE add NAME [WIDTH] | add-node NAME | remove NAME\n"
     "       sipp registry FILE limits NAME | mask NAME LENGTH\n"
     "\n"
     "Keeps an assignment plan: providers, and below them subscribers, subnets and nodes, each\n"
     "a name more behind a dot. Numbers are handed out from the left, so that masks may still\n"
     "grow and shrink; \"limits\" says how far, \"mask\" does it. The file is also a names file.\n"
     "\n"
     "    $ sipp registry plan add P\n"
     "    $ sipp registry plan add P.D 16\n"
     "    $ sipp registry plan limits P\n"
     "    P can have a mask of 9 to 32 bits\n"},
    {"reverse",
     "usage: sipp [-n FILE] [--json] reverse ROUTE OWN...\n"
     "\n"
     "The route of the answer to a packet that came by ROUTE, at a node with these 1 to 16\n"
     "sequences of its own. In ROUTE the active address has a star before it.\n"
     "\n"
     "    $ sipp -n names reverse 'P.D.H, P.0, *Q.E.I' Q.E.I\n"
     "    Q.E.I, *P.0, P.D.H\n"},
    {"ping",
     "usage: sipp [options] ping SEQUENCE|dns:NAME\n"
     "\n"
     "Asks a node for answers and says by which route each came. Exits with 0 when one did.\n"
     "  -c COUNT  packets to send (4)\n"
     "  -w TIME   milliseconds to wait for each answer (2000)\n"
     "  -l SIZE   octets of data (56)\n"
     "  -t LIMIT  hop limit (64)\n"
     "  -v PATH   by way of these addresses: a policy route\n"
     "  -r ROUTE  by this route sequence, whatever it is\n"
     "\n"
     "    $ sipp -n names -v P.0 ping Q.E.I\n"},
    {"trace",
     "usage: sipp [-v PATH | -r ROUTE] trace SEQUENCE|dns:NAME\n"
     "\n"
     "Shows the route sequence at every hop: who has the packet, which address is active\n"
     "there (the star), and so where routers advance it. -w TIME: milliseconds to wait for\n"
     "each hop (2000).\n"
     "\n"
     "    $ sipp -n names -v P.0 trace Q.E.I\n"},
    {"route", "usage: sipp [--json] route\n"
              "       sipp route set PREFIX INTERFACE [GATEWAY]\n"
              "       sipp route remove PREFIX\n"
              "\n"
              "Shows or changes the routes of the node. INTERFACE is one of its config.\n"
              "\n"
              "    $ sipp route set 0040:0000:0000:0000/32 eth1 P.D.r\n"},
    {"join", "usage: sipp join GROUP\n"
             "\n"
             "Makes the node a member of a multicast group until \"leave\", or until it stops.\n"},
    {"leave", "usage: sipp leave GROUP\n"
              "\n"
              "Ends the node's membership of a multicast group.\n"},
    {"status",
     "usage: sipp [-s SOCKET] status [--json | --metrics]\n"
     "\n"
     "What the node is and has counted, as JSON; with --metrics the counters in the text\n"
     "form of Prometheus.\n"},
};

bool help_print(const char *word)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(pages[i].word, word) != 0)
            continue;
        (void)fputs(pages[i].text, stdout);
        (void)fputs("\nAll options: sipp --help, or sipp(1).\n", stdout);
        return true;
    }
    return false;
}
