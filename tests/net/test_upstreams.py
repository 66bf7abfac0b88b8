"""ITRs and QSCs that find whom to ask below the domain of their network, which NSD serves signed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import IVIP, Namespace, Network, Node, await_that
from signed_zone import SignedZone
from test_tunnel import ETR, HERE, QUERY, SITE, Internet

DOMAIN = "isp.example"
ZONE = """$ORIGIN isp.example.
$TTL 5
@ IN SOA ns1 hostmaster 1 3600 600 86400 5
@ IN NS ns1
ns1 IN A {address}
"""
PATIENCE_SECONDS = 60.0


class Domain(SignedZone):
    """isp.example: `lists` says which servers each service has, as (priority, port)."""

    def __init__(self, place: Namespace, folder: Path) -> None:
        super().__init__(place, folder, DOMAIN, QUERY)
        self.lists: dict[str, list[tuple[int, int]]] = {"qsr": [(10, 4746)]}

    def text(self) -> str:
        lines = [f"_ivip-{service}._udp IN SRV {priority} 0 {port} ns1"
                 for service, servers in self.lists.items() for priority, port in servers]
        return ZONE.format(address=QUERY) + "\n".join(lines) + "\n"


class FoundInternet(Internet):
    """The ITR's query server is found below isp.example; another one is at port 4747."""

    dnssec = "required"

    def start_mappings(self, network: Network) -> dict:
        super().start_mappings(network)
        self.other = subprocess.Popen(self.query.command(
            sys.executable, HERE / "query_server.py", QUERY, "4747", self.state))
        self.zone = Domain(self.query, network.folder / "zone")
        if self.dnssec == "required":
            self.zone.publish()
        else:
            self.zone.serve_unsigned()
        return {}

    def itr_config(self, announce: bool) -> dict:
        config = super().itr_config(announce)
        del config["upstreams"]
        config |= {"domain": DOMAIN, "dns": [QUERY], "dnssec": self.dnssec}
        if self.dnssec == "required":
            config["trust_anchor"] = self.zone.trust_anchor
        return config

    def servers(self) -> list[str]:
        status = self.node.ask(command="status")["roles"]["itr"]
        return [server["server"] for server in status["servers"]]

    def await_servers(self, *ports: int) -> None:
        wanted = [f"{QUERY}:{port}" for port in ports]
        await_that(f"the ITR asks {wanted}", lambda: sorted(self.servers()) == wanted,
                   PATIENCE_SECONDS)

    def bogus(self) -> int:
        """Answers of DNS that were refused for their signatures, or the lack of them."""
        try:
            status = self.node.ask(command="status")["roles"]["itr"]
        except OSError:  # starting
            return 0
        return int(status["upstreams"]["answers"]["bogus"])

    def reaches(self) -> bool:
        """Whether a ping comes back from the site."""
        return self.host.run("ping", "-c1", "-W2", SITE, check=False).returncode == 0

    def close(self) -> None:
        super().close()
        self.zone.stop()
        self.other.kill()
        self.other.wait()


class WholeInternet(FoundInternet):
    """RUAS, QSA, QSR and QSC at one host; the ITR's config is its device and the domain."""

    MABS = ["20.0.0.0/14", "2001:db8::/32"]

    def ruas_config(self, mabs: list[str]) -> dict:
        return {"name": "ruas", "ruas": {"listen": f"{QUERY}:4748", "public": f"{QUERY}:4747",
                                         "feeds": [f"{QUERY}:4749"], "mabs": mabs,
                                         "refuse": ["198.51.100.0/24"]}}

    def start_mappings(self, network: Network) -> dict:
        metrics = {name: {"metrics": f"127.0.0.1:{port}"}
                   for name, port in (("qsa", 9801), ("qsr", 9802), ("qsc", 9803))}
        self.ruas = network.node(self.query, self.ruas_config(self.MABS))
        self.ruas.await_healthy()
        for request in ({"command": "ruas.user-add", "user": "anna", "password": "for the test 1"},
                        {"command": "ruas.uab-add", "user": "anna", "range": "20.1.0.0/24"}):
            assert "error" not in self.ruas.ask(**request)
        token = self.ruas.ask(command="ruas.token-add", user="anna")["token"]
        body = {"commands": [{"do": "define", "micronet": "20.1.0.16/28", "etr": ETR}]}
        self.query.run("curl", "-skf", "-X", "POST", f"https://{QUERY}:4748/v1/commands", "-H",
                       f"Authorization: Bearer {token}", "--data-binary", "@-",
                       text=json.dumps(body))
        self.zone = Domain(self.query, network.folder / "zone")
        self.zone.lists = {"qsr": [(10, 4801)], "qsc": [(10, 4802)]}
        self.zone.publish()
        self.qsa = network.node(self.query, {"name": "qsa", **metrics["qsa"], "qsa": {
            "listen": f"{QUERY}:4800", "feed": f"{QUERY}:4749",
            "ruas": [{"key": self.ruas.public_key, "url": f"http://{QUERY}:4747"}]}})
        self.qsr = network.node(self.query, {"name": "qsr", **metrics["qsr"], "qsr": {
            "listen": f"{QUERY}:4801", "upstreams": [f"{QUERY}:4800"]}})
        self.qsc = network.node(self.query, {"name": "qsc", **metrics["qsc"], "qsr": {
            "listen": f"{QUERY}:4802", "upstream_domain": DOMAIN, "dns": [QUERY],
            "trust_anchor": self.zone.trust_anchor}})
        return {}

    def itr_config(self, announce: bool) -> dict:
        return {"device": "ivip0", "domain": DOMAIN, "dns": [QUERY],
                "trust_anchor": self.zone.trust_anchor}

    def routes(self) -> set[str]:
        """The MABs that the ITR's kernel has a route for."""
        lines = [line for family in ("-4", "-6") for line in self.itr.run(
            "ip", family, "route", "show", "proto", "156").stdout.splitlines()]
        return {line.split()[0] for line in lines}

    def close(self) -> None:
        self.zone.stop()


@pytest.fixture
def whole(network: Network) -> Iterator[WholeInternet]:
    made = WholeInternet(network)
    try:
        yield made
    finally:
        made.close()


def listed(place: Namespace, server: str) -> dict:
    """What `ivip query --mabs` says of a server."""
    done = place.run(IVIP, "query", "--mabs", "--json", f"@{server}", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def test_itr_learns_its_mabs(whole: WholeInternet) -> None:
    """An ITR that knows a domain moves packets, for the MABs there are and no others."""
    assert whole.routes() == set(whole.MABS)
    await_that("a ping gets through", whole.reaches)
    # All along the chain there is the same set.
    sets = [listed(whole.query, f"{QUERY}:{port}") for port in (4800, 4801, 4802)]
    assert [one["mabs"] for one in sets] == [sorted(whole.MABS)] * 3
    assert [one["refused"] for one in sets] == [["198.51.100.0/24"]] * 3
    assert len({one["page"] for one in sets}) == 1
    page = whole.query.run("curl", "-sS", "http://127.0.0.1:9803/metrics").stdout
    found = re.search(r'ivip_query_pages_total\{role="qsr",what="found"\} (\d+)', page)
    assert found is not None and int(found[1]) > 0
    # The RUAS gives one MAB up and takes another.
    whole.ruas.stop()
    whole.ruas.write_config(whole.ruas_config(["20.0.0.0/14", "30.0.0.0/16"]))
    whole.ruas.start()
    await_that("the ITR's routes follow",
               lambda: whole.routes() == {"20.0.0.0/14", "30.0.0.0/16"}, PATIENCE_SECONDS)
    assert whole.reaches()
    # Without query servers there is no route, and no packet is drawn.
    whole.qsc.stop(signal.SIGKILL)
    await_that("the ITR's routes go", lambda: whole.routes() == set(), PATIENCE_SECONDS)
    whole.qsc.start()
    await_that("the ITR's routes come back",
               lambda: whole.routes() == {"20.0.0.0/14", "30.0.0.0/16"}, PATIENCE_SECONDS)
    await_that("a ping gets through", whole.reaches)


def test_itr_keeps_its_mabs(whole: WholeInternet) -> None:
    """After a restart while nobody tells the set of MABs, an ITR serves those it knew where somebody
    answers for them."""
    await_that("a ping gets through", whole.reaches)
    await_that("the set is on disk",
               lambda: (whole.node.folder / "state" / "mabs-itr.list").exists())
    whole.node.stop()
    whole.qsc.stop()
    # A server that knows mappings, and nothing of pages.
    state = whole.folder / "mappings.json"
    state.write_text(json.dumps({"mappings": [["20.1.0.16", 16, ETR]]}))
    server = subprocess.Popen(whole.query.command(
        sys.executable, HERE / "query_server.py", QUERY, "4802", state))
    try:
        whole.node.start()
        await_that("a ping gets through", whole.reaches)
        told = whole.node.ask(command="status")["roles"]["itr"]["list"]
        assert (told["answered"], told["confirmed"], told["mabs"]) == (False, False, 2)
    finally:
        server.kill()
        server.wait()
    whole.qsc.start()
    await_that("the set is confirmed", lambda: whole.node.ask(
        command="status")["roles"]["itr"]["list"]["confirmed"], PATIENCE_SECONDS)
    await_that("all MABs have routes", lambda: whole.routes() == set(whole.MABS), PATIENCE_SECONDS)


@pytest.fixture
def internet(network: Network, request: pytest.FixtureRequest) -> Iterator[FoundInternet]:
    FoundInternet.dnssec = getattr(request, "param", "required")
    made = FoundInternet(network)
    try:
        yield made
    finally:
        made.close()


def test_upstreams_by_domain(internet: FoundInternet) -> None:
    """Found, changed, forged, kept over a restart without DNS."""
    internet.await_servers(4746)
    await_that("a ping gets through", internet.reaches)
    # QSCs come into use: the ITR goes to them.
    internet.zone.lists["qsc"] = [(10, 4747)]
    internet.zone.publish()
    internet.await_servers(4747)
    await_that("a ping gets through", internet.reaches)
    upstreams = internet.node.ask(command="status")["roles"]["itr"]["upstreams"]
    assert (upstreams["domain"], upstreams["source"]) == (DOMAIN, "qsc")
    # Somebody else's signature changes nothing.
    internet.zone.lists["qsc"] = [(10, 666)]
    internet.zone.publish(internet.zone.make_key())
    await_that("the forged answers are refused", lambda: internet.bogus() >= 2, PATIENCE_SECONDS)
    internet.await_servers(4747)
    # Without DNS, after a restart, it asks those it asked before.
    internet.zone.stop()
    internet.node.stop()
    internet.node.start()
    internet.node.await_healthy()
    internet.await_servers(4747)
    upstreams = internet.node.ask(command="status")["roles"]["itr"]["upstreams"]
    assert upstreams["source"] == "remembered"
    await_that("a ping gets through", internet.reaches)


@pytest.mark.parametrize("internet", ["off"], indirect=True)
def test_unsigned_domain(internet: FoundInternet) -> None:
    """An unsigned domain serves where the operator said so, and only there."""
    internet.await_servers(4746)
    await_that("a ping gets through", internet.reaches)
    internet.node.stop()
    config = internet.itr_config(False) | {"dnssec": "required",
                                           "trust_anchor": internet.zone.trust_anchor}
    internet.node.write_config({"name": "itr2", "state": str(internet.folder / "other"),
                                "itr": config})
    internet.node.start()
    await_that("unsigned answers are refused", lambda: internet.bogus() >= 2, PATIENCE_SECONDS)
    assert internet.servers() == []
    health = internet.node.ask(command="health")
    assert "DNS names no query servers of isp.example" in str(health)


class HostInternet(FoundInternet):
    """The ITR knows neither resolvers nor a domain but what /etc/resolv.conf says, which is a file of its
    own here."""

    def start_mappings(self, network: Network) -> dict:
        self.host_file = network.folder / "resolv.conf"
        self.host_says(nameserver="198.18.2.14", search="elsewhere.example")  # nobody is there
        inner = self.itr.command

        def command(*words: str | int | Path) -> list[str]:
            return inner("unshare", "-m", "sh", "-c",
                         'mount --bind "$0" /etc/resolv.conf && exec "$@"', self.host_file, *words)
        setattr(self.itr, "command", command)  # of this one namespace alone
        return super().start_mappings(network)

    def host_says(self, nameserver: str, search: str) -> None:
        self.host_file.write_text(f"search {search}\nnameserver {nameserver}\n")

    def itr_config(self, announce: bool) -> dict:
        config = super().itr_config(announce)
        del config["domain"], config["dns"]
        return config

    def found(self) -> tuple[str, int]:
        """The domain that is looked at, and how many servers were found there."""
        try:
            upstreams = self.node.ask(command="status")["roles"]["itr"]["upstreams"]
        except OSError:  # starting
            return "", 0
        return upstreams["domain"], upstreams["servers"]


def test_host_moves_to_another_network(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolvers and the domain in /etc/resolv.conf are followed while the ITR runs."""
    monkeypatch.setattr(Node, "await_healthy", lambda node: None)  # not before it finds servers
    internet = HostInternet(network)
    try:
        await_that("it looks at the host's domain",
                   lambda: internet.found() == ("elsewhere.example", 0), PATIENCE_SECONDS)
        internet.host_says(nameserver=QUERY, search=DOMAIN)
        await_that("the servers of the network are found",
                   lambda: internet.found() == (DOMAIN, 1), PATIENCE_SECONDS)
        await_that("a ping gets through", internet.reaches, PATIENCE_SECONDS)
        # A resolver that is gone: the next one is asked, and what was found stays.
        process = internet.node.process
        internet.host_says(nameserver="198.18.2.14", search=DOMAIN)
        internet.zone.lists["qsr"] = [(10, 4747)]
        internet.zone.publish()
        await_that("that is read", lambda: internet.node.log().count(
            "resolv.conf has changed") == 2, PATIENCE_SECONDS)
        assert internet.found() == (DOMAIN, 1)
        internet.host_says(nameserver=QUERY, search=DOMAIN)
        internet.await_servers(4747)
        # What is no domain is none of this host's.
        internet.host_says(nameserver=QUERY, search="not..one")
        await_that("that is read", lambda: internet.node.log().count(
            "resolv.conf has changed") == 4, PATIENCE_SECONDS)
        assert internet.found() == (DOMAIN, 1)
        assert process is not None and process.poll() is None
        await_that("a ping gets through", internet.reaches)
    finally:
        internet.close()
