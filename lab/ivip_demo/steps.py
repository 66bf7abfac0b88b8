"""The steps on paths: where packets go, and what they look like on the way."""

from __future__ import annotations

import concurrent.futures
import hashlib
import re
from pathlib import Path

from ivip_lab.plan import FAMILIES
from ivip_lab.problem import Problem

from . import tools
from .capture import Packet, capturing, tshark
from .demo import Demo
from .report import Step

# Octets that a tunnel adds: the outer header and nothing else.
TUNNEL_BYTES = {4: 20, 6: 40}
TRANSFER_BYTES = 16 * 1024 * 1024
IPERF_SECONDS = 2


def path_text(nodes: list[str]) -> str:
    return " > ".join(nodes)


# ---- conventional


def conventional(demo: Demo, step: Step) -> None:
    times = []
    for family in FAMILIES:
        step.command("H1", f"traceroute -{family} H6")
        path = tools.trace(demo.lab, "H1", "H6", family)
        step.show(path_text(path))
        step.expect(path == ["BR1", "ITR1", "BR3", "H6"], "the path of the architecture's §1.8.1")
        answer = tools.ping(demo.lab, "H1", "H6", family)
        step.expect(answer.lost == 0, "every packet answered")
        times.append(answer.average_ms)
    step.measured(f"round trip {times[0]:.1f} ms IPv4, {times[1]:.1f} ms IPv6", rtt_ms=times)


# ---- tunnels


def requests(packets: list[Packet], source: str, target: str) -> list[Packet]:
    """The echo requests between two hosts, tunnelled or not."""
    return [packet for packet in packets if packet.echo is not None
            and packet.inner.source == source and packet.inner.target == target]


def check_tunnelled(step: Step, packets: list[Packet], source: str, etr: str, family: int) -> None:
    """Plain IP-in-IP to the ETR, with the sender as outer source."""
    step.expect(bool(packets), "packets were captured")
    step.expect(all(packet.tunnelled for packet in packets), "all of them tunnelled")
    step.expect(all(packet.outer.target == etr for packet in packets), f"to the ETR, {etr}")
    step.expect(all(packet.outer.source == source for packet in packets),
                "with the sender as outer source")
    step.expect(all(packet.outer.length == packet.inner.length + TUNNEL_BYTES[family]
                    for packet in packets),
                f"exactly {TUNNEL_BYTES[family]} octets more")


def through_ditr(demo: Demo, step: Step) -> None:
    times = []
    for family in FAMILIES:
        source, target = demo.address("H1", family), demo.address("IH9", family)
        places = [("ITR1", "BR1"), ("BR3", "ITR1")]
        step.command("H1", f"ping -{family} IH9")
        with capturing(demo.lab, demo.folder / f"ditr{family}", places, pcap_filter(family)) as got:
            answer = tools.ping(demo.lab, "H1", "IH9", family, count=10)
        step.show(str(answer))
        step.expect(answer.lost == 0, "every packet answered, the first one too")
        before = requests(got["ITR1"].packets, source, target)
        step.expect(bool(before) and not any(packet.tunnelled for packet in before),
                    "H1's packets reach ITR1 as they were sent")
        behind = requests(got["BR3"].packets, source, target)
        check_tunnelled(step, behind, source, demo.address("ETR1", family), family)
        step.show("between ITR1 and BR3, by tshark:")
        step.show(tshark(got["BR3"].file, target))
        times.append(answer.average_ms)
    step.measured(f"round trip {times[0]:.1f} ms IPv4, {times[1]:.1f} ms IPv6; 20 and 40 octets "
                  "added, outer source = H1", rtt_ms=times)


def pcap_filter(family: int) -> str:
    """Pings, in a tunnel or not."""
    return "icmp or ip proto 4" if family == 4 else "icmp6 or ip6 proto 41"


def trace_tunnel(demo: Demo, step: Step) -> None:
    for family in FAMILIES:
        step.command("H1", f"traceroute -{family} IH9")
        path = tools.trace(demo.lab, "H1", "IH9", family)
        step.show(path_text(path))
        step.expect(path[:2] == ["BR1", "ITR1"], "by BR1 to the DITR")
        step.expect(path[-1:] == ["IH9"], "to IH9")
        step.expect({"PE1", "CE1"} <= set(path), "by way of PE1 and CE1 behind ETR1")
    step.measured(f"H1 > {path_text(path)}", path=path)


def through_own_itr(demo: Demo, step: Step) -> None:
    first, later = [], []
    for family in FAMILIES:
        source, target = demo.address("H3", family), demo.address("IH9", family)
        places = [("BR2", "ITR2"), ("BR3", "ITR1")]
        step.command("H3", f"ping -{family} IH9")
        with capturing(demo.lab, demo.folder / f"itr{family}", places, pcap_filter(family)) as got:
            answer = tools.ping(demo.lab, "H3", "IH9", family, count=10)
        step.show(str(answer))
        step.expect(answer.lost == 0, "every packet answered, the first one too")
        check_tunnelled(step, requests(got["BR2"].packets, source, target), source,
                        demo.address("ETR1", family), family)
        check_tunnelled(step, requests(got["BR3"].packets, source, target), source,
                        demo.address("ETR1", family), family)
        step.show("between ITR2 and BR2, by tshark:")
        step.show(tshark(got["BR2"].file, target))
        first.append(answer.first_ms or 0.0)
        later.append(answer.average_ms)
    behind_border = tools.ping(demo.lab, "H4", "IH9", 4)
    step.expect(behind_border.lost == 0, "H4, which has no ITR on its way out, is served by ITR2")
    step.measured(f"first packet, held while ITR2 asked: {first[0]:.1f} ms; then {later[0]:.1f} ms",
                  first_ms=first, rtt_ms=later)


def reverse(demo: Demo, step: Step) -> None:
    for family in FAMILIES:
        source, target = demo.address("IH9", family), demo.address("H1", family)
        places = [("ITR1", "BR3"), ("BR1", "ITR1")]
        with capturing(demo.lab, demo.folder / f"back{family}", places, pcap_filter(family)) as got:
            answer = tools.ping(demo.lab, "IH9", "H1", family)
        step.expect(answer.lost == 0, "every packet answered")
        for node in ("ITR1", "BR1"):
            packets = requests(got[node].packets, source, target)
            step.expect(bool(packets) and not any(packet.tunnelled for packet in packets),
                        f"IH9's packets are plain at {node}")
        step.command("IH9", f"traceroute -{family} H1")
        path = tools.trace(demo.lab, "IH9", "H1", family)
        step.show(path_text(path))
        step.expect(path == ["CE1", "PE1", "ETR1", "BR3", "ITR1", "BR1", "H1"],
                    "the path of an ordinary packet")
    step.measured(f"IH9 > {path_text(path)}, no tunnel", path=path)


# ---- everyone


def without_itr(demo: Demo, step: Step) -> None:
    """N1 and N3 have no ITR: their hosts find the DITR by BGP."""
    for family in FAMILIES:
        for node in ("H2", "H6", "IH5"):
            source = demo.address(node, family)
            target = demo.address("IH8", family)
            with capturing(demo.lab, demo.folder / f"none-{node}-{family}", [("BR4", "ITR1")],
                           pcap_filter(family)) as got:
                answer = tools.ping(demo.lab, node, "IH8", family, count=3)
            step.expect(answer.lost == 0, f"{node} reaches IH8 over IPv{family}")
            check_tunnelled(step, requests(got["BR4"].packets, source, target), source,
                            demo.address("BR4", family), family)
    route = tools.run(demo.lab, "BR1", "ip", "route", "show", str(demo.lab.topology.mabs[0])).stdout
    step.command("BR1", f"ip route show {demo.lab.topology.mabs[0]}")
    step.show(route.strip())
    step.expect("dev ITR1" in route, "BR1 learned the MAB from ITR1 by BGP")
    step.measured("H2 and H6 (conventional), IH5 (SPI) reach IH8 through ITR1")


def everyone(demo: Demo, step: Step) -> None:
    """Every host to every SPI host, both families."""
    topology = demo.lab.topology
    hosts = [name for name in topology.nodes if re.fullmatch(r"I?H\d+", name)]
    goals = [name for name in hosts if name.startswith("I")]
    pairs = [(host, goal, family) for host in hosts for goal in goals if host != goal
             for family in FAMILIES]

    def lost(pair: tuple[str, str, int]) -> int:
        host, goal, family = pair
        return tools.ping_at_once(demo.lab, host, goal, family).lost

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        losses = dict(zip(pairs, pool.map(lost, pairs), strict=True))
    bad = [f"{host} to {goal} over IPv{family}" for (host, goal, family), count in losses.items()
           if count]
    step.expect(not bad, "packets lost: " + ", ".join(bad))
    step.measured(f"{len(pairs)} pairs of hosts and family, "
                  f"{sum(losses.values())} of {3 * len(pairs)} packets lost", pairs=len(pairs))


# ---- transfers


def transfers(demo: Demo, step: Step) -> None:
    content = Path("/dev/urandom").open("rb").read(TRANSFER_BYTES)
    folder = demo.folder / "web"
    folder.mkdir()
    (folder / "file").write_bytes(content)
    for family in FAMILIES:
        with tools.web_server(demo.lab, "IH9", str(folder), family) as url:
            step.command("H1", f"curl {url}/file | sha256sum")
            output = folder / f"got{family}"
            tools.run(demo.lab, "H1", "curl", "-sS", "-o", str(output), f"{url}/file", check=True)
            step.expect(output.read_bytes() == content,
                        f"16 MiB arrive as they were sent over IPv{family}")
            step.show(hashlib.sha256(output.read_bytes()).hexdigest())
    rates = {}
    for family in FAMILIES:
        step.command("H1", f"iperf3 -c {demo.address('IH9', family)} -t {IPERF_SECONDS}")
        rates[family] = tools.throughput(demo.lab, "H1", "IH9", family, IPERF_SECONDS)
        step.show(f"{rates[family] / 1e6:.0f} Mbit/s through the tunnel")
    step.measured(f"iperf3 {rates[4] / 1e6:.0f} Mbit/s IPv4, {rates[6] / 1e6:.0f} Mbit/s IPv6, "
                  "both by the user-space path", bits_per_second=list(rates.values()))


def path_mtu(demo: Demo, step: Step) -> None:
    """A packet that fits 1,500 octets but not with the outer header gets the right ICMP."""
    sizes = {4: 1500 - 28, 6: 1500 - 48}
    told = {}
    for family in FAMILIES:
        # What earlier steps learned is forgotten.
        tools.run(demo.lab, "H2", "ip", f"-{family}", "route", "flush", "cache")
        words = ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s",
                 str(sizes[family]), demo.address("IH9", family)]
        step.command("H2", " ".join(words))
        output = tools.run(demo.lab, "H2", *words).stdout
        found = re.search(r"mtu ?= ?(\d+)", output)
        if found is None:
            raise Problem(f"no packet too big: {output.strip()}")
        told[family] = int(found.group(1))
        step.show(next(line for line in output.splitlines() if "mtu" in line))
        step.expect(told[family] == 1500 - TUNNEL_BYTES[family],
                    f"the MTU told is 1500 less {TUNNEL_BYTES[family]}")
        # One request alone is waited for as long as -W says.
        words[words.index("-c") + 1], words[words.index("-W") + 1] = "1", "5"
        words[words.index("-s") + 1] = str(sizes[family] - TUNNEL_BYTES[family])
        fits = tools.read_ping(tools.run(demo.lab, "H2", *words).stdout)
        step.expect(fits.lost == 0, f"a packet of {told[family]} octets passes")
    step.measured(f"ITR1 says {told[4]} (IPv4) and {told[6]} (IPv6)", mtu=list(told.values()))
