"""Usage from a caching ITR to a RUAS: counted once, whatever is killed or lost on the way."""
from __future__ import annotations

import csv
import io
import json
import signal

import pytest
from network import Network, await_that
from test_tunnel import SITE, Internet

RUAS = "198.18.6.1"


class Reporting(Internet):
    every = "1s"

    def start_mappings(self, network: Network) -> dict:
        self.network = network
        self.ruas_place = network.namespace("ruas")
        network.link(self.core, self.ruas_place, "198.18.6.2/24", f"{RUAS}/24")
        self.ruas_place.ip("route add default via 198.18.6.2")
        self.ruas = network.node(self.ruas_place, self.ruas_config([]))
        self.ruas.await_healthy()
        for request in ({"command": "ruas.user-add", "user": "anna", "password": "for the test 1"},
                        {"command": "ruas.uab-add", "user": "anna", "range": "20.1.0.0/24"},
                        {"command": "ruas.user-add", "user": "ben", "password": "for the test 2"}):
            assert "error" not in self.ruas.ask(**request)
        return super().start_mappings(network)

    def ruas_config(self, itrs: list[str]) -> dict:
        return {"name": "ruas", "ruas": {"listen": f"{RUAS}:4748", "public": f"{RUAS}:4747",
                                         "mabs": ["20.0.0.0/14"], "itrs": itrs}}

    def itr_config(self, announce: bool) -> dict:
        return super().itr_config(announce) | {
            "usage_to": f"http://{RUAS}:4747", "usage_every": self.every}

    def list_itr(self) -> None:
        """Only now does the RUAS know the ITR's key."""
        self.ruas.write_config(self.ruas_config([self.node.public_key]))
        self.ruas.process.send_signal(signal.SIGHUP)

    def usage(self, *words: str) -> list[dict]:
        return self.ruas.ask(command="ruas.usage", **dict(zip(words[::2], words[1::2], strict=True)))[
            "usage"]

    def packets(self) -> int:
        return sum(line["packets"] for line in self.usage())

    def delivered(self) -> int:
        return int(self.nodes[0].metrics()["ivip_etr_delivered_total"])

    def waiting(self) -> float:
        return self.node.metrics()["ivip_itr_usage_waiting"]


@pytest.fixture
def reporting(network: Network):
    made = Reporting(network)
    yield made
    made.close()


class ReportingSeldom(Reporting):
    """Within a test no period ends but by a restart."""
    every = "1h"


@pytest.fixture
def reporting_seldom(network: Network):
    made = ReportingSeldom(network)
    yield made
    made.close()


def read_own(net: Reporting, user: str) -> list[dict]:
    return json.loads(net.ruas_place.run(
        "curl", "-sk", "-u", user, f"https://{RUAS}:4748/v1/usage").stdout)["usage"]


def test_reports_count_once(reporting: Reporting) -> None:
    net = reporting
    net.ping(SITE)
    # Nobody takes reports of an ITR that is not listed, and they wait.
    await_that("the ITR is refused", lambda: "unknown-itr" in str(
        net.node.ask(command="health")))
    assert net.packets() == 0 and net.waiting() >= 1
    net.list_itr()
    await_that("all is reported", lambda: net.packets() == 3)
    for killed in ("itr", "ruas", "both"):
        net.ping(SITE)
        await_that("the report is on disk", lambda: net.node.ask(command="itr.usage")["usage"] == [])
        for node in {"itr": [net.node], "ruas": [net.ruas], "both": [net.ruas, net.node]}[killed]:
            node.stop(signal.SIGKILL)
            node.start()
            if node is net.ruas:
                node.await_healthy()
        await_that("the ITR works", lambda: net.loses_nothing(SITE))
        # What the ETR delivered is what the ITR tunnelled; links lose nothing here.
        await_that("all is reported", lambda: net.packets() == net.delivered(), 90)
        await_that("nothing waits", lambda: net.waiting() == 0, 90)
    sent = net.delivered()
    assert sent >= 3 + 3 * 6 and net.packets() == sent

    octets = sent * 84
    assert net.usage() == [{"micronet": "20.1.0.16/28", "user": "anna", "packets": sent,
                            "octets": octets}]
    assert net.usage("by", "user") == [{"user": "anna", "uab": "20.1.0.0/24", "packets": sent,
                                        "octets": octets}]
    assert net.usage("by", "itr") == [{"itr": net.node.public_key, "packets": sent,
                                       "octets": octets}]
    assert sum(line["packets"] for line in net.usage("by", "time")) == sent
    assert net.usage("to", "2020-01-01T00:00:00Z") == []
    # An end user sees their own; another user does not.
    assert sum(line["packets"] for line in read_own(net, "anna:for the test 1")) == sent
    assert read_own(net, "ben:for the test 2") == []
    # The operator's words.
    table = net.ruas.ivip("usage", "--control", net.ruas.control, "--by", "user", "--csv").stdout
    assert list(csv.DictReader(io.StringIO(table))) == [
        {"user": "anna", "uab": "20.1.0.0/24", "packets": str(sent), "octets": str(octets)}]
    assert net.node.ask(command="itr.usage", take=True)["error"]["reason"] == "reported"


def test_an_orderly_stop_loses_nothing(reporting: Reporting) -> None:
    net = reporting
    net.list_itr()
    net.ping(SITE)
    assert net.node.stop() == 0
    net.node.start()
    await_that("what was counted before the stop is there", lambda: net.packets() == 3)


def test_forged_reports_are_refused(reporting: Reporting) -> None:
    net = reporting
    url = f"http://{RUAS}:4747/v1/usage"
    for body in ("", "IvUs", "x" * 200):
        answer = net.ruas_place.run("curl", "-s", "-X", "POST", "--data-binary", body, url).stdout
        assert '"bad-report"' in answer
    assert net.packets() == 0


def restart_killed(net: Reporting) -> None:
    net.node.stop(signal.SIGKILL)
    net.node.start()
    await_that("the ITR works", lambda: net.loses_nothing(SITE))


def test_what_was_counted_outlives_a_kill(reporting_seldom: Reporting) -> None:
    """kill -9 in the middle of a period, again and again: what the ITR tunnelled in it is reported
    by the next process."""
    net = reporting_seldom
    net.list_itr()
    for _ in range(5):
        net.ping(SITE)
        restart_killed(net)
    assert net.node.stop() == 0
    net.node.start()
    sent = net.delivered()
    assert sent >= 5 * 6
    await_that("all is reported", lambda: net.packets() == sent)
    await_that("nothing waits", lambda: net.waiting() == 0)
    assert net.packets() == sent
    assert net.node.metrics()["ivip_itr_usage_damaged_total"] == 0


def test_damaged_counters_are_begun_anew(reporting_seldom: Reporting) -> None:
    net = reporting_seldom
    net.list_itr()
    net.ping(SITE)
    net.node.stop(signal.SIGKILL)
    net.node.control.with_suffix(".usage").write_bytes(b"\xff" * 100_000)
    net.node.start()
    net.node.await_healthy()
    assert "is begun anew, and the counters of usage in it are lost" in net.node.log()
    assert net.node.metrics()["ivip_itr_usage_damaged_total"] == 1
    lost = net.delivered()
    net.ping(SITE)
    restart_killed(net)
    assert net.node.stop() == 0
    net.node.start()
    await_that("the rest is reported", lambda: net.packets() == net.delivered() - lost)
