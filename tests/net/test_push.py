"""Fast push between whole nodes: a RUAS and a QSA in namespaces, over a network that loses packets,
with either killed at any moment. Their databases must be equal in the end: the running hashes that
both report are compared."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from network import Namespace, Network, Node, await_that

PASSWORD = "correct horse battery"

# Changes mappings as fast as it is answered, until it has done so many sets or the RUAS is gone.
CHANGER = """
import http.client, json, ssl, sys
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("192.0.2.1", 4748, context=context, timeout=20)
token, first, sets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + sets):
    etr = f"198.18.{number // 256 % 256}.{number % 256}"
    body = json.dumps({"commands": [
        {"do": "map", "micronet": f"20.1.0.{number % 32}", "etr": etr},
        {"do": "map", "micronet": f"20.1.0.{32 + number % 7}", "etr": "zero"}]})
    connection.request("POST", "/v1/commands", body, {"Authorization": "Bearer " + token})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status}: {text}")
"""

# Keeps 200 connections in the middle of their TLS handshakes, says so, and begins and breaks off
# further ones until it is killed.
HANDSHAKER = """
import socket, ssl
context = ssl._create_unverified_context()
def begin():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    connection = socket.create_connection(("192.0.2.1", 4748), 20)
    connection.sendall(outgoing.read())
    assert connection.recv(16384)  # the server has done its part
    return connection
held = [begin() for _ in range(200)]
print("held", flush=True)
while True:
    begin().close()
"""

# Sends datagrams that look like payloads of that RUAS, and noise.
FORGER = """
import os, socket, struct, sys, time
target, ruas, epoch, sequence = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(400):
    section = struct.pack("!BBH", 2, 0, 0)
    body = ruas + struct.pack("!QQQ", epoch + number % 2, sequence + 1 + number % 50, 1) + section
    forged = struct.pack("!HBBHH", 0x4976, 1, 32, 8 + len(body) + 64, 0) + body + os.urandom(64)
    udp.sendto(forged, (target, 4749))
    udp.sendto(os.urandom(number % 1400), (target, 4749))
    udp.sendto(forged[:number % len(forged)], (target, 4749))
    time.sleep(0.002)
"""


@dataclass
class Push:
    ruas_place: Namespace
    qsa_place: Namespace
    ruas: Node
    qsa: Node
    token: str = ""
    changed: int = 0
    running: list[subprocess.Popen] = field(default_factory=list)

    def changer(self, sets: int) -> subprocess.Popen:
        """Changes mappings in the background."""
        words = self.ruas_place.command(sys.executable, "-c", CHANGER, self.token,
                                        str(self.changed), str(sets))
        self.changed += sets
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.running.append(process)
        return process

    def change(self, sets: int) -> None:
        process = self.changer(sets)
        _out, wrong = process.communicate(timeout=60)
        assert process.returncode == 0, wrong

    def master(self) -> dict[str, tuple[int, str]]:
        """What the RUAS says: MAB to sequence and hash."""
        mabs = self.status(self.ruas, "ruas")["feed"]["mabs"]
        return {one["mab"]: (one["sequence"], one["hash"]) for one in mabs}

    def sequence(self) -> int:
        """Sets that the RUAS has sent for the MAB that is changed."""
        return self.master()["20.0.0.0/14"][0]

    def await_changes(self, wanted: int) -> None:
        """Waits until that set was sent."""
        await_that("mappings change", lambda: self.sequence() >= wanted)

    def copies(self) -> dict[str, tuple[int, str]]:
        """What the QSA says of the MABs that are in step."""
        mabs = self.status(self.qsa, "qsa")["feed"]["mabs"]
        return {one["mab"]: (one["sequence"], one["hash"]) for one in mabs if one["in_step"]}

    @staticmethod
    def status(node: Node, role: str) -> dict:
        return node.ask(command="status")["roles"][role]

    def await_equal(self) -> None:
        def equal() -> bool:
            try:
                return self.master() == self.copies()
            except (OSError, ValueError, KeyError):
                return False
        try:
            await_that("the QSA's databases equal to those of the RUAS", equal)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}\nmaster {self.master()}\ncopies {self.copies()}\n"
                        f"{self.qsa.log()[-3000:]}")

    def counter(self, name: str) -> float:
        return self.qsa.metrics().get(f"ivip_feed_in_{name}", 0)

    def lose(self, rule: str) -> None:
        """Drops what matches an nftables rule as it comes in at the QSA; "" ends that."""
        self.qsa_place.run("nft", "flush", "ruleset")
        if rule:
            self.qsa_place.run("nft", "-f", "-", text=(
                "table netdev loss { chain in { type filter hook ingress device \"ruas\" "
                f"priority 0;\n{rule} drop\n}}\n}}\n"))


@pytest.fixture
def push(network: Network) -> Iterator[Push]:
    ruas_place, qsa_place = network.namespace("ruas"), network.namespace("qsa")
    network.link(ruas_place, qsa_place, "192.0.2.1/24 2001:db8:ffff::1/64",
                 "192.0.2.2/24 2001:db8:ffff::2/64")
    ruas = network.node(ruas_place, {
        "name": "ruas",
        "ruas": {"listen": "192.0.2.1:4748", "public": "192.0.2.1:4747",
                 "mabs": ["20.0.0.0/14", "2001:db8::/32"], "feeds": ["192.0.2.2:4749"]}},
        start=False)
    qsa = network.node(qsa_place, {
        "name": "qsa",
        "qsa": {"listen": "192.0.2.2:4746", "feed": "192.0.2.2:4749",
                "ruas": [{"key": ruas.public_key, "url": "http://192.0.2.1:4747"}]}}, start=False)
    made = Push(ruas_place, qsa_place, ruas, qsa)
    ruas.start()
    ruas.await_healthy()
    assert "error" not in ruas.ask(command="ruas.user-add", user="anna", password=PASSWORD)
    assert "error" not in ruas.ask(command="ruas.uab-add", range="20.1.0.0/24", user="anna")
    made.token = ruas.ask(command="ruas.token-add", user="anna")["token"]
    define(made)
    qsa.start()
    qsa.await_healthy()
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
        process.wait()
    qsa.stop()
    ruas.stop()


def define(push: Push) -> None:
    """One set that does not fit one payload."""
    commands = [{"do": "define", "micronet": f"20.1.0.{number}", "etr": "198.18.3.1"}
                for number in range(256)]
    answer = push.ruas_place.run(
        "curl", "-sk", "https://192.0.2.1:4748/v1/commands", "-H",
        f"Authorization: Bearer {push.token}", "--data-binary", "@-",
        text=json.dumps({"commands": commands})).stdout
    assert "sequence" in json.loads(answer), answer


def test_loss(push: Push) -> None:
    """One packet in ten is lost, HTTP's included."""
    push.await_equal()
    reloaded = push.counter("reloaded_total")
    push.lose("numgen random mod 1000 < 100")
    push.change(400)
    push.await_equal()
    assert push.counter("gaps_total") > 0
    assert push.counter("applied_sets_total") >= 400
    assert push.counter("diverged_total") == 0
    assert push.counter("reloaded_total") == reloaded


def test_no_datagrams(push: Push) -> None:
    """Without any datagram the QSA follows by HTTP alone."""
    push.await_equal()
    push.lose("udp dport 4749")
    push.change(50)
    push.await_equal()
    assert push.counter("fetched_total") > 0
    push.lose("")
    push.change(50)
    push.await_equal()


def test_qsa_killed(push: Push) -> None:
    push.lose("numgen random mod 1000 < 50")
    for count in (20, 100):
        before = push.sequence()
        changer = push.changer(1000)  # for each, since all may be done before the QSA is back
        push.await_changes(before + count)
        push.qsa.stop(signal.SIGKILL)
        push.qsa.start()
        push.qsa.await_healthy()
        _out, wrong = changer.communicate(timeout=120)
        assert changer.returncode == 0, wrong
        push.await_changes(before + 1000)
        push.await_equal()


def test_ruas_killed(push: Push) -> None:
    """What was acknowledged is there again, and the QSA goes on with what it has."""
    push.await_equal()
    reloaded = push.counter("reloaded_total")
    for _ in range(3):
        before = push.sequence()
        changer = push.changer(100000)
        push.await_changes(before + 20)
        push.ruas.stop(signal.SIGKILL)
        changer.wait(timeout=60)
        mabs = push.status(push.qsa, "qsa")["feed"]["mabs"]
        assert len(mabs) == 2 and all(one["answering"] for one in mabs)
        push.ruas.start()
        push.ruas.await_healthy()
        push.await_equal()
    mabs = push.status(push.qsa, "qsa")["feed"]["mabs"]
    assert all(one["answering"] for one in mabs)
    assert push.counter("epochs_total") >= 4
    # Whoever got everything before the kill loads nothing again; the last sets may have been lost.
    assert push.counter("reloaded_total") <= reloaded + 3
    push.change(20)
    push.await_equal()


def test_forgeries(push: Push) -> None:
    """They change nothing but counters."""
    push.await_equal()
    directory = json.loads(push.qsa_place.run(
        "curl", "-s", "http://192.0.2.1:4747/v1/directory").stdout)
    snapshot = subprocess.run(
        push.qsa_place.command("curl", "-s",
                               "http://192.0.2.1:4747/v1/snapshots/20.0.0.0-14/latest"),
        capture_output=True, check=True).stdout
    ruas = snapshot[24:32].hex()
    reloaded = push.counter("reloaded_total")
    push.ruas_place.run(sys.executable, "-c", FORGER, "192.0.2.2", ruas, str(directory["epoch"]),
                        str(directory["sequence"]))
    push.change(20)
    push.await_equal()
    assert push.counter('dropped_total{reason="forged"}') > 0
    assert push.counter('dropped_total{reason="malformed-magic"}') > 0
    assert push.counter('dropped_total{reason="malformed-length"}') > 0
    assert push.counter("diverged_total") == 0
    assert push.counter("reloaded_total") == reloaded


def test_updates_flow_through_a_flood_of_handshakes(push: Push) -> None:
    flood = subprocess.Popen(push.qsa_place.command(sys.executable, "-c", HANDSHAKER),
                             stdout=subprocess.PIPE, text=True)
    push.running.append(flood)
    assert flood.stdout is not None and flood.stdout.readline() == "held\n"

    def heartbeats() -> float:
        return push.ruas.metrics()["ivip_feed_heartbeats_total"]

    before = heartbeats()
    await_that("heartbeats go on", lambda: heartbeats() >= before + 3)
    push.change(50)
    push.await_equal()
    assert flood.poll() is None
