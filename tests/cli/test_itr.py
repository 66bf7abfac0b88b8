"""RUAS, QSA and ITR in one process, in a network namespace: what `ivip` shows of the tunnelling."""

import json
import os
import subprocess
import time

import pytest

from command import IVIP, LIMIT_SECONDS, ivip, make_key
from daemon import Node

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and tunnels need root")

SPACE = f"ivip-cli-{os.getpid()}"


def inside(*words, check=True):
    return subprocess.run(["ip", "netns", "exec", SPACE, *map(str, words)], capture_output=True,
                          text=True, check=check)


class NodeInside(Node):
    """`ivip run` in the namespace; `ip netns exec` becomes the program itself."""

    def command(self):
        return ["ip", "netns", "exec", SPACE, IVIP, "run", str(self.config)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("itr")
    key = make_key(directory / "key")
    config = directory / "all.yaml"
    config.write_text(f"""\
name: all
key: {directory}/key
state: {directory}/state
control: {directory}/control
metrics: none
ruas: {{mabs: [20.0.0.0/14], feeds: ["127.0.0.1:4749"]}}
qsa: {{ruas: [{{key: {key}, url: "http://127.0.0.1:4747"}}]}}
itr: {{announce: true}}
""")
    (directory / "client.yaml").write_text(
        f"uas: https://127.0.0.1:4748\nkey: {key}\ntoken_file: {directory}/token\n")
    subprocess.run(["ip", "netns", "add", SPACE], check=True)
    node = None
    try:
        inside("ip", "link", "set", "lo", "up")
        inside("ip", "link", "add", "net0", "type", "veth", "peer", "name", "net1")
        inside("ip", "link", "set", "net0", "up", "mtu", "1400")
        inside("ip", "link", "set", "net1", "up")
        inside("ip", "address", "add", "198.18.3.2/24", "dev", "net0")
        inside("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        node = NodeInside(config).wait_for("^info node: ready").wait_for("route added")
        yield directory
        assert node.stop() == 0
    finally:
        if node is not None:
            node.stop()
        subprocess.run(["ip", "netns", "delete", SPACE], check=True)


def operator(site, *words, **options):
    return ivip(*words, "--control", site / "control", **options)


def test_what_the_itr_shows(site):
    assert operator(site, "user", "add", "anna", stdin="correct horse\n").status == 0
    assert operator(site, "uab", "add", "20.1.0.0/24", "anna").status == 0
    (site / "token").write_text(operator(site, "token", "add", "anna").out)
    inside(IVIP, "define", "--client", site / "client.yaml", "20.1.0.16/28", "198.18.3.1")
    end = time.monotonic() + LIMIT_SECONDS
    while "mapped to 198.18.3.1" not in inside(IVIP, "query", "20.1.0.20", "@127.0.0.1").stdout:
        assert time.monotonic() < end
    assert operator(site, "mtu").err == "The ITR has not tunnelled to any ETR yet.\n"
    inside("ping", "-c", "3", "-i", "0.2", "-W", "1", "20.1.0.20", check=False)

    paths = operator(site, "mtu", "--json").json["paths"]
    assert [(path["etr"], path["path_mtu"], path["inner_mtu"]) for path in paths] == \
        [("198.18.3.1", 1400, 1380)]
    asked = json.loads(inside(IVIP, "mtu", "--json", "198.18.3.1").stdout)["paths"]
    assert asked == [{"etr": "198.18.3.1", "from": "198.18.3.2", "path_mtu": 1400,
                      "inner_mtu": 1380}]
    assert "198.18.3.1" in operator(site, "mtu").out
    cache = operator(site, "cache", "--json").json
    assert (cache["cache"], cache["more"]) == ([], False)  # it has all mappings anyway
    taken = operator(site, "usage", "--take", "--json").json
    assert taken["usage"] == [{"micronet": "20.1.0.16/28", "packets": 3, "octets": 3 * 84}]
    assert operator(site, "usage", "--json").json["usage"] == []
    assert "\nitr  working\n" in operator(site, "status").out
    doctor = inside(IVIP, "doctor", "--control", site / "control", check=False)
    assert doctor.stdout.endswith("Nothing is wrong here.\n"), doctor.stdout
