#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes fixtures.h: packets in, and the packets and verdicts that must come out.

scapy builds both sides, so that the packet surgery is checked against another's idea of the
formats. Run it after changing it and commit both:

    ./make_fixtures.py > fixtures.h
"""
from scapy.all import (ICMP, IP, TCP, UDP, Raw, ICMPv6EchoRequest, ICMPv6ND_Redirect,
                       ICMPv6PacketTooBig, IPOption_NOP, IPOption_Router_Alert, IPOption_Timestamp,
                       IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, Jumbo)

from fixture_packets import (ETR4, ETR6, HOST, HOST6, ITR4, ITR6, MICRONET, MICRONET6, fragments4,
                             outer4, outer6, partial, payload, segments, tcp4, tcp6, too_big4,
                             too_big6, udp4, udp6, unreachable4, unreachable6, whole)


def name_of(text):
    return '"%s"' % text


def emit(kind, name, packet, verdict, reason="NONE", out=(), etr='"198.18.3.1"', mtu=1500,
         offload="{0}"):
    print("    {%s, %s," % (name_of(name), etr))
    print("     %d, %s, %s_%s, %s_REASON_%s," % (mtu, offload, kind, verdict, kind, reason))
    print("     %s," % hexed(packet))
    print("     {%s}}," % ", ".join(hexed(p) for p in out) if out else "     {NULL}},")


def hexed(packet):
    text = bytes(packet).hex()
    lines = [text[i:i + 88] for i in range(0, len(text), 88)]
    return "\n     ".join('"%s"' % line for line in lines)


def gso(kind, size, start, offset):
    return "{OFFLOAD_%s, %d, true, %d, %d}" % (kind, size, start, offset)


def checked(start, offset):
    return "{OFFLOAD_NONE, 0, true, %d, %d}" % (start, offset)


def itr_encapsulation():
    e6 = '"3fff:3::1"'
    p = udp4(20)
    emit("ITR", "IPv4 in IPv4", p, "TUNNEL", out=[outer4(p)])
    p = udp4(20, df=False)
    emit("ITR", "DF is copied when clear", p, "TUNNEL", out=[outer4(p)])
    p = udp4(20, ttl=1, tos=0xb9)
    emit("ITR", "TTL, DSCP and ECN are copied", p, "TUNNEL", out=[outer4(p)])
    emit("ITR", "octets behind the packet are no part of it", bytes(p) + b"trailer", "TUNNEL",
         out=[outer4(p)])
    p = udp6(20, hlim=7, tc=0x2e)
    emit("ITR", "IPv6 in IPv6", p, "TUNNEL", etr=e6, out=[outer6(p)])
    emit("ITR", "IPv6 in IPv4 from our address", p, "TUNNEL", out=[outer4(p, source=ITR4)])
    p = udp4(20)
    emit("ITR", "IPv4 in IPv6 from our address", p, "TUNNEL", etr=e6, out=[outer6(p, source=ITR6)])
    p = udp4(1500 - 20 - 28)
    emit("ITR", "the largest packet that fits", p, "TUNNEL", out=[outer4(p)])
    p = whole(IPv6(src=HOST6, dst=MICRONET6, hlim=9) / IPv6ExtHdrHopByHop() /
              ICMPv6EchoRequest(data=b"x"))
    emit("ITR", "IPv6 extension headers go through", p, "TUNNEL", etr=e6, out=[outer6(p)])


def itr_checksums():
    p = udp4(31)
    emit("ITR", "an unfinished UDP checksum is finished", partial(p), "TUNNEL",
         offload=checked(20, 6), out=[outer4(p)])
    p = tcp6(33)
    emit("ITR", "an unfinished TCP checksum is finished", partial(p), "TUNNEL",
         offload=checked(40, 16), etr='"3fff:3::1"', out=[outer6(p)])
    emit("ITR", "a checksum start behind the packet", udp4(8), "DROP", "OFFLOAD",
         offload=checked(48, 6))
    emit("ITR", "a checksum start inside the IP header", udp4(8), "DROP", "OFFLOAD",
         offload=checked(12, 6))


def itr_segmentation():
    p = tcp4(2500, flags="FPCA")
    emit("ITR", "TCP super-packet", partial(p), "TUNNEL", offload=gso("TCP", 1000, 20, 16),
         out=[outer4(s) for s in segments(p, 1000)])
    p = tcp4(900, flags="PA", options=[("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)])
    emit("ITR", "a super-packet of one segment", partial(p), "TUNNEL",
         offload=gso("TCP", 1000, 20, 16), out=[outer4(s) for s in segments(p, 1000)])
    p = tcp6(2000, flags="PA")
    emit("ITR", "TCP super-packet, IPv6", partial(p), "TUNNEL", etr='"3fff:3::1"',
         offload=gso("TCP", 1400, 40, 16), out=[outer6(s) for s in segments(p, 1400)])
    p = udp4(2500)
    emit("ITR", "UDP super-packet", partial(p), "TUNNEL", offload=gso("UDP", 1200, 20, 6),
         out=[outer4(s) for s in segments(p, 1200)])
    p = udp4(1900, df=False)
    emit("ITR", "UDP super-packet whose datagrams must be fragmented", partial(p), "TUNNEL",
         offload=gso("UDP", 1000, 20, 6), mtu=600,
         out=[outer4(f, df=False) for s in segments(p, 1000) for f in fragments4(s, 580)])
    p = tcp4(3000)
    emit("ITR", "segments too long for the path", partial(p), "ICMP", "TOO_BIG",
         offload=gso("TCP", 1460, 20, 16), out=[too_big4(partial(p), 1480, 1500)])
    p = tcp6(3000)
    emit("ITR", "segments too long for the path, IPv6", partial(p), "ICMP", "TOO_BIG",
         etr='"3fff:3::1"', offload=gso("TCP", 1440, 40, 16),
         out=[too_big6(partial(p), 1460, 1500)])
    emit("ITR", "segment size zero", partial(tcp4(10)), "DROP", "OFFLOAD",
         offload=gso("TCP", 0, 20, 16))
    emit("ITR", "transport header not behind the IPv4 header", udp4(900, df=False), "DROP",
         "OFFLOAD", offload=gso("UDP", 700, 122, 6), mtu=576)
    short = tcp4(10)
    short[TCP].dataofs = 4
    emit("ITR", "TCP header too short", short, "DROP", "OFFLOAD", offload=gso("TCP", 5, 20, 16))
    emit("ITR", "TCP header past the end", tcp4(0), "DROP", "OFFLOAD",
         offload=gso("TCP", 5, 40, 16))


def itr_too_big():
    p = udp4(1500 - 28)
    emit("ITR", "fragmentation needed", p, "ICMP", "TOO_BIG", out=[too_big4(p, 1480)])
    p = udp4(600 - 28)
    emit("ITR", "fragmentation needed, short quote", p, "ICMP", "TOO_BIG", mtu=576,
         out=[too_big4(p, 556)])
    p = udp6(1500 - 48)
    emit("ITR", "packet too big", p, "ICMP", "TOO_BIG", etr='"3fff:3::1"', out=[too_big6(p, 1460)])
    emit("ITR", "packet too big for a path of 1,300 tells 1,280", p, "ICMP", "TOO_BIG",
         etr='"3fff:3::1"', mtu=1300, out=[too_big6(p, 1280)])
    p = udp4(1500 - 28, df=False)
    emit("ITR", "without DF it is fragmented", p, "TUNNEL",
         out=[outer4(f, df=False) for f in fragments4(p, 1480)])
    p = udp4(1400, df=False, options=[IPOption_Router_Alert(), IPOption_Timestamp(length=8, pointer=9),
                                      IPOption_NOP()])
    emit("ITR", "options of the first fragment only are blanked", p, "TUNNEL", mtu=600,
         out=[outer4(f, df=False) for f in fragments4(p, 580)])
    f = whole(IP(src=HOST, dst=MICRONET, ttl=63, id=9, flags="MF", frag=100, proto=17) /
              Raw(payload(1480)))
    emit("ITR", "a fragment is fragmented again", f, "TUNNEL", mtu=1000,
         out=[outer4(x, df=False) for x in fragments4(f, 980)])
    p = udp6(1280 - 48)
    inner = bytes(p)
    first = (1300 - 48) // 8 * 8
    outs = []
    for at in (0, first):
        part = inner[at:at + first]
        outs.append(IPv6(src=HOST6, dst=ETR6, hlim=63, nh=44) / IPv6ExtHdrFragment(
            nh=41, offset=at // 8, m=1 if at == 0 else 0, id=0) / Raw(part))
    emit("ITR", "1,280 octets of IPv6 go through all the same, in outer fragments", p, "TUNNEL",
         etr='"3fff:3::1"', mtu=1300, out=outs)
    outs = []
    for at in range(0, len(inner), 552):
        part = inner[at:at + 552]
        outs.append(IP(src=ITR4, dst=ETR4, proto=41, id=0, ttl=63, frag=at // 8,
                       flags="MF" if at + 552 < len(inner) else 0) / Raw(part))
    emit("ITR", "the same over IPv4", p, "TUNNEL", mtu=576, out=outs)


def itr_refusals():
    p = udp4(20)
    emit("ITR", "mapped to zero", p, "ICMP", "ZERO", etr='"zero"', out=[unreachable4(p, 1)])
    emit("ITR", "nobody knows the mapping", p, "HELD", etr="NULL")
    p6 = udp6(20)
    emit("ITR", "mapped to zero, IPv6", p6, "ICMP", "ZERO", etr='"zero"',
         out=[unreachable6(p6, 3)])
    emit("ITR", "no route to the ETR", p, "ICMP", "ETR_UNREACHABLE", mtu=0,
         out=[unreachable4(p, 0)])
    emit("ITR", "no route to the ETR, IPv6", p6, "ICMP", "ETR_UNREACHABLE", mtu=0,
         etr='"3fff:3::1"', out=[unreachable6(p6, 0)])
    emit("ITR", "ETR in a MAB", p, "DROP", "ETR_IN_MAB", etr='"20.1.0.99"')
    emit("ITR", "ETR in a MAB of the other family", p, "DROP", "ETR_IN_MAB",
         etr='"2001:db8:99::1"')
    emit("ITR", "ETR in a refused prefix", p, "DROP", "ETR_REFUSED", etr='"198.51.100.200"')
    emit("ITR", "ETR multicast", p, "DROP", "ETR_NOT_ROUTABLE", etr='"224.0.0.5"')
    emit("ITR", "ETR loopback", p, "DROP", "ETR_NOT_ROUTABLE", etr='"127.0.0.1"')
    emit("ITR", "ETR link-local", p6, "DROP", "ETR_NOT_ROUTABLE", etr='"fe80::1"')
    emit("ITR", "ETR an IPv4-mapped IPv6 address", p6, "DROP", "ETR_NOT_ROUTABLE",
         etr='"::ffff:198.18.3.1"')
    emit("ITR", "not in a MAB", whole(IP(src=HOST, dst="198.18.9.9") / UDP()), "PASS",
         "NOT_IN_MAB")
    emit("ITR", "TTL 0", udp4(20, ttl=0), "DROP", "TTL")
    for source in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
        bad = whole(IP(src=source, dst=MICRONET) / UDP())
        emit("ITR", "source " + source, bad, "DROP", "SOURCE")
    for source in ("::", "::1", "ff02::1", "fe80::1"):
        bad = whole(IPv6(src=source, dst=MICRONET6) / UDP())
        emit("ITR", "source " + source, bad, "DROP", "SOURCE")


def itr_no_icmp():
    error = whole(IP(src=HOST, dst=MICRONET) / ICMP(type=11) / Raw(bytes(udp4(8))))
    emit("ITR", "no ICMP error about an ICMP error", error, "DROP", "ZERO", etr='"zero"')
    echo = whole(IP(src=HOST, dst=MICRONET) / ICMP() / Raw(b"ping"))
    emit("ITR", "but about an echo", echo, "ICMP", "ZERO", etr='"zero"',
         out=[unreachable4(echo, 1)])
    later = whole(IP(src=HOST, dst=MICRONET, frag=10, proto=17) / Raw(b"12345678"))
    emit("ITR", "no ICMP error about a later fragment", later, "DROP", "ZERO", etr='"zero"')
    error6 = whole(IPv6(src=HOST6, dst=MICRONET6) / IPv6ExtHdrHopByHop() /
                   ICMPv6PacketTooBig(mtu=1280) / Raw(b"x" * 48))
    emit("ITR", "no ICMPv6 error about an ICMPv6 error behind an extension header", error6, "DROP",
         "ZERO", etr='"zero"')
    redirect = whole(IPv6(src=HOST6, dst=MICRONET6) / ICMPv6ND_Redirect(tgt=HOST6, dst=MICRONET6))
    emit("ITR", "nor about a redirect", redirect, "DROP", "ZERO", etr='"zero"')


def itr_malformed():
    good = bytes(udp4(20))
    emit("ITR", "cut short", good[:-1], "DROP", "MALFORMED")
    emit("ITR", "half a header", good[:12], "DROP", "MALFORMED")
    emit("ITR", "version 5", b"\x55" + good[1:], "DROP", "MALFORMED")
    emit("ITR", "header length 16", b"\x44" + good[1:], "DROP", "MALFORMED")
    emit("ITR", "header length past the end", b"\x4f" + good[1:25], "DROP", "MALFORMED")
    emit("ITR", "header checksum wrong", good[:10] + b"\0\0" + good[12:], "DROP", "MALFORMED")
    emit("ITR", "IPv6 cut short", bytes(udp6(20))[:-1], "DROP", "MALFORMED")
    emit("ITR", "half an IPv6 header", bytes(udp6(20))[:39], "DROP", "MALFORMED")
    jumbo = IPv6(src=HOST6, dst=MICRONET6, plen=0, nh=0) / IPv6ExtHdrHopByHop(
        nh=59, options=[Jumbo(jumboplen=70000)])
    emit("ITR", "a jumbogram", bytes(jumbo), "DROP", "MALFORMED")


def etr(name, packet, verdict, reason="NONE", out=(), refuse=False, unfinished=False, cut=0):
    print("    {%s, %s, %s, %d," % (name_of(name), "true" if refuse else "false",
                                    "true" if unfinished else "false", cut))
    print("     ETR_%s, ETR_REASON_%s," % (verdict, reason))
    print("     %s," % hexed(packet))
    print("     %s}," % (hexed(out) if out else "NULL"))


def changed(packet, **fields):
    packet = whole(packet)
    for name, value in fields.items():
        setattr(packet, name, value)
    if IP in packet and packet.version == 4:
        packet.chksum = None
    return whole(packet)


def etr_deliver():
    p = udp4(20, ttl=60)
    etr("IPv4 in IPv4", outer4(p, ttl=50), "DELIVER", out=changed(p, ttl=50))
    etr("an outer TTL above the inner gives no new life", outer4(p, ttl=255), "DELIVER", out=p)
    last = whole(IP(src=HOST, dst="20.1.0.31") / UDP())
    etr("the last address of two ranges that overlap", outer4(last), "DELIVER", out=last)
    last = whole(IPv6(src=HOST6, dst="2001:db8:0:43:ffff::1") / UDP())
    etr("the last address of two ranges side by side", outer6(last), "DELIVER", out=last)
    p = udp6(20, hlim=60)
    etr("IPv6 in IPv6", outer6(p, ttl=50), "DELIVER", out=changed(p, hlim=50))
    etr("IPv6 in IPv4 with a list of refused sources", outer4(p, source=ITR4, ttl=44), "DELIVER",
        out=changed(p, hlim=44), refuse=True)
    p = udp4(20, ttl=60)
    etr("IPv4 in IPv6 with a list of refused sources", outer6(p, source=ITR6, ttl=44), "DELIVER",
        out=changed(p, ttl=44), refuse=True)
    padded = IP(src=HOST, dst=ETR4, proto=4, ttl=60) / Raw(bytes(p) + b"pad")
    etr("octets behind the inner packet are no part of it", padded, "DELIVER", out=p)
    p = udp4(9, ttl=60)
    etr("an unfinished checksum is noted", outer4(partial(p)), "DELIVER", out=partial(p),
        unfinished=True)
    p = tcp4(3000)
    etr("segments that this machine's kernel joined are cut to 1,280 octets", outer4(partial(p)),
        "DELIVER", out=partial(p), unfinished=True, cut=1240)
    p = tcp6(3000)
    etr("the same in IPv6", outer6(partial(p)), "DELIVER", out=partial(p), unfinished=True,
        cut=1220)


def etr_ecn():
    names = {0: "not-ECT", 1: "ECT(1)", 2: "ECT(0)", 3: "CE"}
    table = {0: {0: 0, 1: 0, 2: 0, 3: None}, 2: {0: 2, 1: 1, 2: 2, 3: 3},
             1: {0: 1, 1: 1, 2: 1, 3: 3}, 3: {0: 3, 1: 3, 2: 3, 3: 3}}
    for inner_ecn, row in table.items():
        for outer_ecn, result in row.items():
            for v6 in (False, True):
                p = udp6(4, tc=0x28 | inner_ecn) if v6 else udp4(4, tos=0x28 | inner_ecn)
                outer = (outer6 if v6 else outer4)(p, tos=outer_ecn)
                name = "ECN %s in %s%s" % (names[inner_ecn], names[outer_ecn],
                                           ", IPv6" if v6 else "")
                if result is None:
                    etr(name, outer, "DROP", "CONGESTION")
                else:
                    field = {"tc" if v6 else "tos": 0x28 | result}
                    etr(name, outer, "DELIVER", out=changed(p, **field))


def etr_refusals():
    p = udp4(20)
    etr("forged outer source", outer4(p, source="198.18.66.6"), "DROP", "SOURCE_MISMATCH")
    p6 = udp6(20)
    etr("forged outer source, IPv6", outer6(p6, source="3fff:66::6"), "DROP", "SOURCE_MISMATCH")
    etr("IPv6 in IPv4 without a list of refused sources", outer4(p6, source=ITR4), "DROP",
        "FAMILY_MIXED")
    etr("IPv4 in IPv6 without a list of refused sources", outer6(p, source=ITR6), "DROP",
        "FAMILY_MIXED")
    inside = whole(IP(src="198.18.200.1", dst=MICRONET) / UDP())
    etr("refused inner source", outer4(inside), "DROP", "SOURCE_REFUSED", refuse=True)
    etr("refused inner source in the other family", outer6(inside, source=ITR6), "DROP",
        "SOURCE_REFUSED", refuse=True)
    elsewhere = whole(IP(src=HOST, dst="20.1.0.32") / UDP())
    etr("destination not served", outer4(elsewhere), "DROP", "NOT_SERVED")
    elsewhere = whole(IP(src=HOST, dst="20.1.0.15") / UDP())
    etr("destination just before those served", outer4(elsewhere), "DROP", "NOT_SERVED")
    elsewhere = whole(IPv6(src=HOST6, dst="2001:db8:0:44::1") / UDP())
    etr("destination not served, IPv6", outer6(elsewhere), "DROP", "NOT_SERVED")
    loop = whole(IP(src="127.0.0.1", dst=MICRONET) / UDP())
    etr("loopback source", outer4(loop), "DROP", "SOURCE")
    etr("inner TTL 0", outer4(udp4(4, ttl=0), ttl=9), "DROP", "TTL")


def etr_malformed():
    p = udp4(20)
    good = outer4(p)
    etr("inner packet cut short", IP(src=HOST, dst=ETR4, proto=4) / Raw(bytes(p)[:-1]), "DROP",
        "INNER")
    etr("inner version 5", IP(src=HOST, dst=ETR4, proto=4) / Raw(b"\x55" + bytes(p)[1:]), "DROP",
        "INNER")
    etr("protocol 4 with IPv6 inside", IP(src=HOST, dst=ETR4, proto=4) / Raw(bytes(udp6(4))),
        "DROP", "INNER")
    etr("nothing inside", IP(src=HOST, dst=ETR4, proto=4), "DROP", "INNER")
    etr("inner header checksum wrong",
        IP(src=HOST, dst=ETR4, proto=4) / Raw(bytes(p)[:10] + b"\0\0" + bytes(p)[12:]), "DROP",
        "INNER")
    etr("outer header cut short", bytes(good)[:15], "DROP", "OUTER")
    fragment = IP(src=HOST, dst=ETR4, proto=4, flags="MF") / Raw(bytes(p))
    etr("outer fragment", fragment, "DROP", "OUTER")


print("// SPDX-License-Identifier: BSD-2-Clause")
print("// Written by make_fixtures.py with scapy. Do not edit.")
print("// clang-format off")
print("static const struct itr_fixture itr_fixtures[] = {")
for part in (itr_encapsulation, itr_checksums, itr_segmentation, itr_too_big, itr_refusals,
             itr_no_icmp, itr_malformed):
    part()
print("};\n")
print("static const struct etr_fixture etr_fixtures[] = {")
for part in (etr_deliver, etr_ecn, etr_refusals, etr_malformed):
    part()
print("};")
