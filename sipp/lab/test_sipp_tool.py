# SPDX-License-Identifier: BSD-2-Clause
"""The sipp tool without a daemon, and what sippd says of a bad file."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from sipp_lab import SIPP, SIPPD, TOP

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
            (("-n", "/nonexistent", "addr", "P"), 1, "cannot read"),
            (("-n", "/dev/zero", "addr", "P"), 1, "no text of at most a megabyte"),
            (("-w", "0", "ping", "P"), 2, "-w takes a number from 1"),
            (("registry", names, "add", "Q.F", "many"), 1, '"many" is not a number of bits'),
            (("registry", names, "mask", "P", "x3"), 1, '"x3" is not a number of bits'),
            (("registry", names, "dance"), 1, "no such command"),
            (("registry", names), 2, "say which file"),
            (("reverse", "P"), 2, "say the received route"),
            (("-n", names, "addr", "ipv4", "P"), 2, "addr ipv4 takes other words"),
            (("addr", "dns"), 2, "addr dns takes other words"),
            (("addr", "local-use"), 2, "addr local-use takes other words"),
            (("addr", "local-use", "02:00", "256"), 2, "8 bits"),
            (("route", "set"), 2, "route set PREFIX"),
            (("join",), 2, "say which group"),
            (("leave",), 2, "say which group"),
            (("status", "now"), 2, "takes no words")):
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
    # What could not be written down was not assigned.
    code, shown, error = sipp("registry", "/nonexistent/plan", "add", "P")
    assert (code, shown) == (1, "") and "cannot write" in error
    # The plan is a names file.
    assert "p1.D.h" in sipp("-n", plan, "addr", "0080:0000:8000:0001")[1]


@pytest.mark.parametrize(("text", "said"), [
    ("router\nfly away\n", ":2:1: \"fly\" is not a statement"),
    ("host\n\nown\n", ":3:1: own takes 1 word, not 0"),
    ("router\nown 0080\n", ":2:5: "),
    ("router\ninterface nonesuch0\n", ":2:11: cannot use the device nonesuch0"),
    ("router\nlevel 0080:0000:0000:0000/32 perhaps\n", "neither acts nor inside"),
    ("router\nroute 0080:0000:0000:0000/32 eth9\n", "no line above names the interface eth9"),
    ("  router\t# here\r\nroute 0080:0000:0000:0000/32   eth9\n", ":2:32: no line above names"),
    ("router\nhost\n", ":2:1: a node is one of"),
    ("control x\n", "say whether the node is"),
    ("host\nbase-station\n", "a base-station is a router"),
    ("host\nuser no-such-account\n", ":2:6: there is no account"),
    ("host\ncontrol " + "x" * 200 + "\n", ":2:9: the path of a socket"),
    ("host\ninterface an-interface-too-long\n", ":2:11: \"an-interface-too-long\" is too long"),
    ("host\n\0own\n", "zero byte"),
    ("router\nserve-addresses 0080:0000:0000:0001/64\n", "a pool is a prefix"),
])
def test_bad_files(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "node.conf"
    file.write_text(text)
    done = subprocess.run([SIPPD, file], text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1 and said in done.stderr, done.stderr


WHOLE = """
router
names NAMES
control /nonexistent/folder/sippd.sock
interface eth-a
interface eth-b boundary
tunnel t 192.0.2.1 192.0.2.2
own P.D.H
level P.D acts eth-a
announce eth-a P.D
route Q t
learn
offer P.D
serve-addresses P.D
gateway tun4
ipv4-here 10.1.0.0/16 P
ipv4 10.2.0.0/16 Q P P.0
"""


def check(file: Path) -> tuple[int, str]:
    done = subprocess.run([SIPPD, "--check", file], text=True, capture_output=True, check=False,
                          timeout=60)
    return done.returncode, done.stderr


def test_check_opens_nothing(tmp_path: Path, names: Path) -> None:
    file = tmp_path / "node.conf"
    whole = WHOLE.replace("NAMES", str(names))
    file.write_text(whole)
    # No device of these names exists here, nor the folder of the socket.
    assert check(file) == (0, "")
    for extra, said in (("interface eth-a\n", "a line above has the interface eth-a"),
                        ("gateway tun5\n", "a node has one gateway"),
                        ("control other\n", "a line above has a control socket"),
                        ("tunnel u 192.0.2.1 here\n", ":18:20: a tunnel has two IPv4 addresses")):
        file.write_text(whole + extra)
        code, error = check(file)
        assert code == 1 and said in error, error


# For each statement at least one line that is wrong, in a file in which all else is right.
WRONG = {
    "router": ("router", "one of router, host and auto-host"),
    "host": ("host", "one of router, host and auto-host"),
    "auto-host": ("auto-host", "one of router, host and auto-host"),
    "base-station": ("base-station here", "base-station takes 0 words"),
    "names": ("names /nonexistent", "cannot read /nonexistent"),
    "control": ("control a b", "control takes 1 word"),
    "user": ("user no-such-account", "there is no account"),
    "interface": ("interface e border", '"border" is not "boundary"'),
    "tunnel": ("tunnel u 192.0.2.1", "tunnel takes 3 words"),
    "own": ("own P.D.H:P.D.H:P.D.H:P.D.H", "at most 3 addresses"),
    "level": ("level P.D acts nowhere", "no line above names the interface nowhere"),
    "announce": ("announce eth-a Z", 'no line names "Z"'),
    "route": ("route Q t Z", 'no line names "Z"'),
    "learn": ("learn everything", "learn takes 0 words"),
    "offer": ("offer P.D.H.x", 'no line names "P.D.H.x"'),
    "mobile": ("mobile P.D.H P.D.H key", "mobile is for hosts, and this is a router"),
    "serve-mobile": ("serve-mobile P.D.H /nonexistent", "cannot read /nonexistent"),
    "serve-addresses": ("serve-addresses P", "a line above serves addresses"),
    "leases": ("leases /dev", "cannot read /dev"),
    "gateway": ("gateway tun5", "a node has one gateway"),
    "ipv4-here": ("ipv4-here fd00::/8 P", "fd00::/8 is not an IPv4 prefix"),
    "ipv4": ("ipv4 10.0.0.0/33 P P", "prefix length"),
}


@pytest.mark.parametrize("statement", WRONG)
def test_every_statement_refuses_something(tmp_path: Path, names: Path, statement: str) -> None:
    line, said = WRONG[statement]
    file = tmp_path / "node.conf"
    file.write_text(WHOLE.replace("NAMES", str(names)) + line + "\n")
    code, error = check(file)
    assert code == 1 and said in error and re.search(r"node\.conf:18:\d+: ", error), error


def test_statements_of_the_other_role(tmp_path: Path, names: Path) -> None:
    for line in ("level P acts", "announce e P"):
        file = tmp_path / "node.conf"
        file.write_text(f"host\nnames {names}\ninterface e\n{line}\n")
        code, error = check(file)
        assert code == 1 and f"{line.split()[0]} is for routers, and this is a host" in error


def test_examples_are_right() -> None:
    examples = sorted((TOP / "contrib/examples/sipp").glob("*.conf"))
    assert len(examples) >= 3
    for example in examples:
        done = subprocess.run([SIPPD, "--check", example.name], text=True, capture_output=True,
                              check=False, cwd=example.parent, timeout=60)
        assert done.returncode == 0, done.stderr


def test_json(names: Path, tmp_path: Path) -> None:
    said = json.loads(sipp("--json", "-n", names, "addr", "P.D.H", "P")[1])
    assert said == {"v": 1, "results": [
        {"address": "0080:0000:0001:0007", "kind": "global unicast", "name": "P.D.H"},
        {"prefix": "0080:0000:0000:0000/32", "mask": "ffff:ffff:0000:0000",
         "cluster": "0080:0000:0000:0000"}]}
    assert json.loads(sipp("--json", "registry", tmp_path / "plan", "add", "p1")[1]) == {
        "v": 1, "results": [{"name": "p1", "prefix": "0080:0000:0000:0000/32"}]}
    said = json.loads(sipp("-n", names, "reverse", "P.D.H, P.0, *Q.E.I", "Q.E.I", "--json")[1])
    assert said["results"] == [{"route": "Q.E.I, *P.0, P.D.H"}]


def page(name: str) -> str:
    return (TOP / "docs/man" / name).read_text()


@pytest.mark.parametrize("name", ["sipp.1", "sippd.8", "sippd.conf.5"])
def test_manual_is_well_formed(name: str) -> None:
    lint = subprocess.run(["mandoc", "-T", "lint", str(TOP / "docs/man" / name)], text=True,
                          capture_output=True, check=False).stdout
    wrong = [line for line in lint.splitlines()
             if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
    assert wrong == []


def test_manual_has_the_options() -> None:
    """What the programs say they take, and what the manual pages explain, is the same."""
    for program, name in ((SIPP, "sipp.1"), (SIPPD, "sippd.8")):
        said = subprocess.run([program, "--help"], text=True, capture_output=True,
                              check=True).stdout
        taken = set(re.findall(r"^  (-[a-z]|--[a-z]+) ", said, re.MULTILINE))
        explained = {"-" + word.replace("\\-", "-").lstrip()
                     for word in re.findall(r"^\.It Fl (\S+)", page(name), re.MULTILINE)}
        assert taken and explained == taken | ({"--metrics"} if program == SIPP else set())
    commands = set(re.findall(r"^  ([a-z]+) ", subprocess.run(
        [SIPP, "--help"], text=True, capture_output=True, check=True).stdout, re.MULTILINE))
    assert commands == set(re.findall(r"^\.It Cm ([a-z]+)", page("sipp.1"), re.MULTILINE))
    for command in commands:
        assert sipp(command, "--help")[1].startswith("usage: sipp ")


@pytest.mark.parametrize("command", ["addr", "registry", "reverse"])
def test_help_shows_what_is_printed(command: str, names: Path, tmp_path: Path) -> None:
    """The examples that need no daemon, with the output that stands below each."""
    example = re.compile(r"^    \$ sipp (.*)\n((?:    [^$\s].*\n)*)", re.MULTILINE)
    found = example.findall(sipp(command, "--help")[1])
    assert found
    for words, output in found:
        parts = [str(names) if word == "names" else str(tmp_path / "plan") if word == "plan" else word
                 for word in shlex.split(words)]
        code, printed, error = sipp(*parts)
        assert (code, error) == (0, "")
        assert printed == output.replace("    ", "") or output == ""


def test_manual_has_the_statements() -> None:
    source = (TOP / "sipp/daemon/config.c").read_text()
    table = source[source.index("statements[] = {"):]
    taken = set(re.findall(r'^    \{"([a-z0-9-]+)", \d', table, re.MULTILINE))
    explained = set(re.findall(r"^\.It Ic ([a-z0-9-]+)", page("sippd.conf.5"), re.MULTILINE))
    assert len(taken) > 15 and explained == taken == set(WRONG)
