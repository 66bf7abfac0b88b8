"""A QSR that knows a domain and a trust anchor only: NSD serves the signed zone, two DSOCs have two
QSAs each at different distances."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from network import IVIP, TOP, Namespace, Network, Node, await_that
from signed_zone import SignedZone

WIRE = Path(TOP / "build" / "lab" / "wire")
DOMAIN = "ivip.example"
# Milliseconds one way between the QSR's router and each QSA.
QSAS = {"acme-near": ("198.18.1", 2), "acme-far": ("198.18.2", 40),
        "beta-near": ("198.18.3", 4), "beta-far": ("198.18.4", 50)}
MABS = {"acme": "20.0.0.0/14", "beta": "20.8.0.0/16"}
MICRONETS = {"acme": ("20.1.0.16/28", "20.1.0.20"), "beta": ("20.8.1.0/24", "20.8.1.9")}
ETR = "203.0.113.1"
PATIENCE_SECONDS = 60.0


class Zone(SignedZone):
    """A zone written by `ivip zone`."""

    def __init__(self, place: Namespace, folder: Path) -> None:
        super().__init__(place, folder, DOMAIN, "192.0.2.2")
        dsocs: list[dict] = [{"label": label, "mabs": [mab], "qsas": [
            {"name": name, "addresses": [f"{prefix}.2"]}
            for name, (prefix, _) in QSAS.items() if name.startswith(label)]}
            for label, mab in MABS.items()]
        self.list: dict = {"domain": DOMAIN, "ttl": "5s", "dsocs": dsocs,
                           "servers": [{"name": "ns1", "addresses": ["192.0.2.2"]}]}

    def text(self) -> str:
        (self.folder / "list.yaml").write_text(yaml.safe_dump(self.list, sort_keys=False))
        zone = self.folder / "zone"
        words = ["--previous", str(zone)] if zone.exists() else []
        return self.run(IVIP, "zone", "list.yaml", *words)


@dataclass
class System:
    zone: Zone
    nodes: dict[str, Node]
    user: Namespace

    def query(self, address: str) -> dict:
        done = self.user.run(IVIP, "query", "--json", address, "@192.0.5.2", check=False)
        return json.loads(done.stdout) if done.stdout else {}

    def discovery(self) -> dict:
        status = self.nodes["qsr"].ask(command="status")
        return status["roles"]["qsr"]["discovery"]

    def order(self, label: str) -> list[str]:
        """The QSAs of a DSOC, those preferred first; empty before all are measured."""
        servers = self.discovery()["dsocs"].get(label, [])
        return [server["server"] for server in servers
                if server["response_ms"] is not None or server["avoided"]]

    def await_order(self, label: str, *names: str, seconds: float = PATIENCE_SECONDS) -> None:
        await_that(f"the QSAs of {label} are preferred in the order {names}",
                   lambda: self.order(label) == addresses(*names), seconds)

    def cached(self, server: str) -> int:
        return sum(entry["cached"] for servers in self.discovery()["dsocs"].values()
                   for entry in servers if entry["server"] == server)

    def expect(self, address: str, **wanted: object) -> None:
        def seen() -> bool:
            answer = self.query(address)
            return all(answer.get(key) == value for key, value in wanted.items())
        await_that(f"{address} is answered with {wanted}", seen, PATIENCE_SECONDS)


def make_ruas(network: Network, place: Namespace, label: str, port: int) -> Node:
    return network.node(place, {"name": f"ruas-{label}", "metrics": f"127.0.0.1:{port + 100}", "ruas": {
        "listen": f"192.0.4.2:{port}", "public": f"192.0.4.2:{port + 1}", "mabs": [MABS[label]],
        "feeds": [f"{prefix}.2:4749" for name, (prefix, _) in QSAS.items()
                  if name.startswith(label)]}})


def define(node: Node, place: Namespace, label: str, port: int) -> None:
    operator = ("--control", str(node.control))
    node.ivip("user", "add", "anna", *operator, text="correct horse battery\n")
    node.ivip("uab", "add", MICRONETS[label][0], "anna", *operator)
    token = node.ivip("token", "add", "anna", *operator).stdout.strip()
    body = json.dumps({"commands": [{"do": "define", "micronet": MICRONETS[label][0],
                                     "etr": ETR}]})
    place.run("curl", "-skf", "-X", "POST", f"https://192.0.4.2:{port}/v1/commands", "-H",
              f"Authorization: Bearer {token}", "--data-binary", "@-", text=body)


@contextlib.contextmanager
def wires_laid(middle: Namespace, places: dict[str, Namespace]) -> Iterator[None]:
    """Links with delay between the router in the middle and the QSAs."""
    lines = [f"{middle.name} {name} {places[name].name} middle {delay * 1000} 0 0 0 1500"
             for name, (_, delay) in QSAS.items()]
    wire = subprocess.Popen([str(WIRE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert wire.stdin is not None and wire.stdout is not None
        wire.stdin.write("\n".join(lines) + "\n")
        wire.stdin.close()
        assert wire.stdout.readline().strip() == "ready"
        for name, (prefix, _) in QSAS.items():
            middle.ip(f"link set {name} up")
            middle.ip(f"address add {prefix}.1/24 dev {name}")
            places[name].ip("link set middle up")
            places[name].ip(f"address add {prefix}.2/24 dev middle")
            places[name].ip(f"route add default via {prefix}.1")
        yield
    finally:
        wire.kill()
        wire.wait()


@pytest.fixture
def system(network: Network, tmp_path: Path) -> Iterator[System]:
    middle = network.namespace("middle", router=True)
    places = {}
    for name, prefix in (("dns", "192.0.2"), ("ruas", "192.0.4"), ("qsr", "192.0.5"),
                         ("user", "192.0.6")):
        places[name] = network.namespace(name)
        network.link(middle, places[name], f"{prefix}.1/24", f"{prefix}.2/24")
        places[name].ip(f"route add default via {prefix}.1")
    for name in QSAS:
        places[name] = network.namespace(name)
    zone = Zone(places["dns"], tmp_path / "zone")
    with wires_laid(middle, places):
        zone.sign()
        zone.start()
        nodes = {}
        for label, port in (("acme", 4800), ("beta", 4900)):
            nodes[label] = make_ruas(network, places["ruas"], label, port)
            nodes[label].await_healthy()
        for name, (prefix, _) in QSAS.items():
            label, port = name.split("-")[0], 4801 if name.startswith("acme") else 4901
            nodes[name] = network.node(places[name], {"name": name, "qsa": {
                "listen": f"{prefix}.2:4746", "feed": f"{prefix}.2:4749",
                "ruas": [{"key": nodes[label].public_key, "url": f"http://192.0.4.2:{port}"}]}})
        nodes["qsr"] = network.node(places["qsr"], {"name": "qsr", "qsr": {
            "listen": "192.0.5.2:4746", "domain": DOMAIN,
            "trust_anchor": zone.trust_anchor, "dns": ["192.0.2.2"]}})
        for node in nodes.values():
            node.await_healthy()
        for label, port in (("acme", 4800), ("beta", 4900)):
            define(nodes[label], places["user"], label, port)
        yield System(zone, nodes, places["user"])


def addresses(*names: str) -> list[str]:
    return [f"{QSAS[name][0]}.2:4746" for name in names]


def test_nearest_qsa_of_each_dsoc(system: System) -> None:
    for label in MABS:
        system.await_order(label, f"{label}-near", f"{label}-far")
        system.expect(MICRONETS[label][1], etr=ETR, status="mapped")
        assert system.cached(addresses(f"{label}-near")[0]) > 0
        assert system.cached(addresses(f"{label}-far")[0]) == 0
    assert system.query("8.8.8.8")["status"] == "not-in-mab"
    # The nearest dies: the other is asked, and what the dead one told is not used for long.
    system.nodes["acme-near"].stop(signal.SIGKILL)
    system.await_order("acme", "acme-far", "acme-near")
    system.expect(MICRONETS["acme"][1], etr=ETR, status="mapped")
    assert system.cached(addresses("acme-far")[0]) > 0
    # It comes back, is probed, and is preferred again.
    system.nodes["acme-near"].start()
    system.await_order("acme", "acme-near", "acme-far", seconds=2 * PATIENCE_SECONDS)


def test_zone_changes_are_followed(system: System) -> None:
    system.expect(MICRONETS["beta"][1], etr=ETR)
    assert system.query("30.0.0.1")["status"] == "not-in-mab"
    page = system.discovery()["page"]
    system.zone.list["dsocs"][0]["mabs"].append("30.0.0.0/16")
    system.zone.list["dsocs"][1]["mabs"] = ["40.0.0.0/16"]
    system.zone.publish()
    await_that("the new version is taken over", lambda: system.discovery()["page"] != page,
               PATIENCE_SECONDS)
    assert system.discovery()["mabs"] == 3
    # ITRs are told the same set, under the same names.
    told = json.loads(system.user.run(IVIP, "query", "--mabs", "--json", "@192.0.5.2").stdout)
    assert told["page"] == system.discovery()["page"]
    assert told["mabs"] == ["20.0.0.0/14", "30.0.0.0/16", "40.0.0.0/16"]
    # A MAB added is asked of its QSAs (which do not know it); one removed is none any more.
    assert system.query(MICRONETS["beta"][1])["status"] == "not-in-mab"
    system.expect(MICRONETS["acme"][1], etr=ETR)


@pytest.mark.timeout(900)
def test_forged_zone_and_silent_dns(system: System) -> None:
    system.expect(MICRONETS["acme"][1], etr=ETR)
    page = system.discovery()["page"]
    # Somebody else's key: nothing of it is believed.
    true_list = json.loads(json.dumps(system.zone.list))
    system.zone.list["dsocs"][0]["mabs"] = ["50.0.0.0/16"]
    system.zone.list["dsocs"][0]["qsas"] = [{"name": "evil", "addresses": ["198.18.66.6"]}]
    system.zone.publish(system.zone.make_key())
    await_that("the forged zone is refused", lambda: system.discovery()["answers"]["bogus"] >= 2,
               PATIENCE_SECONDS)
    assert system.discovery()["page"] == page
    assert "198.18.66.6:4746" not in system.order("acme")
    # No DNS at all: all goes on.
    system.zone.stop()
    failed = system.discovery()["answers"]["failed"]
    await_that("DNS is missed", lambda: system.discovery()["answers"]["failed"] > failed,
               2 * PATIENCE_SECONDS)
    system.expect(MICRONETS["acme"][1], etr=ETR)
    system.expect(MICRONETS["beta"][1], etr=ETR)
    # It is back, true and newer.
    system.zone.list = true_list
    system.zone.list["dsocs"][0]["mabs"].append("30.0.0.0/16")
    system.zone.publish()
    await_that("the true zone is followed again", lambda: system.discovery()["mabs"] == 3,
               4 * PATIENCE_SECONDS)


def answers(node: Node) -> bool:
    try:
        return "roles" in node.ask(command="status")
    except (OSError, ValueError):
        return False


def age_the_kept_zone(file: Path, days: int) -> None:
    """Makes the file older, with a right digest, as time would."""
    content = bytearray(file.read_bytes()[:-32])
    confirmed = int.from_bytes(content[42:50], "big")
    content[42:50] = (confirmed - days * 86_400_000).to_bytes(8, "big")
    file.write_bytes(content + hashlib.blake2b(content, digest_size=32).digest())


@pytest.mark.timeout(900)
def test_a_start_while_dns_is_down(system: System) -> None:
    """What DNS said last is kept, believed for some days, and asked for again."""
    for label in MABS:
        system.expect(MICRONETS[label][1], etr=ETR)
    qsr = system.nodes["qsr"]
    kept = qsr.folder / "state" / "discovery.zone"
    assert system.discovery()["kept"] is False
    await_that("what DNS said is kept", kept.exists)
    assert qsr.stop() == 0
    system.zone.stop()
    good = kept.read_bytes()

    def started(content: bytes, days: int) -> dict:
        """A start without DNS, after a kill, with that file of that age."""
        qsr.stop(signal.SIGKILL)
        kept.write_bytes(content)
        age_the_kept_zone(kept, days)
        qsr.start()
        await_that("the QSR runs", lambda: answers(qsr))
        return system.discovery()

    found = started(good, 6)
    assert (found["kept"], found["mabs"]) == (True, len(MABS))
    assert 6 * 86_400 <= found["age_seconds"] < 7 * 86_400
    for label in MABS:
        system.expect(MICRONETS[label][1], etr=ETR)
    # Too old; of another domain.
    for content, days in ((good, 8), (good.replace(b"ivip.", b"ivop."), 0)):
        found = started(content, days)
        assert (found["kept"], found["mabs"], found["age_seconds"]) == (False, 0, -1)
        assert f"{kept} is not used" in qsr.log()
        assert system.query(MICRONETS["acme"][1]).get("etr") is None
    # Whoever takes another trust anchor does not trust what was validated by the one before.
    anchor = Path(system.zone.trust_anchor)
    before = anchor.read_text()
    anchor.write_text(before + "; another\n")
    assert started(good, 0)["kept"] is False
    anchor.write_text(before)
    # DNS is back: what was kept is confirmed.
    assert started(good, 1)["kept"] is True
    system.zone.start()
    await_that("DNS confirms it", lambda: system.discovery()["kept"] is False,
               2 * PATIENCE_SECONDS)
    assert system.discovery()["age_seconds"] < 3600
    system.expect(MICRONETS["beta"][1], etr=ETR)
