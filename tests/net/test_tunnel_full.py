"""A full-database ITR (qsa and itr in one node) on real packets, with a RUAS that feeds it."""
from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import yaml
from network import Network, Node, await_that
from test_tunnel import ETR, ETR2, ETR6, QUERY, SITE, SITE6, Internet

FEED = "198.18.2.1:4749"


class FullInternet(Internet):
    """The same network, with the RUAS where the query server is, and no queries."""

    def start_mappings(self, network: Network) -> dict:
        self.ruas = network.node(self.query, {"name": "ruas", "ruas": {
            "listen": f"{QUERY}:4748", "public": f"{QUERY}:4747", "feeds": [FEED],
            "mabs": ["20.0.0.0/14", "2001:db8::/32"], "refuse": ["198.51.100.0/24"]}})
        self.ruas.await_healthy()
        for request in ({"command": "ruas.user-add", "user": "anna", "password": "for the test 1"},
                        {"command": "ruas.uab-add", "user": "anna", "range": "20.1.0.0/24"},
                        {"command": "ruas.uab-add", "user": "anna", "range": "2001:db8:0:40::/60"}):
            assert "error" not in self.ruas.ask(**request)
        token_file = network.folder / "token"
        token_file.write_text(self.ruas.ask(command="ruas.token-add", user="anna")["token"] + "\n")
        self.client = network.folder / "client.yaml"
        self.client.write_text(f"uas: https://{QUERY}:4748\nkey: {self.ruas.public_key}\n"
                               f"token_file: {token_file}\n")
        self.client.chmod(0o600)
        token_file.chmod(0o600)
        self.command("define", "20.1.0.16/28", ETR)
        self.command("define", "2001:db8:0:40::/62", ETR6)
        return {"qsa": {"listen": "198.18.2.1:4746", "feed": FEED, "ruas": [
            {"key": self.ruas.public_key, "url": f"http://{QUERY}:4747"}]}}

    def itr_config(self, announce: bool) -> dict:
        return {"device": "ivip0", "announce": announce}

    def command(self, *words: str) -> None:
        self.ruas.ivip(words[0], "--client", self.client, *words[1:])

    def close(self) -> None:
        """The nodes are the network's to end."""


def answers(node: Node) -> bool:
    try:
        return "roles" in node.ask(command="status")
    except OSError:
        return False


@pytest.fixture
def full(network: Network) -> Iterator[FullInternet]:
    yield FullInternet(network)


def test_ping_and_remap(full: FullInternet) -> None:
    assert full.loses_nothing(SITE)
    assert full.loses_nothing(SITE6)
    full.command("map", "20.1.0.16/28", ETR2)
    before = full.nodes[1].metrics()["ivip_etr_delivered_total"]
    await_that("packets through the other ETR", lambda: full.ping(SITE).returncode == 0 and
               full.nodes[1].metrics()["ivip_etr_delivered_total"] > before)
    full.command("map", "20.1.0.16/28", "zero")
    await_that("packets are refused", lambda: "Destination Host Unreachable" in
               full.ping(SITE, check=False).stdout)


def test_healthy_means_announced(full: FullInternet) -> None:
    """A MAB that came later: who asks whether all is well is not told so before its route is there."""
    late = "20.8.0.0/14"
    config = yaml.safe_load(full.ruas.config_file.read_text())
    config["ruas"]["mabs"].append(late)
    full.ruas.stop()
    full.ruas.write_config(config)
    full.ruas.start()
    def known() -> bool:
        mabs = full.node.ask(command="status")["roles"]["qsa"]["mabs"]
        return any(mab["mab"] == late and mab["answering"] for mab in mabs)
    await_that("the QSA answers for it", known)
    def announced_if_healthy() -> bool:
        healthy = full.node.healthy()
        announced = late in full.itr.run("ip", "route", "show", "proto", "155").stdout
        assert announced or not healthy
        return healthy
    await_that("the node is healthy", announced_if_healthy)


def test_routes_wait_for_the_databases(full: FullInternet) -> None:
    """A DITR announces a MAB only with its database in step."""
    def routes() -> str:
        return "".join(full.itr.run("ip", family, "route", "show", "proto", "155").stdout
                       for family in ("-4", "-6"))
    def announced() -> bool:
        return "20.0.0.0/14" in routes() and "2001:db8::/32" in routes()
    await_that("the routes are there", announced)
    full.ruas.stop(signal.SIGKILL)
    # The RUAS gone changes nothing for packets.
    assert full.loses_nothing(SITE)
    full.node.stop(signal.SIGKILL)
    await_that("the routes are gone", lambda: routes() == "")
    full.node.start()
    await_that("the node runs", lambda: answers(full.node))
    assert routes() == ""  # nothing to announce without a database
    full.ruas.start()
    await_that("the routes are back", announced)
    assert full.loses_nothing(SITE)
