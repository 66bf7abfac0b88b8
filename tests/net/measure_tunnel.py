#!/usr/bin/python3
"""Measures the tunnel: host --- itr --- core --- etr --- site, with iperf3, all on this machine.

    sudo tests/net/measure_tunnel.py [SECONDS]

Prints for each kind of traffic what arrived at the site. The same path without Ivip (the kernel
forwards, with all its offloads) is shown last. All share the machine, so beside the rate stands
what each daemon carried for each second of processor time that it used.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from network import Network, await_that  # noqa: E402
from test_tunnel import SITE, SITE6, Internet  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(node) -> float:
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def iperf(net: Internet, site: str, seconds: int, *words: str) -> dict:
    server = subprocess.Popen(net.site.command("timeout", seconds + 30, "iperf3", "-s", "-1"),
                              stdout=subprocess.DEVNULL)
    await_that("iperf3 listens", lambda: ":5201" in net.site.run("ss", "-Htln").stdout)
    result = net.host.run("iperf3", "-c", site, "-t", str(seconds), "-J", *words)
    server.wait()
    return json.loads(result.stdout)["end"]


def measure(net: Internet, title: str, site: str, seconds: int, *words: str) -> None:
    daemons = (net.node, net.nodes[0])
    name = "ivip_etr_delivered_octets_total"
    before = [processor_seconds(node) for node in daemons]
    delivered = net.nodes[0].metrics()[name]
    end = iperf(net, site, seconds, *words)
    used = [processor_seconds(node) - start for node, start in zip(daemons, before, strict=True)]
    # What the ETR delivered: iperf3 itself loses UDP when the machine is busy.
    gigabits = (net.nodes[0].metrics()[name] - delivered) * 8 / 1e9
    if gigabits < 0.001:  # not by way of Ivip
        gigabits = end["sum_received"]["bytes"] * 8 / 1e9
    cores = [f"{gigabits / cpu:5.2f}" if cpu > 0.1 else "    -" for cpu in used]
    print(f"{title:26} {gigabits / seconds:6.2f} Gbit/s   by one busy core: itr {cores[0]} Gbit/s, "
          f"etr {cores[1]} Gbit/s", flush=True)


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="ivip-measure-") as folder:
        network = Network(Path(folder))
        net = None
        try:
            net = Internet(network)
            measure(net, "TCP, IPv4", SITE, seconds)
            measure(net, "TCP, IPv4, 4 streams", SITE, seconds, "-P", "4")
            measure(net, "TCP, IPv6", SITE6, seconds)
            measure(net, "UDP, 1,400 octets", SITE, seconds, "-u", "-b", "2G", "-l", "1400")
            measure(net, "UDP, 64 octets", SITE, seconds, "-u", "-b", "200M", "-l", "64")
            net.core.ip("route add 20.1.0.16/28 via 198.18.3.1")
            net.itr.ip("route add 20.1.0.16/28 via 198.18.2.2")
            measure(net, "TCP, IPv4, without Ivip", SITE, seconds)
        finally:
            if net is not None:
                net.close()
            network.close()


if __name__ == "__main__":
    main()
