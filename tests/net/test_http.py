"""The HTTP servers of a node under connections that want nothing, and what Prometheus gets."""

from __future__ import annotations

import re
import subprocess
import sys

from network import Network, await_that

# Opens connections, four from each of so many addresses of one /64, says how many were not closed
# once no more are, and keeps them until its standard input ends.
HOLD = """
import select, socket, sys, time
held = []
for number in range(4 * int(sys.argv[1])):
    try:
        one = socket.create_connection(("2001:db8:1::1", 9746), 5,
                                       (f"2001:db8:1::{number % int(sys.argv[1]) + 2:x}", 0))
        one.sendall(b"G")
        held.append(one)
    except OSError:
        pass
poll = select.poll()
for one in held:
    poll.register(one, select.POLLIN)
closed = set()
deadline = time.monotonic() + 20
while True:
    ready = {descriptor for descriptor, _ in poll.poll(1000)}
    if not ready and (len(held) - len(closed) <= 256 or time.monotonic() > deadline):
        break
    for descriptor in ready:
        poll.unregister(descriptor)
    closed |= ready
print(len(held) - len(closed), flush=True)
sys.stdin.read()
"""
ADDRESSES = 300


def test_one_network_cannot_take_all_connections(network: Network) -> None:
    """Sources are counted by /64: whoever has one has 2^64 addresses."""
    place = network.namespace("node")
    place.ip("address add 192.0.2.1/32 dev lo")
    batch = "".join(f"address add 2001:db8:1::{last:x}/128 dev lo\n"
                    for last in range(1, ADDRESSES + 2))
    place.run("ip", "-6", "-batch", "-", text=batch)
    node = network.node(place, {"name": "node", "metrics": "[::]:9746",
                                "qsr": {"listen": "192.0.2.1:4746",
                                        "upstreams": ["192.0.2.1:4745"]}})
    await_that("the node answers", lambda: place.run(
        "curl", "-sS", "http://192.0.2.1:9746/", check=False).returncode == 0)
    with subprocess.Popen(place.command(sys.executable, "-c", HOLD, str(ADDRESSES)),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert int(holder.stdout.readline()) == 256
        page = place.run("curl", "-sS", "http://192.0.2.1:9746/metrics").stdout
        assert "ivip_udp_datagrams_total" in page
        holder.communicate("")
    assert node.process is not None and node.process.poll() is None


def test_metrics_keep_to_the_conventions(network: Network) -> None:
    """Of all roles: help and type for each, counters that end in _total and nothing else that does,
    seconds and bytes as units. (What `promtool check metrics` looks for.)"""
    place = network.namespace("all", router=True)
    place.ip("route add default dev lo")
    config = {
        "name": "all",
        "ruas": {"listen": "127.0.0.1:4748", "public": "127.0.0.1:4747", "mabs": ["20.0.0.0/14"],
                 "feeds": ["127.0.0.1:4749"]},
        "qsr": {"listen": "127.0.0.2:4746", "upstreams": ["127.0.0.1:4746"]},
        "itr": {"device": "ivip0"},
        "etr": {"device": "ivip1", "serves": ["20.1.0.0/28"]}}
    node = network.node(place, config, start=False)
    node.write_config(config | {"qsa": {
        "listen": "127.0.0.1:4746", "feed": "127.0.0.1:4749",
        "ruas": [{"key": node.public_key, "url": "http://127.0.0.1:4747"}]}})
    node.start()
    node.await_healthy()
    page = place.run("curl", "-sS", "http://127.0.0.1:9746/metrics").stdout
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
    helped = re.findall(r"^# HELP (\S+) \S", page, re.MULTILINE)
    assert helped == list(kinds) and len(kinds) > 100
    for family, kind in kinds.items():
        assert family.endswith("_total") == (kind == "counter"), family
        assert not re.search(r"_(ms|us|ns|kb|kib|mb|mib|percent)(_|$)", family), family
    samples = re.findall(r"^([a-z_]+)(?:\{[^}]*\})? \S+$", page, re.MULTILINE)
    assert {re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
            for name in samples} <= set(kinds)
