# SPDX-License-Identifier: BSD-2-Clause
"""IPv4 hosts across a SIPP internet, tunnels over IPv4, and names in the DNS.

    a - GA - P - GB - b      a and b know IPv4 only; GA and GB are their gateways.
         \\   |   /           P and Q are joined by a protocol 41 tunnel over an IPv4 link.
           - Q -
"""

import json
import re
import shutil
import subprocess

import pytest
from sipp_lab import SIPP, Lab, await_that

NAMES = """
P      0080:0000:0000:0000/32
Q      0040:0000:0000:0000/32
P.r    +0xffff0001/32
Q.r    +0xffff0001/32
P.A    +1/16
Q.A    +1/16
P.B    +2/16
Q.B    +2/16
P.A.r  +1/16
Q.A.r  +1/16
P.B.r  +1/16
Q.B.r  +1/16
a4P    8080:0000:0a01:0002
a4Q    8040:0000:0a01:0002
b4P    8080:0000:0a02:0002
b4Q    8040:0000:0a02:0002
"""
IPV4_IN_SIPP = 4


def gateway(lab: Lab, name: str, here: int, there: int, policy: str) -> None:
    """`policy` says how the other side's IPv4 hosts are reached."""
    side = name[1]
    lines = ["router", "learn", "gateway tun4", f"ipv4 10.{there}.0.0/16 {policy}"]
    for one, bits in (("P", "8080"), ("Q", "8040")):
        lines += [f"level {one} inside", f"level {one}.{side} acts", f"own {one}.{side}.r",
                  f"offer {one}.{side}", f"ipv4-here 10.{here}.0.0/16 {one}",
                  f"offer {bits}:0000:0a{here:02x}:0000/48"]
    lab.node(name, *lines)


def edges(lab: Lab, a_policy: str, b_policy: str) -> None:
    lab.names(NAMES)
    for name, other, local, remote in (("P", "Q", 1, 2), ("Q", "P", 2, 1)):
        # Nothing but the tunnel joins them, and it has a fixed route.
        lab.node(name, "router", "learn", f"own {name}.r", f"level {name} acts", f"offer {name}",
                 f"tunnel t 192.0.2.{local} 192.0.2.{remote}", f"route {other} t")
    gateway(lab, "GA", 1, 2, a_policy)
    gateway(lab, "GB", 2, 1, b_policy)
    for host, near, number in (("a", "GA", 1), ("b", "GB", 2)):
        subprocess.run(["ip", "netns", "add", lab.namespace(host)], check=True)
        lab.sh(host, "ip link set lo up")
        device, far = lab.device(host, near), lab.device(near, host)
        subprocess.run(["ip", "link", "add", device, "netns", lab.namespace(host), "type", "veth",
                        "peer", "name", far, "netns", lab.namespace(near)], check=True)
        lab.sh(host, f"ip link set {device} up; ip addr add 10.{number}.0.2/24 dev {device};"
                     f"ip route add default via 10.{number}.0.1")
        lab.sh(near, f"ip link set {far} up; ip addr add 10.{number}.0.1/24 dev {far};"
                     "echo 1 >/proc/sys/net/ipv4/ip_forward")
        lab.plain_namespaces.append(host)
    for link in (("GA", "P"), ("GA", "Q"), ("GB", "P"), ("GB", "Q")):
        lab.link(*link)
    lab.link("P", "Q", plain=True)
    for name, other, number in (("P", "Q", 1), ("Q", "P", 2)):
        lab.sh(name, f"ip addr add 192.0.2.{number}/24 dev {lab.device(name, other)}")
    lab.start(stubs=("GA", "GB"))
    for near, there in (("GA", 2), ("GB", 1)):
        lab.sh(near, f"ip link set tun4 up mtu 1400; ip route add 10.{there}.0.0/16 dev tun4")
    await_that("a reaches b", lambda: " 0% packet loss" in lab.sh(
        "a", "ping -c1 -W1 10.2.0.2", check=False))
    for link in (("GA", "P"), ("GA", "Q"), ("GB", "P"), ("GB", "Q")):
        lab.capture(*link)


def carried(lab: Lab, a: str, b: str) -> set[str]:
    lab.captures[a, b].catch_up()
    return {lab.notation(packet) for packet in lab.captures[a, b].packets
            if packet.kind == IPV4_IN_SIPP}


def test_ipv4_with_the_provider_chosen(lab: Lab) -> None:
    # a goes out through P although b's address is Q's; b answers through Q.
    edges(lab, "Q P P.0", "P Q Q.0")
    assert " 0% packet loss" in lab.sh("a", "ping -c3 -i0.2 -s1300 10.2.0.2")
    assert carried(lab, "GA", "P") >= {"a4P, *P.0, b4Q"}
    assert carried(lab, "GB", "Q") >= {"b4Q, *Q.0, a4P"}
    assert not any(packet.startswith("a4") for packet in carried(lab, "GA", "Q"))
    assert not any(packet.startswith("b4") for packet in carried(lab, "GB", "P"))
    # What does not fit is an ordinary "fragmentation needed" of IPv4.
    too_big = lab.sh("a", "ping -c1 -W1 -Mdo -s1450 10.2.0.2", check=False)
    assert "mtu" in too_big.lower(), too_big


def test_tcp(lab: Lab) -> None:
    if shutil.which("iperf3") is None:
        pytest.skip("iperf3 is not installed")
    edges(lab, "Q P P.0", "P Q Q.0")
    lab.spawn("b", "iperf3", "iperf3", "-s", "-1")
    await_that("iperf3 listens", lambda: ":5201" in lab.sh("b", "ss -ltn"))
    result = json.loads(lab.sh("a", "iperf3 -c 10.2.0.2 -t 2 -J"))
    megabits = result["end"]["sum_received"]["bits_per_second"] / 1e6
    print(f"iperf3 over SIPP: {megabits:.0f} Mbit/s")
    assert megabits > 1


def test_tunnel_over_ipv4(lab: Lab) -> None:
    edges(lab, "Q P P.0", "P Q Q.0")
    lab.await_ping("P", "ping", "Q.r")
    trace = lab.tool("P", "trace", "Q.r")
    assert "P.r, *Q.r" in trace and "arrived" in trace, trace
    counters = json.loads(lab.tool("Q", "status"))["counters"]
    assert counters["delivered"] > 0
    # A packet that fits Ethernet but not the tunnel comes back as an error with the tunnel's size.
    big = lab.tool("GA", "-v", "P.0:Q.0", "-l", "1430", "-c", "1", "ping", "Q.B.r", check=False)
    assert "unreachable code 4 parameter 1480" in big, big


def test_names_in_the_dns(lab: Lab) -> None:
    nsd = shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin")
    if nsd is None:
        pytest.skip("nsd is not installed")
    lab.names(NAMES)
    lab.node("A", "router", "own P.A.r", "own Q.A.r", "route P a-b", "route Q a-b")
    lab.node("B", "router", "own P.B.r", "own Q.B.r", "route P b-a", "route Q b-a")
    lab.link("A", "B")
    records = [subprocess.run([SIPP, "-n", lab.names_file, "addr", "record", name], check=True,
                              text=True, capture_output=True).stdout.strip()
               for name in ("P.B.r", "Q.B.r")]
    long = subprocess.run([SIPP, "-n", lab.names_file, "addr", "record", "P.A.0:Q.B.r"],
                          check=True, text=True, capture_output=True).stdout.strip()
    zone = lab.folder / "example.zone"
    zone.write_text("$ORIGIN example.\n$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\n"
                    "ns A 127.0.0.1\n" + "".join(f"b {record}\n" for record in records)
                    + f"long {long}\n")
    config = lab.folder / "nsd.conf"
    config.write_text(f"server:\n ip-address: 127.0.0.1\n username: \"\"\n chroot: \"\"\n"
                      f" zonesdir: {lab.folder}\n pidfile: {lab.folder}/nsd.pid\n database: \"\"\n"
                      f" xfrdfile: {lab.folder}/xfrd\n xfrdir: {lab.folder}\n"
                      f" zonelistfile: {lab.folder}/zones\n"
                      "remote-control:\n control-enable: no\n"
                      "zone:\n name: example\n zonefile: example.zone\n")
    lab.start()
    lab.spawn("A", "nsd", nsd, "-d", "-c", config)
    tool = f"{SIPP} -n {lab.names_file} -s {lab.control('A')} -d 127.0.0.1"
    await_that("the name server answers",
               lambda: "P.B.r" in lab.sh("A", f"{tool} addr dns b.example", check=False))
    assert set(lab.sh("A", f"{tool} addr dns b.example").split()) == {"P.B.r", "Q.B.r"}
    assert lab.sh("A", f"{tool} addr dns long.example").strip() == "P.A.0:Q.B.r"
    # The sequence that matches an own one best is taken, whatever order the records come in.
    shown = lab.sh("A", f"{tool} -c 1 ping dns:b.example")
    assert re.search(r"route  (P\.A\.r, \*P\.B\.r|Q\.A\.r, \*Q\.B\.r)", shown), shown
    assert "1 of 1 answered" in shown


def test_ssh(lab: Lab) -> None:
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("OpenSSH is not installed")
    edges(lab, "Q P P.0", "P Q Q.0")
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.folder / key],
                       check=True)
    allowed = lab.folder / "allowed"
    allowed.write_text((lab.folder / "user.pub").read_text())
    allowed.chmod(0o600)
    config = lab.folder / "sshd_config"
    config.write_text(f"Port 2222\nHostKey {lab.folder}/host\nAuthorizedKeysFile {allowed}\n"
                      f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
                      "PasswordAuthentication no\n")
    lab.sh("b", "mkdir -p /run/sshd")
    lab.spawn("b", "sshd", sshd, "-D", "-e", "-f", config)
    await_that("sshd listens", lambda: ":2222" in lab.sh("b", "ss -ltn"))
    said = lab.sh("a", f"ssh -p 2222 -i {lab.folder}/user -o StrictHostKeyChecking=no "
                       f"-o UserKnownHostsFile=/dev/null -o BatchMode=yes root@10.2.0.2 "
                       "'head -c 300000 /dev/zero | wc -c; echo $SSH_CONNECTION'")
    assert said.split() == ["300000", "10.1.0.2", said.split()[2], "10.2.0.2", "2222"]
    assert carried(lab, "GA", "P") >= {"a4P, *P.0, b4Q"}
