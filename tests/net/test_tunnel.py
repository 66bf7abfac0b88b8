"""ITR and ETR on real packets.

    host --- itr --- core --- etr --- site        and  core --- etr2 --- site
                       \\
                        query server

The host has an ordinary address; the site has micronets in 20.1.0.16/28 and 2001:db8:0:40::/62.
What the site sends back goes the ordinary way.
"""
from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from network import Namespace, Network, Node, await_that
from packets import Capture, send
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.packet import Raw

HERE = Path(__file__).resolve().parent
HOST, HOST6 = "198.18.1.7", "3fff:1::7"
SITE, SITE6 = "20.1.0.17", "2001:db8:0:40::9"
ETR, ETR6, ETR2 = "198.18.3.1", "3fff:3::1", "198.18.4.1"
QUERY = "198.18.2.9"


class Internet:
    caching_ms = 600_000
    outside: dict[str, list[str]] = {}  # by port of a server: addresses that it holds to be in no MAB

    def __init__(self, network: Network, core_mtu: int = 1500, announce: bool = True) -> None:
        self.folder = network.folder
        self.host = network.namespace("host")
        self.itr = network.namespace("itr", router=True)
        self.core = network.namespace("core", router=True)
        self.etr = network.namespace("etr", router=True)
        self.etr2 = network.namespace("etr2", router=True)
        self.site = network.namespace("site")
        self.query = network.namespace("query")
        network.link(self.host, self.itr, f"{HOST}/24 {HOST6}/64", "198.18.1.1/24 3fff:1::1/64")
        network.link(self.itr, self.core, "198.18.2.1/30 3fff:2::1/64",
                     "198.18.2.2/30 3fff:2::2/64", mtu=core_mtu)
        network.link(self.core, self.query, "198.18.2.10/29", f"{QUERY}/29")
        network.link(self.core, self.etr, "198.18.3.2/24 3fff:3::2/64", f"{ETR}/24 {ETR6}/64")
        network.link(self.core, self.etr2, "198.18.4.2/24", f"{ETR2}/24")
        network.link(self.etr, self.site, "20.1.0.30/28 2001:db8:0:40::1/64",
                     f"{SITE}/28 {SITE6}/64")
        network.link(self.etr2, self.site, "10.0.0.1/24", "10.0.0.2/24")
        self.route()
        self.nodes = [self.etr_node(network, self.etr), self.etr_node(network, self.etr2)]
        self.node: Node = network.node(self.itr, {"name": "itr", **self.start_mappings(network),
                                                  "itr": self.itr_config(announce)})
        for node in [*self.nodes, self.node]:
            node.await_healthy()

    def start_mappings(self, network: Network) -> dict:
        """Starts what the ITR has its mappings from; returns more of its node's config."""
        self.mappings = [["20.1.0.16", 16, ETR], ["2001:db8:0:40::", 4, ETR6]]
        self.state = network.folder / "mappings.json"
        self.map()
        self.server = subprocess.Popen(self.query.command(
            sys.executable, HERE / "query_server.py", QUERY, "4746", self.state))
        return {}

    def itr_config(self, announce: bool) -> dict:
        return {"device": "ivip0", "upstreams": [f"{QUERY}:4746"], "announce": announce,
                "mabs": ["20.0.0.0/14", "2001:db8::/32"], "refuse": ["198.51.100.0/24"]}

    def route(self) -> None:
        self.host.ip("route add default via 198.18.1.1")
        self.host.ip("-6 route add default via 3fff:1::1")
        self.itr.ip("route add default via 198.18.2.2")
        self.itr.ip("-6 route add default via 3fff:2::2")
        self.core.ip("route add 198.18.1.0/24 via 198.18.2.1")
        self.core.ip("-6 route add 3fff:1::/64 via 3fff:2::1")
        self.query.ip("route add default via 198.18.2.10")
        self.etr.ip("route add default via 198.18.3.2")
        self.etr.ip("-6 route add default via 3fff:3::2")
        self.etr2.ip("route add default via 198.18.4.2")
        self.etr2.ip("route add 20.1.0.16/28 via 10.0.0.2")
        self.site.ip("route add default via 20.1.0.30")
        self.site.ip("-6 route add default via 2001:db8:0:40::1")

    @staticmethod
    def etr_node(network: Network, place: Namespace) -> Node:
        return network.node(place, {"name": place.label, "etr": {
            "device": "ivip0", "serves": ["20.1.0.16/28", "2001:db8:0:40::/62"]}})

    def map(self, silent: bool = False) -> None:
        """Puts the mappings in force."""
        new = self.state.with_suffix(".new")
        new.write_text(json.dumps({"mappings": self.mappings, "silent": silent,
                                   "caching_ms": self.caching_ms, "outside": self.outside}))
        new.rename(self.state)

    def ping(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.host.run("ping", "-c", "3", "-i", "0.05", "-W", "2", *words, check=check)

    def loses_nothing(self, *words: str) -> bool:
        """Whether three packets, sent at once, are all answered. For the last answers ping waits
        no longer than the interval, or twice the slowest answer: with ping() a busy machine loses."""
        shown = self.ping("-l", "3", "-i", "5", *words, check=False).stdout
        print(shown)  # for the report of a failure
        return " 0% packet loss" in shown

    def close(self) -> None:
        self.server.kill()
        self.server.wait()


@pytest.fixture
def internet(network: Network):
    made = []

    def make(**options) -> Internet:
        made.append(Internet(network, **options))
        return made[0]
    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("site", [SITE, SITE6])
def test_ping_without_loss(internet, site: str) -> None:
    """Also the first packet arrives: it is held while the ITR asks."""
    assert internet().loses_nothing(site)


def test_the_wire_shows_plain_ip_in_ip_from_the_sender(internet) -> None:
    net = internet()
    with Capture(net.core, "itr", "proto 4 or ip6 proto 41", net.folder) as capture:
        net.ping(SITE)
        net.ping(SITE6)
        await_that("six tunnelled packets", lambda: len(capture.packets()) >= 6)
    fields = ["-e", "ip.src", "-e", "ip.dst", "-e", "ip.proto", "-e", "ip.ttl", "-e", "ip.flags.df"]
    shown = subprocess.run(["tshark", "-r", capture.path, "-Y", "ip", "-T", "fields", *fields],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    # Both headers have the sender as source, and the same TTL, one below what the host sent.
    assert shown == ["\t".join([f"{HOST},{HOST}", f"{ETR},{SITE}", "4,1", "63,63", "1,1"])] * 3
    shown = subprocess.run(["tshark", "-r", capture.path, "-Y", "ipv6", "-T", "fields", "-e",
                            "ipv6.src", "-e", "ipv6.dst", "-e", "ipv6.nxt", "-e", "ipv6.hlim"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    assert shown == ["\t".join([f"{HOST6},{HOST6}", f"{ETR6},{SITE6}", "41,58", "63,63"])] * 3


def test_remapping_moves_the_packets(internet) -> None:
    net = internet()
    net.ping(SITE)
    before = net.nodes[1].metrics()["ivip_etr_delivered_total"]
    net.mappings[0][2] = ETR2
    net.map()
    await_that("packets through the other ETR", lambda: net.ping(SITE) and
               net.nodes[1].metrics()["ivip_etr_delivered_total"] > before)
    assert net.loses_nothing(SITE)


def test_mapped_to_zero(internet) -> None:
    net = internet()
    net.mappings = [["20.1.0.16", 16, None], ["2001:db8:0:40::", 4, None]]
    net.map()
    assert "Destination Host Unreachable" in net.ping(SITE, check=False).stdout
    assert "Address unreachable" in net.ping(SITE6, check=False).stdout
    assert net.node.metrics()['ivip_itr_not_tunnelled_total{reason="mapped-to-zero"}'] == 6


def test_never_to_a_mab_or_a_refused_prefix(internet) -> None:
    net = internet()
    net.mappings = [["20.1.0.16", 1, "20.1.0.99"], ["20.1.0.17", 1, "198.51.100.1"],
                    ["20.1.0.18", 1, "224.0.0.5"]]
    net.map()
    with Capture(net.core, "itr", "proto 4", net.folder) as capture:
        for last in (16, 17, 18):
            net.ping(f"20.1.0.{last}", check=False)
    counters = net.node.metrics()
    for reason in ("etr-in-mab", "etr-refused", "etr-not-routable"):
        assert counters[f'ivip_itr_not_tunnelled_total{{reason="{reason}"}}'] == 3
    assert capture.packets() == []


@pytest.mark.parametrize("site,host", [(SITE, HOST), (SITE6, HOST6)])
def test_path_mtu(internet, site: str, host: str) -> None:
    net = internet()
    overhead = 20 if "." in site else 40
    header = 28 if "." in site else 48
    fits = str(1500 - overhead - header)
    assert net.loses_nothing("-M", "do", "-s", fits, site)
    with Capture(net.host, "itr", "icmp or icmp6", net.folder) as capture:
        refused = net.ping("-M", "do", "-s", str(1500 - header), site, check=False)
        assert f"mtu = {1500 - overhead}" in refused.stdout.replace("mtu=", "mtu = ")
    errors = [p for p in capture.packets() if ICMPv6PacketTooBig in p or
              (ICMP in p and p[ICMP].type == 3)]
    assert len(errors) == 1
    # It comes from the ITR, and quotes as much as the standards want.
    assert len(errors[0][IP] if IP in errors[0] else errors[0][IPv6]) == \
        (576 if "." in site else 1280)
    assert (errors[0][IP] if IP in errors[0] else errors[0][IPv6]).src in ("198.18.1.1", "3fff:1::1")


def test_without_df_it_is_fragmented(internet) -> None:
    net = internet()
    assert net.loses_nothing("-M", "dont", "-s", "1472", SITE)
    assert net.loses_nothing("-M", "dont", "-s", "4000", SITE)
    assert net.node.metrics()["ivip_itr_fragmented_total"] > 0


@pytest.mark.parametrize("mtu", [1500, 1400])
@pytest.mark.parametrize("site", [SITE, SITE6])
def test_tcp_carries_much(internet, mtu: int, site: str) -> None:
    """TCP whose MSS does not fit the tunnel must find the path MTU, and every octet arrive."""
    net = internet(core_mtu=mtu)
    size = 20_000_000
    receive = ("import socket,sys,hashlib\n"
               "s=socket.create_server((sys.argv[1],5001),family=socket.AF_INET6 if ':' in "
               "sys.argv[1] else socket.AF_INET)\nprint('ready',flush=True)\nc,_=s.accept()\n"
               "h=hashlib.sha256();n=0\nwhile d:=c.recv(1<<20):\n h.update(d);n+=len(d)\n"
               "print(n,h.hexdigest())")
    transmit = ("import socket,sys,random,hashlib\nd=random.Random(1).randbytes(%d)\n"
                "socket.create_connection((sys.argv[1],5001),timeout=20).sendall(d)\n"
                "print(hashlib.sha256(d).hexdigest())") % size
    server = subprocess.Popen(net.site.command("/usr/bin/python3", "-c", receive, site),
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    digest = net.host.run("/usr/bin/python3", "-c", transmit, site).stdout.strip()
    assert server.communicate(timeout=60)[0].split() == [str(size), digest]
    counters = net.node.metrics()
    assert counters['ivip_itr_not_tunnelled_total{reason="too-big"}'] > 0
    assert counters["ivip_itr_segments_total"] > counters["ivip_itr_tunnelled_total"]


def test_traceroute(internet) -> None:
    net = internet()
    shown = net.host.run("traceroute", "-n", "-q", "1", "-w", "1", SITE).stdout
    hops = re.findall(r"^ *(\d+)  (\S+)", shown, re.MULTILINE)
    # The ITR, the core inside the tunnel (which quotes the outer packet, so that the host's
    # traceroute may not know it), the ETR by the site's side, and the site.
    assert hops[0] == ("1", "198.18.1.1")
    assert hops[1][1] in ("*", "198.18.2.2")
    assert hops[-1] == ("4", SITE)
    assert len(hops) == 4


def test_routes_for_bgp_follow_the_query_servers(internet) -> None:
    net = internet()

    def routes(family: str) -> str:
        return net.itr.run("ip", family, "route", "show", "proto", "155").stdout
    assert "20.0.0.0/14 dev ivip0" in routes("-4")
    assert "2001:db8::/32 dev ivip0" in routes("-6")
    net.map(silent=True)
    # Packets make it notice at once; without any it takes MAB_QUIET_SECONDS.
    for last in range(20, 26):
        net.ping(f"20.1.0.{last + 100}", check=False)
    await_that("the IPv4 route is withdrawn", lambda: routes("-4") == "")
    assert not net.node.healthy()
    await_that("the idle MAB's route is withdrawn", lambda: routes("-6") == "", 40)
    net.map()
    await_that("the routes are back", lambda: "20.0.0.0/14" in routes("-4") and
               "2001:db8::/32" in routes("-6"))
    assert net.node.healthy()


def test_lost_routes_are_put_back(internet) -> None:
    """Whoever takes the device down, or the routes away, does not silence the ITR for good."""
    net = internet()

    def routes() -> str:
        return "".join(net.itr.run("ip", family, "route", "show", "proto", "155").stdout
                       for family in ("-4", "-6"))

    def all_there() -> bool:
        return "20.0.0.0/14 dev ivip0" in routes() and "2001:db8::/32 dev ivip0" in routes()
    for family, other in (("-4", "-6"), ("-6", "-4")):
        net.itr.ip(f"{family} route flush proto 155")
        await_that("both routes are there again", all_there)
        assert net.loses_nothing(SITE if other == "-6" else SITE6)
    net.itr.ip("link set ivip0 down")
    await_that("the node says so", lambda: "device ivip0 is down" in str(
        net.node.ask(command="health")))
    net.itr.ip("link set ivip0 up")
    await_that("the routes are back", all_there)
    net.node.await_healthy()
    assert net.loses_nothing(SITE) and net.loses_nothing(SITE6)
    net.itr.ip("link delete ivip0")
    await_that("the node says that, too", lambda: "somebody removed device ivip0" in str(
        net.node.ask(command="health")))


def test_what_the_itr_is_too_slow_for_is_counted(internet) -> None:
    net = internet()
    assert net.node.process is not None
    net.ping(SITE)
    net.node.process.send_signal(signal.SIGSTOP)
    net.host.run("ping", "-q", "-i", "0.001", "-c", "1000", "-W", "0.1", SITE, check=False)
    net.node.process.send_signal(signal.SIGCONT)
    await_that("the drops are counted", lambda: net.node.metrics()["ivip_itr_overflowed_total"] > 0)


def test_an_itr_in_the_sending_host(internet) -> None:
    """An ITFH (arch §2.26): what the ITR's own host sends is tunnelled as well, from its own address."""
    net = internet(announce=False)
    with Capture(net.core, "itr", "proto 4", net.folder) as capture:
        shown = net.itr.run("ping", "-c", "3", "-l", "3", "-i", "5", SITE).stdout
        assert " 0% packet loss" in shown
        await_that("three tunnelled packets", lambda: len(capture.packets()) >= 3)
    for packet in capture.packets():
        assert packet[IP].src == packet[IP].payload[IP].src
        assert (packet[IP].dst, packet[IP].payload[IP].dst) == (ETR, SITE)


def test_local_itr_uses_another_protocol_number(internet) -> None:
    net = internet(announce=False)
    assert net.itr.run("ip", "route", "show", "proto", "155").stdout == ""
    assert "20.0.0.0/14" in net.itr.run("ip", "route", "show", "proto", "156").stdout


def test_no_answer_gives_unreachable(internet) -> None:
    net = internet()
    net.map(silent=True)
    assert "Destination Net Unreachable" in net.ping("20.1.0.200", check=False).stdout
    assert "Destination unreachable: No route" in net.ping("2001:db8:0:77::1", check=False).stdout


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind(internet, how: signal.Signals) -> None:
    net = internet()
    net.ping(SITE)
    net.node.stop(how)
    await_that("device and routes are gone", lambda: "ivip0" not in
               net.itr.run("ip", "link").stdout + net.itr.run("ip", "route").stdout)
    net.node.start()
    net.node.await_healthy()
    assert net.loses_nothing(SITE)


def test_other_family_etr(internet) -> None:
    """IPv4 through an IPv6 ETR, from the ITR's own address; the ETR wants to know whom to refuse."""
    net = internet()
    net.nodes[0].stop()
    net.nodes[0].write_config({"name": "etr", "etr": {
        "device": "ivip0", "serves": ["20.1.0.16/28", "2001:db8:0:40::/62"],
        "refuse_sources": ["198.18.3.0/24", "3fff:3::/64"]}})
    net.nodes[0].start()
    net.nodes[0].await_healthy()
    net.mappings = [["20.1.0.16", 16, ETR6], ["2001:db8:0:40::", 4, ETR]]
    net.map()
    with Capture(net.core, "itr", "ip6 proto 4 or ip proto 41", net.folder) as capture:
        assert net.loses_nothing(SITE)
        assert net.loses_nothing(SITE6)
        await_that("both kinds of tunnel", lambda: len(capture.packets()) >= 6)
    sources = {p[IPv6].src if p.type == 0x86dd else p[IP].src for p in capture.packets()}
    assert sources == {"3fff:2::1", "198.18.2.1"}


def test_status_and_commands(internet) -> None:
    net = internet()
    net.ping(SITE)
    paths = net.node.ask(command="itr.paths")["paths"]
    assert [(p["etr"], p["mtu"], p["rule"]) for p in paths] == [(ETR, 1500, "allowed")]
    usage = net.node.ask(command="itr.usage", take=True)
    assert usage["usage"] == [{"micronet": "20.1.0.16/28", "packets": 3, "octets": 3 * 84}]
    assert net.node.ask(command="itr.usage")["usage"] == []
    cache = {c["range"]: c["etr"] for c in net.node.ask(command="itr.cache")["cache"]}
    assert cache["20.1.0.16/28"] == ETR


def test_odd_packets_do_no_harm(internet) -> None:
    net = internet()
    later = IP(src=HOST, dst=SITE, frag=5, proto=17) / Raw(b"12345678")
    nested = IP(src=HOST, dst=SITE, proto=4) / IP(src=HOST, dst=SITE) / UDP()
    link_local = IP(src="169.254.1.1", dst=SITE) / UDP()
    send(net.host, [later, nested, link_local], net.folder)
    reason = 'ivip_itr_not_tunnelled_total{reason="source-not-routable"}'
    await_that("the last one is counted", lambda: net.node.metrics()[reason] == 1)
    assert net.loses_nothing(SITE)
