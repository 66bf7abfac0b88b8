"""A MAB that one query server of an ITR has not heard of yet, while another has.

So it is for some seconds whenever a MAB is listed: query servers learn it one after the other, and an ITR
or QSC may learn it from one and ask the next.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from network import Network, await_that
from test_tunnel import HERE, QUERY, SITE, Internet

FIRST, SECOND = "4746", "4747"


class TwoServers(Internet):
    """The ITR asks the server at FIRST; the one at SECOND where that does not answer."""

    def start_mappings(self, network: Network) -> dict:
        self.outside = {FIRST: [], SECOND: []}
        config = super().start_mappings(network)
        self.other = subprocess.Popen(self.query.command(
            sys.executable, HERE / "query_server.py", QUERY, SECOND, self.state))
        await_that("both servers listen", lambda: all(
            f":{port} " in self.query.run("ss", "-Hlun").stdout for port in (FIRST, SECOND)))
        return config

    def itr_config(self, announce: bool) -> dict:
        return super().itr_config(announce) | {"upstreams": [f"{QUERY}:{FIRST}",
                                                             f"{QUERY}:{SECOND}"]}

    def lack(self, *ports: str) -> None:
        """The servers at these ports, and no others, hold the site's address to be in no MAB. The
        first address of the MAB, by which ITRs find out whether it is served, all know."""
        for port in self.outside:
            self.outside[port] = [SITE] if port in ports else []
        self.map()

    def questions(self, what: str) -> float:
        name = f'ivip_querier_questions_total{{role="itr",what="{what}"}}'
        return float(self.node.metrics().get(name, 0))

    def reaches(self) -> bool:
        return self.host.run("ping", "-c1", "-W1", SITE, check=False).returncode == 0

    def close(self) -> None:
        super().close()
        self.other.kill()
        self.other.wait()


@pytest.fixture
def internet(network: Network) -> Iterator[TwoServers]:
    made = TwoServers(network)
    try:
        yield made
    finally:
        made.close()


def test_one_server_lacks_the_mab(internet: TwoServers) -> None:
    """The first packet arrives: what one server has not heard of, the other is asked."""
    internet.lack(FIRST)
    assert " 0% packet loss" in internet.ping(SITE).stdout
    assert internet.questions("outside") == 1


def test_all_servers_lacked_the_mab(internet: TwoServers) -> None:
    """Nothing that they said is kept: the address is reached when one of them knows the MAB again."""
    still_lacking: list[list[str]] = [[FIRST], [SECOND], []]
    for ports in still_lacking:
        internet.lack(FIRST, SECOND)
        assert "Destination Net Unreachable" in internet.ping(SITE, check=False).stdout
        internet.lack(*ports)
        begin = time.monotonic()
        await_that("the site is reached", internet.reaches)
        print(f"with {len(ports)} of 2 servers lacking the MAB: reached after "
              f"{time.monotonic() - begin:.2f} s")
        internet.node.stop()  # it forgets
        internet.node.start()
        internet.node.await_healthy()
