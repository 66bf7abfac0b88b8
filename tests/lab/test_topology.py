"""A topology file that is wrong is refused with file, line and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from ivip_lab.plan import make_plan
from ivip_lab.problem import Problem
from ivip_lab.topology_file import find_topology, load_topology, topology_names
from lab_command import TOP

GOOD = """\
networks:
  N1: {as: 65001}
nodes:
  H1: {network: N1}
  R1: {network: N1, bgp: true}
links:
  - [H1, R1, {delay: 5ms, jitter: 1ms, loss: 0.5%, rate: 10Mbit, mtu: 1400}]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "net.yaml"
    file.write_text(text)
    return file


def test_reads_every_option_of_a_link(tmp_path: Path) -> None:
    link = load_topology(write(tmp_path, GOOD)).links[0]
    assert (link.delay_us, link.jitter_us, link.loss_ppm) == (5000, 1000, 5000)
    assert (link.rate_bps, link.mtu) == (10_000_000, 1400)


@pytest.mark.parametrize(("change", "line", "words"), [
    (("{as: 65001}", "{ass: 65001}"), 2, "N1.ass: no such key; known here: as"),
    (("{as: 65001}", "{as: many}"), 2, 'expected a whole number from 1 to 4294967295, not "many"'),
    (("{network: N1}", "{}"), 4, '"network" is missing'),
    (("{network: N1}", "{network: N9}"), 4, 'there is no network "N9"; there are: N1'),
    (("R1: {network: N1, bgp: true}", "R1: {network: N1, bgp: yes}"), 5,
     'expected true or false, not "yes"'),
    (("R1: {network: N1, bgp: true}", "H1: {network: N1}"), 5, "stands here twice"),
    (("R1:", "ThisNameIsTooLong:"), 5, "a letter, then at most 9 letters or digits"),
    (("[H1, R1,", "[H1, R2,"), 7, 'there is no node "R2"'),
    (("[H1, R1,", "[R1, R1,"), 7, "links R1 with itself"),
    (("5ms", "5"), 7, "expected a number and a unit (us, ms, s), such as 5ms"),
    (("0.5%", "half"), 7, "expected a percentage, such as 0.5%"),
    (("mtu: 1400", "mtu: 500"), 7, "expected a whole number from 1280 to 9000"),
    (("bgp: true", "roles: {itr: {}}"), 4, "no node with the role ruas"),
    (("bgp: true", "roles: {router: {}}"), 5, "no such role; roles are ruas, qsa"),
    (("links:", "links: ["), 7, "not YAML"),
])
def test_names_what_is_wrong_and_where(tmp_path: Path, change: tuple[str, str], line: int,
                                       words: str) -> None:
    file = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(Problem) as caught:
        load_topology(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)


DRTM = find_topology("drtm").read_text()


@pytest.mark.parametrize(("old", "new", "words"), [
    ("ruas: RUASA", "ruas: A1QSC", "dsocs.acme.ruas: A1QSC is no node with the role ruas"),
    ("sites: [A1, A2]", "sites: [A1, A9]", 'dsocs.acme.sites: there is no network "A9"'),
    ("sites: [A1, A2]", "sites: [N1]", "no site of acme has a node with the role qsa"),
    ("usage_every: 2s", "usage_every: often", "expected a number and a unit (s, m), such as 60s"),
    ("  beta: {ruas", "  Beta: {ruas", '"Beta" is no label'),
    ("20.16.0.0/14,", "20.16.0.0/14, 20.12.8.0/24,", "lies in another MAB"),
    ("domain: ivip.example\n", "mabs: [30.0.0.0/16]\ndomain: ivip.example\n",
     'with "dsocs", each has MABs of its own'),
    ("domain: ivip.example\n", "domain: example\n", 'expected a domain such as isp.example'),
    ("isp.example: {qsr: [QSR1, QSR2]}\n", "isp.example: {qsr: [ITR1]}\n",
     "ITR1 is no node with the role qsr or qsc"),
    ("qsc: {domain: isp.example}", "qsc: {domain: other.example}",
     'the domain other.example of its role qsc is not among "domains"'),
    ("mabs: [20.0.0.0/14]}", "mabs: [30.0.0.0/14]}", "A1DITR1: 30.0.0.0/14 lies in none of the MABs"),
    ("roles: {dns: {}}", "roles: {}", "there are domains but no node with the role dns"),
    ("n7: {uabs: [20.12.1.0/24]}", "n7: {uabs: [20.12.1.0/24, 20.16.2.0/24]}",
     "n7 has UABs of several RUASes: RUASA, RUASB"),
])
def test_operators_and_domains_must_fit(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in DRTM
    with pytest.raises(Problem) as caught:
        load_topology(write(tmp_path, DRTM.replace(old, new)))
    assert words in str(caught.value)


def test_a_name_that_is_no_topology_is_answered_with_those_there_are() -> None:
    with pytest.raises(Problem, match="known by name: drtm, fig3, small"):
        find_topology("fig4")


@pytest.mark.parametrize("name", topology_names())
def test_topologies_that_come_with_ivip_are_right(name: str) -> None:
    make_plan(load_topology(find_topology(name)))


def test_the_example_in_the_document_is_the_file() -> None:
    document = (TOP / "docs" / "lab.md").read_text()
    example = document.split("```yaml\n")[1].split("```")[0]
    lines = find_topology("small").read_text().splitlines()
    assert example.splitlines() == "\n".join(
        line for line in lines if not line.startswith("#")).strip().splitlines()


def test_addresses_follow_from_the_order_of_the_file() -> None:
    plan = make_plan(load_topology(find_topology("fig3")))
    assert str(plan.address("H1")) == "198.18.1.1"
    assert str(plan.address("BR3")) == "198.18.3.2"
    assert str(plan.address("BR3", 6)) == "2001:2:0:302::1"
    assert str(plan.address("IH9")) == "20.1.0.18"
    assert str(plan.address("IH9", 6)) == "2001:db8:0:42::1"


def test_spi_space_has_routes_only_from_its_etr_to_its_users() -> None:
    plan = make_plan(load_topology(find_topology("fig3")))
    knowing = {name for name, node in plan.nodes.items()
               for route in node.routes if route.device and str(route.prefix) == "20.1.0.16/28"}
    assert knowing == {"ETR1", "PE1", "ETR2"}


def test_an_etr_without_a_way_to_its_user_is_refused(tmp_path: Path) -> None:
    text = find_topology("fig3").read_text().replace("  - [ETR1, PE1]\n", "  - [H6, PE1]\n")
    with pytest.raises(Problem, match="ETR1 is to deliver to N5, but no links lead there"):
        make_plan(load_topology(write(tmp_path, text.replace("  - [H6, PE1]", "  - [H7, PE1]"))))
