# SPDX-License-Identifier: BSD-2-Clause
"""The sipp tool without a daemon, and what sippd says of a bad file."""

import subprocess
from pathlib import Path

import pytest
from sipp_lab import SIPP, SIPPD

NAMES = """
P      0080:0000:0000:0000/32
Q      0040:0000:0000:0000/32
P.D    +1/16
P.D.H  +7/16
Q.E    +1/16
Q.E.I  +9/16
M      7f0e:0000:0000:0777
"""


@pytest.fixture
def names(tmp_path: Path) -> Path:
    file = tmp_path / "names"
    file.write_text(NAMES)
    return file


def sipp(*words: object) -> tuple[int, str, str]:
    done = subprocess.run([SIPP, *map(str, words)], text=True, capture_output=True, check=False,
                          timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_addresses(names: Path) -> None:
    assert sipp("-n", names, "addr", "P.D.H")[1] == (
        "0080:0000:0001:0007  global unicast  P.D.H\n")
    assert sipp("-n", names, "addr", "P")[1] == (
        "0080:0000:0000:0000/32  mask ffff:ffff:0000:0000  cluster 0080:0000:0000:0000\n")
    assert "scope 14  group 777" in sipp("-n", names, "addr", "M")[1]
    assert "7d05:0200:5e10:0001" in sipp("addr", "local-use", "02:00:5e:10:00:01", "5")[1]
    assert "7d00:0000:0000:abcd" in sipp("addr", "local-use", "ab:cd")[1]
    assert sipp("-n", names, "addr", "ipv4", "P", "192.168.1.1")[1] == (
        "8080:0000:c0a8:0101  global unicast of an IPv4-only node  IPv4 192.168.1.1\n")
    assert sipp("-n", names, "addr", "record", "P.0:Q.E.I")[1] == (
        "TYPE65280 \\# 16 00800000000000000040000000010009\n")


def test_refusals(names: Path) -> None:
    for words, status, said in (
            (("addr", "nothing"), 1, 'no line names "nothing"'),
            (("addr", "0080:0000:0000:0001/32"), 1, "bits set behind"),
            (("-n", names, "addr", "P.D"), 0, ""),
            (("dance",), 2, "no command"),
            ((), 2, "usage"),
            (("-s", "/nonexistent", "ping", "0080:0000:0000:0001"), 3, "no daemon answers"),
            (("-n", "/nonexistent", "addr", "P"), 1, "cannot read")):
        code, _, error = sipp(*words)
        assert code == status and said in error, (words, code, error)


def test_reversal(names: Path) -> None:
    assert sipp("-n", names, "reverse", "P.D.H, P.0, *Q.E.I", "Q.E.I")[1] == (
        "Q.E.I, *P.0, P.D.H\n")
    code, _, error = sipp("-n", names, "reverse", "P.D.H, *M", "M")
    assert code == 1 and "may be a source" in error


def test_registry(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    expected = {1: "0080", 2: "0040", 3: "00c0", 4: "0020", 5: "00a0", 10: "0050"}
    for i in range(1, 11):
        shown = sipp("registry", plan, "add", f"p{i}")[1]
        if i in expected:
            assert shown == f"p{i} {expected[i]}:0000:0000:0000/32\n"
    assert sipp("registry", plan, "add", "p1.D", "16")[1] == "p1.D 0080:0000:8000:0000/48\n"
    assert sipp("registry", plan, "add-node", "p1.D.h")[1] == "p1.D.h 0080:0000:8000:0001/64\n"
    assert sipp("registry", plan, "limits", "p1")[1] == "p1 can have a mask of 12 to 32 bits\n"
    before = plan.read_text()
    code, _, error = sipp("registry", plan, "mask", "p1", "33")
    assert code == 1 and "addresses would change" in error and plan.read_text() == before
    assert sipp("registry", plan, "mask", "p1", "16")[0] == 0
    assert "0080:0000:0000:0000/16" in plan.read_text()
    # The plan is a names file.
    assert "p1.D.h" in sipp("-n", plan, "addr", "0080:0000:8000:0001")[1]


@pytest.mark.parametrize(("text", "said"), [
    ("router\nfly away\n", ":2: \"fly\" is not a statement"),
    ("host\n\nown\n", ":3: own takes 1 to 1 words, not 0"),
    ("router\nown 0080\n", ":2: "),
    ("router\ninterface nonesuch0\n", ":2: cannot use the device nonesuch0"),
    ("router\nlevel 0080:0000:0000:0000/32 perhaps\n", "neither acts nor inside"),
    ("router\nroute 0080:0000:0000:0000/32 eth9\n", "no line above names the interface eth9"),
    ("router\nserve-addresses 0080:0000:0000:0001/64\n", "a pool is a prefix"),
])
def test_bad_files(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "node.conf"
    file.write_text(text)
    done = subprocess.run([SIPPD, file], text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1 and said in done.stderr, done.stderr
