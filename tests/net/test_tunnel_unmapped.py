"""Packets whose mapping an ITR must ask for first: held, handed to a fallback, or let go; and what is
asked for at all.

The network of test_tunnel.py, with a full-database ITR (the fallback) behind the core, which also has
a route to it for the MABs.
"""
from __future__ import annotations

import re
import subprocess

import pytest
from network import Network, Node, await_that
from packets import Capture, send
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw
from test_tunnel import ETR, ETR6, HOST, SITE, SITE6, Internet

FALLBACK, FALLBACK_FEED = "198.18.5.1", "198.18.5.1:4749"
RUAS = "198.18.6.1"


class TwoItrs(Internet):
    """A caching ITR as configured, and the fallback with a RUAS that feeds it."""

    def __init__(self, network: Network, choices: dict, mabs: list[str] | None = None) -> None:
        self.network = network
        self.choices = choices
        self.mabs = mabs
        super().__init__(network, announce=False)

    def start_mappings(self, network: Network) -> dict:
        self.full_itr = network.namespace("full", router=True)
        self.ruas_place = network.namespace("ruas")
        network.link(self.core, self.full_itr, "198.18.5.2/24 3fff:5::2/64",
                     f"{FALLBACK}/24 3fff:5::1/64")
        network.link(self.core, self.ruas_place, "198.18.6.2/24", f"{RUAS}/24")
        self.full_itr.ip("route add default via 198.18.5.2")
        self.full_itr.ip("-6 route add default via 3fff:5::2")
        self.ruas_place.ip("route add default via 198.18.6.2")
        self.core.ip(f"route add 20.0.0.0/14 via {FALLBACK}")
        self.core.ip("-6 route add 2001:db8::/32 via 3fff:5::1")
        self.start_fallback(network)
        return super().start_mappings(network)

    def start_fallback(self, network: Network) -> None:
        self.ruas = network.node(self.ruas_place, {"name": "ruas", "ruas": {
            "listen": f"{RUAS}:4748", "public": f"{RUAS}:4747", "feeds": [FALLBACK_FEED],
            "mabs": ["20.0.0.0/14", "2001:db8::/32"]}})
        self.ruas.await_healthy()
        for request in ({"command": "ruas.user-add", "user": "anna", "password": "for the test 1"},
                        {"command": "ruas.uab-add", "user": "anna", "range": "20.1.0.0/24"},
                        {"command": "ruas.uab-add", "user": "anna", "range": "2001:db8:0:40::/60"}):
            assert "error" not in self.ruas.ask(**request)
        token = network.folder / "token"
        token.touch(mode=0o600)
        token.write_text(self.ruas.ask(command="ruas.token-add", user="anna")["token"] + "\n")
        self.client = network.folder / "client.yaml"
        self.client.touch(mode=0o600)
        self.client.write_text(f"uas: https://{RUAS}:4748\nkey: {self.ruas.public_key}\n"
                               f"token_file: {token}\n")
        self.define("20.1.0.16/28", ETR)
        self.define("2001:db8:0:40::/62", ETR6)
        self.full_config = {"device": "ivip0", "fallback_at": FALLBACK,
                            "fallback_for": ["198.18.1.0/24", "198.18.2.0/24", "3fff:1::/64"]}
        if self.mabs is not None:
            self.full_config["mabs"] = self.mabs
        self.fallback: Node = network.node(self.full_itr, {
            "name": "full", "itr": self.full_config,
            "qsa": {"listen": f"{FALLBACK}:4746", "feed": FALLBACK_FEED,
                    "ruas": [{"key": self.ruas.public_key, "url": f"http://{RUAS}:4747"}]}})
        self.fallback.await_healthy()

    def define(self, micronet: str, etr: str) -> None:
        self.ruas.ivip("define", "--client", self.client, micronet, etr)

    def itr_config(self, announce: bool) -> dict:
        return super().itr_config(announce) | self.choices

    def handed_over(self) -> float:
        return self.node.metrics()["ivip_itr_handed_over_total"]

    def taken_over(self) -> float:
        return self.fallback.metrics()["ivip_itr_taken_over_total"]


@pytest.fixture
def two_itrs(network: Network):
    made = []

    def make(choices: dict, **options) -> TwoItrs:
        made.append(TwoItrs(network, choices, **options))
        return made[0]
    yield make
    for each in made:
        each.close()


TUNNEL = {"unmapped": "tunnel", "fallback": FALLBACK}


@pytest.mark.parametrize("site", [SITE, SITE6])
def test_first_packets_go_through_the_fallback(two_itrs, site: str) -> None:
    net = two_itrs(TUNNEL)
    assert net.loses_nothing("-l", "1", "-i", "0.5", site)  # one after the other
    assert 1 <= net.handed_over() <= 2  # until the answer came
    assert net.taken_over() == net.handed_over()
    assert net.fallback.metrics()["ivip_itr_tunnelled_total"] == net.taken_over()
    assert net.node.metrics()["ivip_itr_held_total"] == 0
    # What the caching ITR handed over, the fallback charges for; nothing is charged for twice.
    usage = [node.ask(command="itr.usage")["usage"] for node in (net.node, net.fallback)]
    assert sum(record["packets"] for records in usage for record in records) == 3


def test_the_fallback_carries_all_while_nobody_answers(two_itrs) -> None:
    net = two_itrs(TUNNEL)
    net.map(silent=True)
    with Capture(net.core, "itr", f"proto 4 and dst host {FALLBACK}", net.folder) as capture:
        assert net.loses_nothing("20.1.0.17")
        await_that("three packets to the fallback", lambda: len(capture.packets()) == 3)
    for packet in capture.packets():
        assert packet[IP].src == HOST and packet[IP].payload[IP].src == HOST
        assert packet[IP].ttl == packet[IP].payload[IP].ttl == 63
    assert net.handed_over() == net.taken_over() == 3


def test_the_fallback_takes_from_its_own_network_only(two_itrs) -> None:
    net = two_itrs(TUNNEL)
    before = net.fallback.metrics()["ivip_itr_tunnelled_total"]
    inner = IP(src=ETR, dst=SITE) / UDP() / Raw(b"x")
    forged = IP(src=ETR, dst=FALLBACK, proto=4) / IP(src=HOST, dst=SITE) / UDP()
    elsewhere = IP(src=HOST, dst=FALLBACK, proto=4) / IP(src=HOST, dst="9.9.9.9") / UDP()
    last_hop = IP(src=HOST, dst=FALLBACK, proto=4) / IP(src=HOST, dst=SITE, ttl=1) / UDP()
    send(net.etr, [IP(src=ETR, dst=FALLBACK, proto=4) / inner, forged], net.folder)
    send(net.host, [elsewhere, last_hop], net.folder)

    def metric(name: str) -> float:
        return net.fallback.metrics()[name]
    await_that("the last is dropped for its TTL", lambda: metric(
        'ivip_itr_not_tunnelled_total{reason="ttl-expired"}') == 1)
    await_that("both from outside are refused", lambda: metric(
        'ivip_itr_not_taken_over_total{reason="source-refused"}') == 1 and metric(
        'ivip_itr_not_taken_over_total{reason="source-mismatch"}') == 1)
    assert metric("ivip_itr_tunnelled_total") == before


def test_a_mapping_to_the_fallback_itself_makes_no_loop(two_itrs) -> None:
    net = two_itrs(TUNNEL)
    net.define("20.1.0.64/28", FALLBACK)
    net.mappings.append(["20.1.0.64", 16, FALLBACK])
    net.map()
    await_that("the fallback refuses", lambda: net.ping("20.1.0.65", check=False) and
               net.fallback.metrics()['ivip_itr_not_tunnelled_total{reason="etr-refused"}'] >= 3)
    assert net.fallback.metrics()["ivip_itr_tunnelled_total"] == 0


@pytest.mark.parametrize("site", [SITE, SITE6])
def test_let_go_reaches_the_other_itr_as_it_came(two_itrs, site: str) -> None:
    net = two_itrs({"unmapped": "pass", "pass_device": "core"})
    net.map(silent=True)
    assert net.loses_nothing(site)
    assert net.node.metrics()["ivip_itr_let_go_total"] == 3
    assert net.fallback.metrics()["ivip_itr_tunnelled_total"] == 3
    assert net.taken_over() == 0
    net.map()
    before = net.node.metrics()["ivip_itr_tunnelled_total"]
    await_that("it tunnels by itself", lambda: net.ping(site) and
               net.node.metrics()["ivip_itr_tunnelled_total"] > before)


def test_let_go_tcp_is_cut_and_complete(two_itrs) -> None:
    """Super-packets are cut into segments with finished checksums, without an outer header."""
    net = two_itrs({"unmapped": "pass", "pass_device": "core"})
    net.map(silent=True)
    size = 2_000_000
    receive = ("import socket,sys\ns=socket.create_server((sys.argv[1],5001))\n"
               "print('ready',flush=True)\nc,_=s.accept()\nn=0\n"
               "while d:=c.recv(1<<20):\n assert d==b'x'*len(d);n+=len(d)\nprint(n)")
    transmit = ("import socket,sys\nsocket.create_connection((sys.argv[1],5001),timeout=20)"
                f".sendall(b'x'*{size})")
    server = subprocess.Popen(net.site.command("/usr/bin/python3", "-c", receive, SITE),
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    net.host.run("/usr/bin/python3", "-c", transmit, SITE)
    assert server.communicate(timeout=60)[0].strip() == str(size)
    assert net.node.metrics()["ivip_itr_let_go_total"] > size / 1500


def test_no_question_for_one_packet(two_itrs) -> None:
    net = two_itrs(TUNNEL | {"ask_after": 2})
    scan = [IP(src=HOST, dst=f"20.1.0.{last}") / UDP() / Raw(b"x") for last in range(16, 32)]
    send(net.host, scan, net.folder)
    await_that("all go through the fallback", lambda: net.taken_over() == 16)
    assert net.node.metrics()["ivip_itr_not_asked_total"] == 16
    assert net.node.metrics()["ivip_itr_tunnelled_total"] == 0
    assert "20.1.0.16/28" not in {c["range"] for c in net.node.ask(command="itr.cache")["cache"]}
    send(net.host, scan[:1], net.folder)
    await_that("the second one is asked for", lambda: "20.1.0.16/28" in
               {c["range"] for c in net.node.ask(command="itr.cache")["cache"]})


def test_itrs_share_mabs(two_itrs) -> None:
    """Each takes the MABs that its config lists, and a reload moves them."""
    net = two_itrs({"mabs": ["20.0.0.0/14"]}, mabs=["2001:db8::/32"])

    def routes(place) -> str:
        return "".join(place.run("ip", family, "route", "show", "dev", "ivip0", "proto", "156").stdout
                       for family in ("-4", "-6"))
    assert "20.0.0.0/14" in routes(net.itr) and "2001:db8::/32" not in routes(net.itr)
    assert "2001:db8::/32" in routes(net.full_itr) and "20.0.0.0/14" not in routes(net.full_itr)
    assert net.loses_nothing(SITE)
    assert net.loses_nothing(SITE6)
    assert net.node.metrics()["ivip_itr_tunnelled_total"] == 3
    assert net.fallback.metrics()["ivip_itr_tunnelled_total"] == 3
    # They change places. The caching one is told to refuse its ETR, too.
    caching = net.itr_config(announce=False) | {"mabs": ["2001:db8::/32"]}
    full = net.full_config | {"mabs": ["20.0.0.0/14"]}
    assert net.node.reload(itr=caching | {"refuse": ["3fff:3::/64"]}) == {"v": 1}
    assert net.fallback.reload(itr=full) == {"v": 1}
    await_that("the routes have moved", lambda: "20.0.0.0/14" not in routes(net.itr) and
               "2001:db8::/32" in routes(net.itr) and "20.0.0.0/14" in routes(net.full_itr) and
               "2001:db8::/32" not in routes(net.full_itr))
    assert net.loses_nothing(SITE)
    assert net.fallback.metrics()["ivip_itr_tunnelled_total"] == 6
    net.ping(SITE6, check=False)
    assert net.node.metrics()['ivip_itr_not_tunnelled_total{reason="etr-refused"}'] == 3
    assert net.node.reload(itr=caching) == {"v": 1}
    assert net.loses_nothing(SITE6)
    # What only a restart can change stays, and so does all else.
    assert "needs-restart" in str(net.node.reload(
        itr=caching | {"mabs": ["20.0.0.0/14"], "device": "ivip9"}))
    assert "2001:db8::/32" in routes(net.itr) and "20.0.0.0/14" not in routes(net.itr)


def test_mappings_in_use_are_renewed_without_a_gap(two_itrs) -> None:
    net = two_itrs({})
    net.caching_ms = 2000
    net.map()
    assert net.loses_nothing(SITE)
    held = net.node.metrics()["ivip_itr_held_total"]
    # Three caching times of traffic: none of it waits for a mapping.
    pings = net.host.run("ping", "-c", "120", "-i", "0.05", "-w", "20", SITE).stdout
    answered = {int(number) for number in re.findall(r"bytes from .* icmp_seq=(\d+)", pings)}
    assert answered >= set(range(1, 121)), pings
    assert net.node.metrics()["ivip_itr_held_total"] == held
    # Nobody renews what is not used.
    await_that("the mapping expires", lambda: "20.1.0.16/28" not in
               {c["range"] for c in net.node.ask(command="itr.cache")["cache"]})
