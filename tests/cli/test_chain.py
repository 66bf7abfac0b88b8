"""RUAS, QSA and QSR in three processes on loopback, driven and looked at by `ivip` alone."""

import json
import os
import socket
import subprocess
import time
import urllib.request

import pytest

from command import IVIP, LIMIT_SECONDS, ivip, make_key
from daemon import Node, Ruas, free_port

UDP = socket.SOCK_DGRAM


def write(file, text):
    file.write_text(text)
    return file


def within_limit(check):
    """Asks again until the check holds."""
    end = time.monotonic() + LIMIT_SECONDS
    while not (result := check()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return result


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    directory = tmp_path_factory.mktemp("chain")
    key = make_key(directory / "key")
    ports = {name: free_port() for name in ("rest", "public")}
    ports |= {name: free_port(UDP) for name in ("feed", "qsa", "qsr")}
    configs = {
        "ruas": f"""\
key: {directory}/key
ruas: {{listen: "127.0.0.1:{ports['rest']}", public: "127.0.0.1:{ports['public']}",
       mabs: [20.0.0.0/14, "2001:db8::/32"], feeds: ["127.0.0.1:{ports['feed']}"]}}
""",
        "qsa": f"""\
qsa: {{listen: "127.0.0.1:{ports['qsa']}", feed: "127.0.0.1:{ports['feed']}",
      ruas: [{{key: {key}, url: "http://127.0.0.1:{ports['public']}"}}]}}
""",
        "qsr": f"""\
qsr: {{listen: "127.0.0.1:{ports['qsr']}", upstreams: ["127.0.0.1:{ports['qsa']}"]}}
""",
    }
    nodes = []
    try:
        for name, roles in configs.items():
            common = f"name: {name}\nstate: {directory}/{name}\ncontrol: {directory}/{name}.sock\n"
            file = write(directory / f"{name}.yaml", common + "metrics: none\n" + roles)
            nodes.append(Node(file).wait_for("^info node: ready"))
        write(directory / "client.yaml", f"uas: https://127.0.0.1:{ports['rest']}\nkey: {key}\n"
                                         f"token_file: {directory}/token\n")
        made = Ruas(directory, directory / "ruas.sock", directory / "client.yaml", key, 0, nodes[0],
                    ports)
        assert made.operator("user", "add", "anna", stdin="correct horse\n").status == 0
        for uab in ("20.1.0.0/24", "2001:db8::/48"):
            assert made.operator("uab", "add", uab, "anna").status == 0
        write(directory / "token", made.operator("token", "add", "anna").out)
        yield made
    finally:
        assert [node.stop() for node in reversed(nodes)] == [0] * len(nodes)


def query(chain, server, address):
    result = ivip("query", "--json", address, f"@127.0.0.1:{chain.ports[server]}")
    return result.json if result.status == 0 else None


def mapped_to(chain, server, address, etr):
    answer = query(chain, server, address)
    return answer is not None and answer.get("etr") == etr


def test_a_change_reaches_everybody(chain):
    assert chain.user("define", "20.1.0.16/28", "198.18.3.1").status == 0
    assert chain.user("define", "2001:db8:0:40::/62", "2001:db9::1").status == 0
    within_limit(lambda: mapped_to(chain, "qsa", "20.1.0.20", "198.18.3.1"))
    answer = within_limit(lambda: query(chain, "qsr", "20.1.0.20"))
    assert (answer["micronet"], answer["etr"]) == ("20.1.0.16/28", "198.18.3.1")
    assert 0 < answer["caching_ms"] <= 600000
    within_limit(lambda: mapped_to(chain, "qsr", "2001:db8:0:41::9", "2001:db9::1"))
    gap = query(chain, "qsa", "20.2.0.1")
    assert gap["status"] == "zero"
    assert query(chain, "qsa", "192.0.2.1")["status"] == "not-in-mab"


def test_who_cached_is_told(chain):
    """One that watches through the QSR hears of each change, in order."""
    assert chain.user("define", "20.1.0.64/28", "198.18.3.1").status == 0
    within_limit(lambda: mapped_to(chain, "qsa", "20.1.0.65", "198.18.3.1"))
    watching = subprocess.Popen(
        [IVIP, "query", "--watch", "--json", "--changes", "3", "20.1.0.65",
         f"@127.0.0.1:{chain.ports['qsr']}"], stdout=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"]})
    try:
        assert json.loads(watching.stdout.readline())["etr"] == "198.18.3.1"
        assert chain.user("map", "20.1.0.64/28", "198.18.4.1").status == 0
        assert json.loads(watching.stdout.readline())["etr"] == "198.18.4.1"
        assert chain.user("map", "20.1.0.64/28", "zero").status == 0
        assert json.loads(watching.stdout.readline())["etr"] == "zero"
        assert watching.wait(LIMIT_SECONDS) == 0
    finally:
        watching.kill()
        watching.wait()


def test_status_of_each(chain):
    for name in ("ruas", "qsa", "qsr"):
        result = ivip("status", "--control", chain.directory / f"{name}.sock")
        assert (result.status, result.err) == (0, "")
        assert f"\n{name}  working\n" in result.out
        checked = ivip("doctor", "--control", chain.directory / f"{name}.sock")
        assert checked.status == 0, checked.out
    assert "20.0.0.0/14" in ivip("status", "--control", chain.directory / "qsa.sock").out


def test_query_finds_the_server_of_this_machine(chain):
    result = ivip("query", "--json", "20.1.0.20", "--control", chain.directory / "qsr.sock")
    assert result.json["server"] == f"127.0.0.1:{chain.ports['qsr']}"


def test_snapshots(chain, tmp_path):
    url = f"http://127.0.0.1:{chain.ports['public']}/v1/snapshots/20.0.0.0-14/latest"
    file = tmp_path / "snapshot"
    with urllib.request.urlopen(url, timeout=LIMIT_SECONDS) as answer:
        file.write_bytes(answer.read())
    info = ivip("snapshot", "--json", file).json
    assert (info["mab"], info["verified"]) == ("20.0.0.0/14", False)
    assert info["bytes"] == file.stat().st_size
    assert ivip("snapshot", "--json", file, "--verify", chain.key).json["verified"] is True
    listed = ivip("snapshot", file, "--verify", chain.key, "--list")
    assert len(listed.out.splitlines()) == info["micronets"]
    other = make_key(tmp_path / "other")
    forged = ivip("snapshot", file, "--verify", other)
    assert (forged.status, forged.out) == (1, "")
    cut = bytearray(file.read_bytes())
    cut[20] ^= 1
    file.write_bytes(cut)
    assert ivip("snapshot", file, "--verify", chain.key).status == 1
