#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Forwarding speed of sippd beside IPv6: sender, router and receiver in namespaces.

    sudo sipp/bench/forward.py [--seconds N] [--runs N]

Three routers forward packets of the same size over the same two veth pairs: sippd, an IPv6 forwarder
in user space with the same packet sockets and batches (wire_tool), and the kernel's IPv6. Prints the
packets a second that arrive, the median of the runs, and the processor time that a forwarder in user
space spent on each, which says more where the machine has other things to do.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
from sipp_lab import BUILD, Lab, await_that  # noqa: E402

TOOL = BUILD / "sipp/bench/wire_tool"
SIZES = (100, 1400)


def link_of(lab: Lab, node: str, device: str) -> str:
    return lab.sh(node, f"ip -br link show dev {device}").split()[2]


def processor_seconds(process: int) -> float:
    """What all threads of a process have used."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path(f"/proc/{process}/task").iterdir()) / 1e9


def measure(lab: Lab, kind: str, size: int, seconds: float) -> float:
    router = link_of(lab, "R", "r-s")
    count = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{lab.namespace('T')}", str(TOOL), "count", "t-r", kind,
         str(seconds)], stdout=subprocess.PIPE, text=True)
    lab.sh("S", f"{TOOL} send s-r {router} {kind} {size} {seconds + 1}")
    return float(count.communicate()[0])


def await_arrivals(lab: Lab, kind: str) -> None:
    await_that(f"{kind} arrives", lambda: measure(lab, kind, 100, 0.2) > 0)


def forwarded(lab: Lab) -> int:
    """Packets that R's device to the receiver has sent."""
    shown = lab.sh("R", "cat /proc/net/dev")
    return int(next(line for line in shown.splitlines() if "r-t:" in line).split()[10])


def rows(lab: Lab, name: str, kind: str, seconds: float, runs: int, process: int | None) -> None:
    await_arrivals(lab, kind)
    for size in SIZES:
        rates, costs = [], []
        for _ in range(runs):
            packets, used = forwarded(lab), processor_seconds(process) if process else 0.0
            rates.append(measure(lab, kind, size, seconds))
            if process:
                costs.append((processor_seconds(process) - used) * 1e9
                             / max(1, forwarded(lab) - packets))
        cost = f"   {statistics.median(costs):6.0f} ns each" if costs else ""
        print(f"{name:38} {size:5} bytes {statistics.median(rates) / 1000:8.0f} k packets/s "
              f"({min(rates) / 1000:.0f} to {max(rates) / 1000:.0f}){cost}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sipp-bench-") as folder:
        lab = Lab(Path(folder))
        try:
            lab.names("a 0080:0000:0001:0000/48\nb 0080:0000:0002:0000/48\n"
                      "a.r +1/16\na.h +7/16\nb.h +7/16\n")
            lab.node("R", "router", "own a.r", "announce r-s a", "announce r-t b")
            for node in ("S", "T"):
                lab.node(node, "host")
            lab.link("R", "S")
            lab.link("R", "T")
            lab.statements["T"] += ["own b.h"]
            lab.start()
            lab.await_ping("R", "ping", "b.h")
            rows(lab, "sippd", "sipp", arguments.seconds, arguments.runs,
                 lab.processes["R", "sippd"].pid)
            target = link_of(lab, "T", "t-r")
            lab.spawn("R", "forward", TOOL, "forward", "r-s", "r-t", target)
            rows(lab, "IPv6 in user space, same sockets", "ipv6", arguments.seconds, arguments.runs,
                 lab.processes["R", "forward"].pid)
            lab.stop_process("R", "forward")
            lab.sh("R", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;"
                        f"ip -6 neigh add fe80::7 lladdr {target} dev r-t;"
                        "ip -6 route add fd00:0:2::/48 via fe80::7 dev r-t;"
                        "ip -6 route add fd00:0:0:0::/16 via fe80::7 dev r-t")
            rows(lab, "IPv6 in the kernel", "ipv6", arguments.seconds, arguments.runs, None)
        finally:
            lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
