# SPDX-License-Identifier: BSD-2-Clause
"""The packets of make_fixtures.py: what goes in, and what the standards make of it, by scapy."""
import copy

from scapy.all import ICMP, IP, TCP, UDP, Raw, ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6

HOST, MICRONET, ETR4, ITR4 = "198.18.1.7", "20.1.0.17", "198.18.3.1", "192.0.2.1"
HOST6, MICRONET6, ETR6, ITR6 = ("3fff:1::7", "2001:db8:0:40::9", "3fff:3::1", "3fff:2::1")


def payload(length):
    return bytes((i * 7 + i // 251) & 0xff for i in range(length))


def whole(packet):
    """The packet with all lengths and checksums filled in, as an object again."""
    return packet.__class__(bytes(packet))


def outer4(inner, df=None, source=None, etr=ETR4, ttl=None, tos=None, **more):
    v6 = isinstance(inner, IPv6)
    if df is None:
        df = v6 or "DF" in inner.flags
    return IP(src=source or inner.src, dst=etr, proto=41 if v6 else 4, id=0,
              flags="DF" if df else 0,
              ttl=ttl or (inner.hlim if v6 else inner.ttl),
              tos=(inner.tc if v6 else inner.tos) if tos is None else tos,
              **more) / Raw(bytes(inner))


def outer6(inner, source=None, etr=ETR6, ttl=None, tos=None):
    v6 = isinstance(inner, IPv6)
    return IPv6(src=source or inner.src, dst=etr, nh=41 if v6 else 4,
                hlim=ttl or (inner.hlim if v6 else inner.ttl),
                tc=(inner.tc if v6 else inner.tos) if tos is None else tos) / Raw(bytes(inner))


def partial(packet):
    """The packet as a kernel hands it over that leaves the checksum to the card: the field holds
    the folded sum of the pseudo-header."""
    packet = whole(packet)
    layer = packet[TCP] if TCP in packet else packet[UDP]
    length = len(layer)
    data = b"".join([packet_address(packet.src), packet_address(packet.dst)])
    data += bytes([0, 6 if TCP in packet else 17]) + length.to_bytes(2, "big")
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    layer.chksum = total
    return packet


def packet_address(text):
    import ipaddress
    return ipaddress.ip_address(text).packed


def quoted(packet, length):
    """The packet's first octets as its source would have sent one segment of `length`."""
    raw = bytearray(bytes(packet))
    if raw[0] >> 4 == 6:
        raw[4:6] = (length - 40).to_bytes(2, "big")
    elif length != len(raw):
        header = IP(bytes(raw[:(raw[0] & 15) * 4]))
        header.len = length
        header.chksum = None
        raw[:(raw[0] & 15) * 4] = bytes(header)
    return bytes(raw[:length])


def too_big4(packet, mtu, segment=None):
    quote = quoted(packet, segment or len(packet))[:576 - 28]
    return IP(src=ITR4, dst=packet.src, tos=0xc0, id=0, ttl=64) / ICMP(
        type=3, code=4, nexthopmtu=mtu) / Raw(quote)


def unreachable4(packet, code):
    return IP(src=ITR4, dst=packet.src, tos=0xc0, id=0, ttl=64) / ICMP(
        type=3, code=code) / Raw(bytes(packet)[:576 - 28])


def too_big6(packet, mtu, segment=None):
    quote = quoted(packet, segment or len(packet))[:1280 - 48]
    return IPv6(src=ITR6, dst=packet.src, hlim=64) / ICMPv6PacketTooBig(mtu=mtu) / Raw(quote)


def unreachable6(packet, code):
    return IPv6(src=ITR6, dst=packet.src, hlim=64) / ICMPv6DestUnreach(code=code) / Raw(
        bytes(packet)[:1280 - 48])


def segments(packet, size):
    """What a card's segmentation makes of a super-packet."""
    result = []
    packet = whole(packet)
    layer = TCP if TCP in packet else UDP
    data = bytes(packet[layer].payload)
    for i, at in enumerate(range(0, len(data), size)):
        segment = copy.deepcopy(packet)
        segment[layer].remove_payload()
        last = at + size >= len(data)
        if layer is TCP:
            segment[TCP].seq = (packet[TCP].seq + at) & 0xffffffff
            flags = str(packet[TCP].flags)
            if not last:
                flags = flags.replace("F", "").replace("P", "")
            if i > 0:
                flags = flags.replace("C", "")
            segment[TCP].flags = flags
        else:
            segment[UDP].len = None
        segment = segment / Raw(data[at:at + size])
        segment[layer].chksum = None
        if IP in segment:
            segment[IP].len = None
            segment[IP].chksum = None
            segment[IP].id = (packet[IP].id + i) & 0xffff
        else:
            segment[IPv6].plen = None
        result.append(whole(segment))
    return result


def fragments4(packet, mtu):
    """RFC 791 fragmentation, options of the first fragment blanked in the later ones."""
    packet = whole(packet)
    raw = bytes(packet)
    header_length = packet.ihl * 4
    body = raw[header_length:]
    room = (mtu - header_length) // 8 * 8
    result = []
    for at in range(0, len(body), room):
        header = bytearray(raw[:header_length])
        if at > 0:
            i = 20
            while i < header_length:
                if header[i] == 0:
                    break
                if header[i] == 1:
                    i += 1
                    continue
                length = header[i + 1]
                if header[i] & 0x80 == 0:
                    header[i:i + length] = b"\1" * length
                i += length
        part = body[at:at + room]
        header[2:4] = (header_length + len(part)).to_bytes(2, "big")
        more = at + room < len(body) or packet.flags & 1
        offset = packet.frag + at // 8 | (0x2000 if more else 0)
        header[6:8] = offset.to_bytes(2, "big")
        header[10:12] = b"\0\0"
        fragment = IP(bytes(header))
        fragment.chksum = None
        result.append(IP(bytes(fragment) + part))
    return result


def udp4(length, df=True, ttl=63, tos=0, **more):
    return whole(IP(src=HOST, dst=MICRONET, ttl=ttl, tos=tos, id=0x1234,
                    flags="DF" if df else 0, **more) / UDP(sport=4000, dport=53) /
                 Raw(payload(length)))


def udp6(length, hlim=63, tc=0):
    return whole(IPv6(src=HOST6, dst=MICRONET6, hlim=hlim, tc=tc) / UDP(sport=4000, dport=53) /
                 Raw(payload(length)))


def tcp4(length, flags="A", df=True, options=()):
    return whole(IP(src=HOST, dst=MICRONET, ttl=63, id=0xfffe, flags="DF" if df else 0) /
                 TCP(sport=4000, dport=80, seq=0xfffff000, ack=77, flags=flags,
                     options=list(options)) / Raw(payload(length)))


def tcp6(length, flags="A"):
    return whole(IPv6(src=HOST6, dst=MICRONET6, hlim=63) /
                 TCP(sport=4000, dport=80, seq=5, ack=77, flags=flags) / Raw(payload(length)))
