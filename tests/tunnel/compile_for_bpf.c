// SPDX-License-Identifier: BSD-2-Clause
// Holds the packet surgery to its promise that it compiles for BPF: this file is only compiled,
// with clang's BPF target, never run. The functions stand in for a TC program's; each has its
// packet already checked to be long enough.
#include "tunnel/encapsulation.h"
#include "tunnel/icmp.h"

int bpf_encapsulate(const uint8_t *bytes, uint32_t length, uint8_t *outer,
                    const struct address *etr);
int bpf_decapsulate(uint8_t *bytes, uint32_t length, uint8_t hop_limit, uint8_t traffic_class);
int bpf_too_big(uint8_t *bytes, uint32_t length, uint8_t *out, const struct address *source);

int bpf_encapsulate(const uint8_t *bytes, uint32_t length, uint8_t *outer,
                    const struct address *etr)
{
    struct packet inner;
    if (packet_parse(bytes, length, &inner) != PACKET_OK || !address_routable(&inner.source))
        return -1;
    return (int)encapsulate(outer, &inner, inner.length, &inner.source, etr, 0,
                            inner.dont_fragment);
}

int bpf_decapsulate(uint8_t *bytes, uint32_t length, uint8_t hop_limit, uint8_t traffic_class)
{
    struct packet inner;
    return packet_parse(bytes, length, &inner) == PACKET_OK &&
           decapsulate(bytes, &inner, hop_limit, traffic_class);
}

int bpf_too_big(uint8_t *bytes, uint32_t length, uint8_t *out, const struct address *source)
{
    struct packet packet;
    if (packet_parse(bytes, length, &packet) != PACKET_OK || !icmp_allowed(&packet, bytes))
        return -1;
    uint32_t quote = icmp_quote(packet.family, packet.length);
    if (packet.family == FAMILY_IPV4)
        icmp_write_ipv4(out, ICMP_TOO_BIG, 1480, &packet, quote, packet.length);
    else
        icmp_write_ipv6(out, ICMP_TOO_BIG, 1460, &packet, quote, packet.length);
    icmp_set_source(out, icmp_overhead(packet.family) + quote, source);
    return 0;
}
