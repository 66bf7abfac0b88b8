"""Figure 3 with everything in it: the demo's steps as tests, then faults of every daemon.

One lab serves all tests of this file; each leaves N5 mapped to ETR1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from ivip_demo import moves, steps, tools
from ivip_demo.capture import capturing
from ivip_demo.demo import Demo
from ivip_demo.report import Report
from ivip_lab import ivip
from ivip_lab.lab import Lab
from ivip_lab.topology_file import find_topology
from ivip_lab.up_down import up

WAIT_SECONDS = 30.0
ANY_TIME = float("inf")  # how long things take is for the demo and the benchmarks to say


@pytest.fixture(scope="module")
def demo(module_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[Demo]:
    yield Demo(module_lab("fig3"), tmp_path_factory.mktemp("demo"))


def hold(work: Callable, demo: Demo) -> None:
    """Runs one step of the demo and fails with what did not hold."""
    report = Report()
    report.step("", partial(work, demo))
    assert report.results[0].failures == []


@pytest.mark.parametrize("work", [
    steps.conventional, steps.through_ditr, steps.trace_tunnel, steps.through_own_itr,
    steps.reverse, steps.without_itr, steps.everyone, steps.path_mtu,
    steps.transfers, moves.engineering,
    moves.zero_and_back, moves.wrong_commands, moves.ruas_killed, moves.link_cut,
], ids=lambda work: work.__name__)
def test_step_of_the_demo(demo: Demo, work: Callable) -> None:
    hold(work, demo)


@pytest.mark.parametrize("family", [4, 6])
def test_no_packet_is_lost_while_the_mapping_moves(demo: Demo, family: int) -> None:
    hold(partial(moves.moves, family=family, count=4, median_ms_max=ANY_TIME), demo)


def eventually(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def arrives_by(demo: Demo, etr: str, host: str, target: str, folder: Path) -> bool:
    """True when a host's pings are all answered and all came through that ETR."""
    device = {"ETR1": "BR3", "ETR2": "BR4"}[etr]
    with capturing(demo.lab, folder, [(etr, device)], steps.pcap_filter(4)) as got:
        answer = tools.ping(demo.lab, host, target, 4, count=3)
    packets = steps.requests(got[etr].packets, demo.address(host, 4), demo.address(target, 4))
    return answer.lost == 0 and len(packets) == 3 and all(packet.tunnelled for packet in packets)


@pytest.mark.parametrize("node", ["ITR1", "ITR2", "QSR2", "QSA2", "ETR1", "ETR2", "BR4"])
def test_killed_daemon_comes_back_in_step(demo: Demo, node: str, tmp_path: Path) -> None:
    """kill -9, a mapping changed meanwhile, and a restart: the new mapping holds everywhere."""
    ivip.kill_node(demo.lab, node)
    try:
        moves.map_to(demo, 4, "ETR2")
    finally:
        ivip.start_node(demo.lab, node)
    ivip.await_nodes(demo.lab, [node])
    try:
        for number, host in enumerate(("H1", "H3")):
            eventually(f"{host} reaches IH9 by ETR2 after {node} came back",
                       partial(arrives_by, demo, "ETR2", host, "IH9", tmp_path / f"{number}"))
    finally:
        moves.map_to(demo, 4, "ETR1")


def test_caching_itr_goes_on_when_one_qsa_dies(demo: Demo) -> None:
    """QSR2 asks ITR1's QSA and QSA2; either will do."""
    ivip.kill_node(demo.lab, "QSA2")
    try:
        eventually("H3 reaches IH5 with one QSA dead",
                   lambda: tools.ping(demo.lab, "H3", "IH5", 4).lost == 0)
    finally:
        ivip.start_node(demo.lab, "QSA2")
        ivip.await_nodes(demo.lab, ["QSA2"])


def test_traffic_finds_the_ditr_when_the_own_itr_dies(demo: Demo) -> None:
    """ITR2's device goes with its process, BIRD withdraws its routes, BR2 uses the DITR's."""
    ivip.kill_node(demo.lab, "ITR2")
    try:
        eventually("H3 reaches IH9 without ITR2",
                   lambda: tools.ping(demo.lab, "H3", "IH9", 4).lost == 0)
    finally:
        ivip.start_node(demo.lab, "ITR2")
        ivip.await_nodes(demo.lab, ["ITR2"])


def test_mabs_are_withdrawn_while_the_ditr_is_dead(demo: Demo) -> None:
    def known() -> bool:
        route = tools.run(demo.lab, "BR1", "ip", "route", "show",
                          str(demo.lab.topology.mabs[0])).stdout
        return "ITR1" in route

    assert known()
    ivip.kill_node(demo.lab, "ITR1")
    try:
        eventually("BR1 forgets the MAB", lambda: not known())
    finally:
        ivip.start_node(demo.lab, "ITR1")
        ivip.await_nodes(demo.lab, ["ITR1"])
    eventually("BR1 knows the MAB again", known)
    eventually("H1 reaches IH9 again", lambda: tools.ping(demo.lab, "H1", "IH9", 4).lost == 0)


def test_small_topology_moves_packets(lab_name: str) -> None:
    """Another topology needs no new code."""

    small = up(find_topology("small"), lab_name, lambda _text: None)
    for family in (4, 6):
        assert tools.ping(small, "H1", "IH2", family).lost == 0
