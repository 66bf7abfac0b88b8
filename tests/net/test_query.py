"""The query system on real packets: QSAs die, a QSR restarts, packets are lost and forged, and one
who watches a mapping as an ITR does still hears of every change."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from network import IVIP, Namespace, Network, Node, await_that

MICRONET, INSIDE = "20.1.0.16/28", "20.1.0.20"
ETRS = ("198.18.3.1", "198.18.3.2", "198.18.3.3", "198.18.3.4")
PLACES = {"ruas": "192.0.2", "qsa1": "192.0.3", "qsa2": "192.0.4", "qsr": "192.0.5",
          "user": "192.0.6"}
# A silent server is taken for dead after 10 s and three alive checks (docs/query.md).
PATIENCE_SECONDS = 40.0


class Watcher:
    """`ivip query --watch`: asks once, then is told."""

    def __init__(self, place: Namespace, server: str) -> None:
        self.process = subprocess.Popen(
            place.command(IVIP, "query", "--watch", "--json", INSIDE, f"@{server}"),
            stdout=subprocess.PIPE, text=True)
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)

    def await_etr(self, etr: str) -> float:
        """Waits until the mapping is seen; returns how long that took."""
        start = time.monotonic()
        deadline = start + PATIENCE_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"the watcher does not see {etr} within {PATIENCE_SECONDS:g} s")
            if json.loads(line).get("etr") == etr:
                return time.monotonic() - start

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class System:
    places: dict[str, Namespace]
    nodes: dict[str, Node]
    token: str
    watchers: list[Watcher]

    def watch(self, server: str = "192.0.5.2") -> Watcher:
        watcher = Watcher(self.places["user"], server)
        self.watchers.append(watcher)
        return watcher

    def command(self, do: str, etr: str) -> None:
        body = json.dumps({"commands": [{"do": do, "micronet": MICRONET, "etr": etr}]})
        self.places["user"].run(
            "curl", "-skf", "-X", "POST", "https://192.0.2.2:4748/v1/commands", "-H",
            f"Authorization: Bearer {self.token}", "--data-binary", "@-", text=body)

    def map(self, etr: str) -> None:
        self.command("map", etr)

    def query(self, server: str, address: str = INSIDE) -> dict:
        done = self.places["user"].run(IVIP, "query", "--json", address, f"@{server}", check=False)
        return json.loads(done.stdout) if done.stdout else {}

    def has(self, server: str, etr: str) -> bool:
        """Whether that server answers with that mapping."""
        return self.query(server).get("etr") == etr

    def lose(self, place: str, percent: int) -> None:
        """Drops so many of the packets that come in there."""
        self.places[place].run("nft", "-f", "-", text=f"""
            table netdev faults {{
                chain in {{
                    type filter hook ingress device "middle" priority 0;
                    udp dport 4746 numgen random mod 100 < {percent} drop
                    udp sport 4746 numgen random mod 100 < {percent} drop
                }}
            }}""")


@pytest.fixture
def system(network: Network) -> Iterator[System]:
    middle = network.namespace("middle", router=True)
    places = {}
    for name, prefix in PLACES.items():
        places[name] = network.namespace(name)
        network.link(middle, places[name], f"{prefix}.1/24", f"{prefix}.2/24")
        places[name].ip(f"route add default via {prefix}.1")
    nodes = {"ruas": network.node(places["ruas"], {"name": "ruas", "ruas": {
        "listen": "192.0.2.2:4748", "public": "192.0.2.2:4747", "mabs": ["20.0.0.0/14"],
        "feeds": ["192.0.3.2:4749", "192.0.4.2:4749"]}})}
    source = [{"key": nodes["ruas"].public_key, "url": "http://192.0.2.2:4747"}]
    for name in ("qsa1", "qsa2"):
        nodes[name] = network.node(places[name], {"name": name, "qsa": {
            "listen": f"{PLACES[name]}.2:4746", "feed": f"{PLACES[name]}.2:4749", "ruas": source}})
    nodes["qsr"] = network.node(places["qsr"], {"name": "qsr", "qsr": {
        "listen": "192.0.5.2:4746", "upstreams": ["192.0.3.2:4746", "192.0.4.2:4746"]}})
    for node in nodes.values():
        node.await_healthy()
    operator = ("--control", str(nodes["ruas"].control))
    nodes["ruas"].ivip("user", "add", "anna", *operator, text="correct horse battery\n")
    nodes["ruas"].ivip("uab", "add", "20.1.0.0/24", "anna", *operator)
    token = nodes["ruas"].ivip("token", "add", "anna", *operator).stdout.strip()
    made = System(places, nodes, token, [])
    try:
        made.command("define", ETRS[0])
        for server in ("192.0.3.2", "192.0.4.2"):
            await_that(f"{server} has the micronet", partial(made.has, server, ETRS[0]))
        yield made
    finally:
        for watcher in made.watchers:
            watcher.close()


def test_changes_come_through_the_qsr_at_once(system: System) -> None:
    watcher = system.watch()
    watcher.await_etr(ETRS[0])
    sent = 'ivip_query_updates_total{role="qsa",what="sent"}'
    times = []
    for etr in (*ETRS[1:], *ETRS):
        system.map(etr)
        times.append(watcher.await_etr(etr))
        if len(times) == 1:  # tells also those who asked the QSAs while the system was set up
            before = system.nodes["qsa2"].metrics()[sent]
    print(f"changes seen after (ms): {[round(t * 1000) for t in times]}")
    qsr = system.nodes["qsr"].metrics()
    assert qsr['ivip_qsr_requests_total{how="asked"}'] == 1  # it was told the rest
    assert qsr['ivip_query_updates_total{role="qsr",what="acknowledged"}'] >= len(times)
    assert system.nodes["qsa2"].metrics()[sent] == before  # it was not asked, and told nobody


def test_changes_come_through_loss(system: System) -> None:
    # A question is given up after four tries, changes are told again and again: so it is asked first.
    watcher = system.watch()
    watcher.await_etr(ETRS[0])
    for place in ("qsr", "user", "qsa1"):
        system.lose(place, 30)
    for etr in ETRS[1:]:
        system.map(etr)
        watcher.await_etr(etr)


def test_a_dead_qsa_is_replaced(system: System) -> None:
    watcher = system.watch()
    watcher.await_etr(ETRS[0])
    system.nodes["qsa1"].stop(signal.SIGKILL)
    # A new question goes to the other QSA after the retry time.
    answer = system.query("192.0.5.2", "20.1.0.200")
    assert answer["status"] == "zero"
    # What the dead one told is given up after the liveness interval, and asked again.
    system.map(ETRS[1])
    took = watcher.await_etr(ETRS[1])
    print(f"change seen {took:.1f} s after the QSA's death")
    assert system.nodes["qsr"].metrics()[
        'ivip_querier_upstreams_total{role="qsr",what="lost"}'] == 1
    system.map(ETRS[2])
    watcher.await_etr(ETRS[2])
    # It comes back, and is preferred again after its penalty.
    system.nodes["qsa1"].start()
    system.nodes["qsa1"].await_healthy()
    preferred = system.nodes["qsr"]
    await_that("the QSR returns to its first QSA", lambda: not preferred.ask(command="status")[
        "roles"]["qsr"]["cache"]["upstreams"][0]["avoided"], seconds=PATIENCE_SECONDS)


def test_a_restarted_qsr_is_noticed(system: System) -> None:
    watcher = system.watch()
    watcher.await_etr(ETRS[0])
    system.nodes["qsr"].stop(signal.SIGKILL)
    system.nodes["qsr"].start()
    system.nodes["qsr"].await_healthy()
    # It knows nothing of the watcher any more: only its instance tells the watcher so.
    system.map(ETRS[1])
    took = watcher.await_etr(ETRS[1])
    print(f"change seen {took:.1f} s after the restart of the QSR")


def test_forgeries_change_nothing(system: System) -> None:
    scapy = pytest.importorskip("scapy.all")
    watcher = system.watch()
    watcher.await_etr(ETRS[0])
    forged = b"".join((
        bytes.fromhex("49760105005800000123456789abcdef"), os.urandom(8), bytes(4),
        b"\0\0\xff\xff", os.urandom(8),
        bytes.fromhex("00040400000927c0"), (0x14010010).to_bytes(8, "big"), (16).to_bytes(8, "big"),
        bytes((198, 51, 100, 66)), bytes(12), b"\xff" * 8))
    assert len(forged) == 88
    packet = scapy.IP(src="192.0.3.2", dst="192.0.5.2") / scapy.UDP(sport=4746, dport=4746) / forged
    before = system.nodes["qsr"].metrics()
    script = ("import socket, sys\n"
              "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)\n"
              "p = bytes.fromhex(sys.argv[1])\n"
              "for i in range(100): s.sendto(p, ('192.0.5.2', 0))\n")
    system.places["user"].run("/usr/bin/python3", "-c", script, bytes(packet).hex())
    name = 'ivip_querier_dropped_total{role="qsr",reason="repeated"}'
    await_that("the forgeries arrive",
               lambda: system.nodes["qsr"].metrics()[name] >= before[name] + 100)
    assert system.query("192.0.5.2")["etr"] == ETRS[0]
    system.map(ETRS[1])
    watcher.await_etr(ETRS[1])
