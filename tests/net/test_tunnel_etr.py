"""The ETR on real packets: sender -- etr -- site, where the site has the micronets."""
from __future__ import annotations

import pytest
from network import Network, Node, await_that
from packets import Capture, send
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.layers.inet6 import ICMPv6TimeExceeded, IPv6
from scapy.packet import Raw

SENDER, ETR, SITE = "198.18.1.7", "198.18.1.1", "20.1.0.17"
SENDER6, ETR6, SITE6 = "3fff:1::7", "3fff:1::1", "2001:db8:0:40::9"


class Site:
    def __init__(self, network: Network, **config: object) -> None:
        self.folder = network.folder
        self.sender = network.namespace("sender")
        self.etr = network.namespace("etr", router=True)
        self.site = network.namespace("site")
        network.link(self.sender, self.etr, f"{SENDER}/24 {SENDER6}/64", f"{ETR}/24 {ETR6}/64")
        network.link(self.etr, self.site, "20.1.0.30/28 2001:db8:0:40::1/64",
                     f"{SITE}/28 {SITE6}/64")
        self.site.ip("route add default via 20.1.0.30")
        self.site.ip("-6 route add default via 2001:db8:0:40::1")
        self.node: Node = network.node(self.etr, {"name": "etr", "etr": {
            "device": "ivip0", "serves": ["20.1.0.16/28", "2001:db8:0:40::/62"], **config}})
        self.node.await_healthy()

    def arriving(self, packets: list, count: int) -> list:
        """Sends packets, and waits until `count` UDP packets came to the site."""
        with Capture(self.site, "etr", "udp and port 4000", self.folder) as capture:
            send(self.sender, packets, self.folder)
            await_that(f"{count} packets at the site", lambda: len(capture.packets()) >= count)
        return capture.packets()

    def dropped(self, reason: str) -> float:
        return self.node.metrics()[f'ivip_etr_dropped_total{{reason="{reason}"}}']


def inner4(**fields):
    return IP(src=SENDER, dst=SITE, **fields) / UDP(sport=4000, dport=4000) / Raw(b"for the site")


def inner6(**fields):
    return IPv6(src=SENDER6, dst=SITE6, **fields) / UDP(sport=4000, dport=4000) / Raw(b"site")


def test_delivers_with_the_outer_ttl(network: Network) -> None:
    site = Site(network)
    got = site.arriving([IP(src=SENDER, dst=ETR, ttl=40, proto=4) / inner4(ttl=60),
                         IPv6(src=SENDER6, dst=ETR6, hlim=41, nh=41) / inner6(hlim=61)], 2)
    # One less than outside: the ETR is a router, too.
    assert [p[IP].ttl for p in got if IP in p] == [39]
    assert [p[IPv6].hlim for p in got if IPv6 in p] == [40]
    assert bytes(next(p for p in got if IP in p)[Raw].load) == b"for the site"
    assert site.node.metrics()["ivip_etr_delivered_total"] == 2


def test_congestion_marks_reach_the_site(network: Network) -> None:
    site = Site(network)
    got = site.arriving([IP(src=SENDER, dst=ETR, proto=4, tos=3) / inner4(tos=2),
                         IPv6(src=SENDER6, dst=ETR6, nh=41, tc=3) / inner6(tc=1)], 2)
    assert {p[IP].tos if IP in p else p[IPv6].tc for p in got} == {3}


def test_outer_fragments_are_put_together(network: Network) -> None:
    site = Site(network)
    outer = IP(src=SENDER, dst=ETR, proto=4, id=77) / Raw(bytes(inner4() / Raw(bytes(1000))))
    got = site.arriving(fragment(outer, fragsize=400), 1)
    assert len(got[0][IP]) == 20 + 8 + 12 + 1000


def test_forged_packets_are_dropped_and_counted(network: Network) -> None:
    site = Site(network, refuse_sources=["198.18.200.0/24"])
    forged = {
        "source-mismatch": IP(src="198.18.1.66", dst=ETR, proto=4) / inner4(),
        "not-served": IP(src=SENDER, dst=ETR, proto=4) / IP(src=SENDER, dst="20.1.0.40") / UDP(),
        "source-refused": IP(src="198.18.200.1", dst=ETR, proto=4) /
                          IP(src="198.18.200.1", dst=SITE) / UDP(dport=4000),
        "bad-inner": IP(src=SENDER, dst=ETR, proto=4) / Raw(b"\x45 nonsense, and short"),
        "family-mixed": IP(src=SENDER, dst=ETR, proto=41) / inner6(),
    }
    got = site.arriving([*forged.values(), IP(src=SENDER, dst=ETR, proto=4) / inner4()], 1)
    assert len(got) == 1
    for reason in forged:
        assert site.dropped(reason) == 1, reason


def test_other_family_with_refused_sources(network: Network) -> None:
    site = Site(network, refuse_sources=["198.18.200.0/24", "3fff:200::/32"])
    got = site.arriving([IP(src=SENDER, dst=ETR, proto=41) / inner6(),
                         IPv6(src=SENDER6, dst=ETR6, nh=4) / inner4()], 2)
    assert len(got) == 2
    assert site.dropped("family-mixed") == 0


def test_reload(network: Network) -> None:
    """What it serves and whom it refuses changes without losing a packet's count or the device."""
    site = Site(network)
    packets = [IP(src=SENDER, dst=ETR, proto=4) / inner4()]
    site.arriving(packets, 1)
    serves = {"serves": ["20.1.0.16/28"]}
    assert site.node.reload(etr={"serves": ["20.1.0.24/29"]}) == {"v": 1}
    send(site.sender, packets, network.folder)
    await_that("it is not served", lambda: site.dropped("not-served") == 1)
    assert site.node.reload(etr=serves | {"refuse_sources": [f"{SENDER}/32"]}) == {"v": 1}
    send(site.sender, packets, network.folder)
    await_that("its source is refused", lambda: site.dropped("source-refused") == 1)
    assert "needs-restart" in str(site.node.reload(etr=serves | {"device": "ivip9"}))
    send(site.sender, packets, network.folder)
    await_that("its source is refused still", lambda: site.dropped("source-refused") == 2)
    assert site.node.reload(etr=serves) == {"v": 1}
    site.arriving(packets, 1)
    assert site.node.metrics()["ivip_etr_delivered_total"] == 2


def test_traceroute_sees_the_etr(network: Network) -> None:
    site = Site(network)
    with Capture(site.sender, "etr", "icmp or icmp6", network.folder) as capture:
        send(site.sender, [IP(src=SENDER, dst=ETR, ttl=1, proto=4) / inner4(ttl=1),
                           IPv6(src=SENDER6, dst=ETR6, hlim=1, nh=41) / inner6(hlim=1)],
             network.folder)

        def exceeded() -> list:
            return [p for p in capture.packets() if ICMPv6TimeExceeded in p or
                    (ICMP in p and p[ICMP].type == 11)]
        await_that("two time exceeded", lambda: len(exceeded()) == 2)
        for packet in exceeded():
            # It quotes the inner packet, which the sender's traceroute knows.
            assert bytes(IP(src=SENDER, dst=SITE))[12:20] in bytes(packet) or \
                bytes(IPv6(src=SENDER6, dst=SITE6))[8:40] in bytes(packet)


def test_health_names_what_is_wrong(network: Network) -> None:
    site = Site(network)
    site.etr.write("net/ipv4/ip_forward", 0)
    assert not site.node.healthy()
    assert "net.ipv4.ip_forward" in str(site.node.ask(command="status"))
    site.etr.write("net/ipv4/ip_forward", 1)
    site.etr.write("net/ipv4/conf/all/rp_filter", 1)
    assert "rp_filter" in str(site.node.ask(command="status"))
    site.etr.write("net/ipv4/conf/all/rp_filter", 2)
    assert site.node.healthy()


@pytest.mark.parametrize("how", ["TERM", "KILL"])
def test_device_goes_with_the_node(network: Network, how: str) -> None:
    import signal
    site = Site(network)
    assert "ivip0" in site.etr.run("ip", "link").stdout
    site.node.stop(signal.Signals[f"SIG{how}"])
    await_that("the device is gone", lambda: "ivip0" not in site.etr.run("ip", "link").stdout)
    site.node.start()
    site.node.await_healthy()
