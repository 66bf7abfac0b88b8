# SPDX-License-Identifier: BSD-2-Clause
"""A SIPP internet in network namespaces: nodes run sippd, packets are captured from the links.

    lab.names("P 0080:0000:0000:0000/32", ...)
    lab.node("H", "host", "own P.D.H")            # statements of sippd's file
    lab.link("H", "D")                            # a veth pair, interface names h-d and d-h
    lab.start()
    lab.run("H", "ping", "Q.E.I")
    lab.sequences("H", "D")                       # route sequences seen on the link, in order

Routers run BIRD beside sippd and learn each other's prefixes: with Babel, and with BGP towards the
routers of other autonomous systems, where nodes are given numbers of such. Captured packets are read
here by a decoder of its own, which shares no line with the daemon's.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("SIPP_BUILD", TOP / "build"))
SIPPD = BUILD / "sipp/daemon/sippd"
SIPP = BUILD / "sipp/tool/sipp"
WAIT_SECONDS = 60.0
ETHERTYPE = 0x88B5
ICMP_ECHO, ICMP_ECHO_REPLY = 8, 0
CLONE_NEWNET = 0x40000000

numbers = itertools.count(1)

BIRD = """
log "{folder}/bird.log" all;
router id 10.0.0.{number};
protocol device {{ scan time 2; }}
protocol kernel {{
  learn;
  scan time 2;
  ipv6 {{
    import filter {{ if net ~ [ fd53:4950:5000::/64+ ] && krt_source = 156 then accept; reject; }};
    export filter {{ if source = RTS_BABEL || source = RTS_BGP then accept; reject; }};
  }};
}}
"""
BABEL = """
protocol babel {{
  interface {interfaces} {{ type wired; hello interval 1 s; update interval 2 s; }};
  ipv6 {{
    import all;
    export filter {{ if source = RTS_INHERIT || source = RTS_BGP{transit} then accept; reject; }};
  }};
}}
"""
# Sessions between link-local addresses, as nothing here has another.
BGP = """
protocol bgp {{
  local {local} as {number};
  neighbor {remote} as {peer};
  interface "{device}";
  connect delay time 1; connect retry time 2; error wait time 1, 2; hold time 9;
  ipv6 {{
    import filter {{ if net ~ [ fd53:4950:5000::/64+ ] then accept; reject; }};
    export filter {{ if source = RTS_INHERIT{transit} then accept; reject; }};
  }};
}}
"""


def await_that(what: str, condition: Callable[[], bool]) -> None:
    """Waits for a condition; fails with `what` when the time is up."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {WAIT_SECONDS:g} s in vain: {what}")
        time.sleep(0.05)


def in_namespace(namespace: str, work: Callable[[], None]) -> None:
    """Runs `work` in a thread of its own that has moved there; what it raises is raised here."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            enter_namespace(namespace)
            work()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise AssertionError(f"still at work in {namespace}")


def enter_namespace(namespace: str) -> None:
    """Moves the calling thread, and no other."""
    with open(f"/run/netns/{namespace}") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Packet:
    """A SIPP packet off the wire: `route` and `active` as in the document's notation."""

    def __init__(self, data: bytes) -> None:
        first, length, kind, self.hop_limit, source, destination = struct.unpack(">IHBBQQ", data[:24])
        if first >> 28 != 6:
            raise ValueError("not SIPP")
        payload = data[24:24 + length]
        behind, ahead = [], []
        if kind == 43:
            _, count, following, kind, _ = struct.unpack(">IBBBB", payload[:8])
            others = struct.unpack(f">{count}Q", payload[8:8 + 8 * count])
            behind, ahead = list(others[:following]), list(others[following:])
            payload = payload[8 + 8 * count:]
        self.route = [source, *behind, destination, *ahead]
        self.active = 1 + len(behind)
        self.kind = kind
        self.payload = payload

    @property
    def icmp_type(self) -> int | None:
        return self.payload[0] if self.kind == 1 and self.payload else None


class Capture:
    """Everything with SIPP's EtherType on one device, both directions."""

    def __init__(self, lab: Lab, namespace: str, device: str) -> None:
        self.lab = lab
        self.packets: list[Packet] = []
        self.raw: list[bytes] = []
        ready = threading.Event()
        self.thread = threading.Thread(target=self.listen, args=(namespace, device, ready),
                                       daemon=True)
        self.stopping = False
        self.quiet = threading.Event()  # nothing came for a moment
        self.thread.start()
        if not ready.wait(10):
            raise AssertionError(f"cannot capture on {device}")

    def listen(self, namespace: str, device: str, ready: threading.Event) -> None:
        enter_namespace(namespace)
        # ETH_P_ALL, because only such a socket also sees what this machine sends.
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:
            tap.bind((device, 3))
            tap.settimeout(0.1)
            ready.set()
            while not self.stopping:
                try:
                    frame = tap.recv(65535)
                except TimeoutError:
                    self.quiet.set()
                    continue
                except OSError as error:
                    if error.errno != errno.ENETDOWN:
                        break
                    continue  # the device went down; it may come up again
                if struct.unpack(">H", frame[12:14])[0] == ETHERTYPE:
                    try:
                        self.packets.append(Packet(frame[14:]))
                    except (ValueError, struct.error):
                        continue  # somebody put garbage on the link
                    self.raw.append(frame)

    def catch_up(self) -> None:
        """Waits until everything that has passed by is in `packets`."""
        self.quiet.clear()
        self.quiet.wait(WAIT_SECONDS)

    def stop(self) -> None:
        self.stopping = True
        self.thread.join()


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = f"sipp-lab.{os.getpid()}-{next(numbers)}-"
        self.statements: dict[str, list[str]] = {}
        self.plain_namespaces: list[str] = []  # without a sippd
        self.links: list[tuple[str, str]] = []
        self.processes: dict[tuple[str, str], subprocess.Popen] = {}
        self.captures: dict[tuple[str, str], Capture] = {}
        self.names_file = folder / "names"
        self.words: dict[int, str] = {}
        self.systems: dict[str, int] = {}

    # ---- building

    def names(self, text: str) -> None:
        """The names of the internet; the tool itself works out what each one stands for."""
        self.names_file.write_text(text)
        for line in text.splitlines():
            if not line.split("#")[0].strip():
                continue
            name = line.split()[0]
            shown = subprocess.run([SIPP, "-n", self.names_file, "addr", name], text=True,
                                   capture_output=True, check=True).stdout
            if "cluster " in shown:
                self.words.setdefault(int(shown.split()[-1].replace(":", ""), 16), f"{name}.0")
            else:
                self.words[int(shown.split()[0].replace(":", ""), 16)] = name

    def namespace(self, node: str) -> str:
        return self.prefix + node

    def node(self, name: str, *statements: str) -> None:
        subprocess.run(["ip", "netns", "add", self.namespace(name)], check=True)
        self.sh(name, "echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad")
        self.sh(name, "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up")
        self.statements[name] = list(statements)

    @staticmethod
    def device(a: str, b: str) -> str:
        return f"{a}-{b}".lower()

    def link(self, a: str, b: str, plain: bool = False) -> None:
        """A link; sippd and BIRD leave a plain one alone."""
        here, there = self.device(a, b), self.device(b, a)
        subprocess.run(["ip", "link", "add", here, "netns", self.namespace(a), "type", "veth",
                        "peer", "name", there, "netns", self.namespace(b)], check=True)
        for node, device in ((a, here), (b, there)):
            self.sh(node, f"ip link set {device} up")
        if not plain:
            self.links.append((a, b))

    def sh(self, node: str, command: str, check: bool = True) -> str:
        done = subprocess.run(["nsenter", f"--net=/run/netns/{self.namespace(node)}", "sh", "-c",
                               command], text=True, capture_output=True, check=False,
                              timeout=WAIT_SECONDS * 2)
        if check and done.returncode != 0:
            raise AssertionError(f"on {node}: {command}: {done.stdout}{done.stderr}")
        return done.stdout

    def spawn(self, node: str, what: str, *words: object) -> None:
        log = (self.folder / f"{node}.{what}.log").open("ab")
        self.processes[node, what] = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.namespace(node)}", *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def control(self, node: str) -> Path:
        return self.folder / f"{node}.sock"

    def start(self, stubs: tuple[str, ...] = (), systems: dict[str, int] | None = None) -> None:
        """Starts a sippd in every node, and a BIRD in every one that learns. `stubs` pass on no
        routes of others; `systems` are the autonomous system numbers of nodes."""
        self.systems = systems or {}
        for number, (node, statements) in enumerate(self.statements.items(), 1):
            devices = [self.device(node, b if a == node else a) for a, b in self.links
                       if node in (a, b)]
            fixed = [line for line in statements if line.split()[0] in ("router", "host",
                                                                        "auto-host", "base-station")]
            others = [line for line in statements if line not in fixed]
            mentioned = {line.split()[1] for line in others if line.startswith("interface ")}
            lines = [*fixed, f"names {self.names_file}", f"control {self.control(node)}",
                     *(f"interface {device}" for device in devices if device not in mentioned),
                     *others]
            (self.folder / f"{node}.conf").write_text("\n".join(lines) + "\n")
            self.start_sippd(node)
            if "learn" in statements:
                self.start_bird(node, number, devices, node in stubs)
        for node in self.statements:
            await_that(f"{node} runs", functools.partial(self.runs, node))

    def runs(self, node: str) -> bool:
        """True once all that its file says is done."""
        if self.processes[node, "sippd"].poll() is not None:
            raise AssertionError(f"{node} has ended:\n{self.log(node)}")
        return "sippd: running" in self.log(node)

    def start_sippd(self, node: str) -> None:
        self.spawn(node, "sippd", SIPPD, self.folder / f"{node}.conf")

    def start_bird(self, node: str, number: int, devices: list[str], stub: bool) -> None:
        text = BIRD.format(folder=self.folder, number=number)
        inside = []
        for device in devices:
            peer = self.neighbour(node, device)
            if self.systems.get(node) == self.systems.get(peer):
                inside.append(f'"{device}"')
            elif peer in self.systems:
                text += BGP.format(local=self.link_local(node, device), number=self.systems[node],
                                   remote=self.link_local(peer, self.device(peer, node)),
                                   peer=self.systems[peer], device=device,
                                   transit="" if stub else " || source = RTS_BGP")
        if inside:
            text += BABEL.format(interfaces=", ".join(inside),
                                 transit="" if stub else " || source = RTS_BABEL")
        file = self.folder / f"{node}.bird.conf"
        file.write_text(text)
        self.spawn(node, "bird", "bird", "-f", "-c", file, "-s", self.folder / f"{node}.bird.sock",
                   "-P", self.folder / f"{node}.bird.pid")

    def neighbour(self, node: str, device: str) -> str:
        """Who is at the other end of a device."""
        return next(b if a == node else a for a, b in self.links
                    if device in (self.device(a, b), self.device(b, a)) and node in (a, b))

    def link_local(self, node: str, device: str) -> str:
        shown = self.sh(node, f"ip -6 -o addr show dev {device} scope link")
        return shown.split("inet6 ")[1].split("/")[0]

    def stop_process(self, node: str, what: str) -> int:
        process = self.processes.pop((node, what))
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def close(self) -> None:
        for capture in self.captures.values():
            capture.stop()
        # All at once, as a BGP daemon waits for its neighbours to go too.
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {key: self.stop_process(*key) for key in list(self.processes)}
        for node in [*self.statements, *self.plain_namespaces]:
            subprocess.run(["ip", "netns", "del", self.namespace(node)], check=False)
        bad = {key: code for key, code in codes.items() if key[1] == "sippd" and code != 0}
        if bad:
            raise AssertionError(f"did not end cleanly: {bad}\n{self.log(next(iter(bad))[0])}")

    # ---- watching and asking

    def log(self, node: str) -> str:
        return (self.folder / f"{node}.sippd.log").read_text()

    def capture(self, a: str, b: str) -> None:
        self.captures[a, b] = Capture(self, self.namespace(a), self.device(a, b))

    def notation(self, packet: Packet) -> str:
        def word(address: int) -> str:
            text = f"{address:016x}"
            return self.words.get(address, ":".join(text[i:i + 4] for i in range(0, 16, 4)))
        return ", ".join(("*" if i == packet.active else "") + word(address)
                         for i, address in enumerate(packet.route))

    def sequences(self, a: str, b: str, icmp_type: int) -> list[str]:
        """The route sequences of one kind of ICMP packet on a link, in the order they passed."""
        self.captures[a, b].catch_up()
        return [self.notation(packet) for packet in list(self.captures[a, b].packets)
                if packet.icmp_type == icmp_type]

    def tool_words(self, node: str, *words: str) -> list[str]:
        return [str(SIPP), "-s", str(self.control(node)), "-n", str(self.names_file), *words]

    def tool(self, node: str, *words: str, check: bool = True) -> str:
        done = subprocess.run(self.tool_words(node, *words), text=True, capture_output=True,
                              check=False, timeout=WAIT_SECONDS)
        if check and done.returncode != 0:
            raise AssertionError(f"on {node}: sipp {' '.join(words)}: {done.stdout}{done.stderr}"
                                 f"{self.log(node)}")
        return done.stdout + done.stderr

    def routes(self, node: str) -> str:
        return self.tool(node, "route")

    def await_routes(self, node: str, *names: str) -> None:
        def known() -> bool:
            table = self.routes(node).split("\n")
            return all(any(f" {name} " in line for line in table) for name in names)
        try:
            await_that("routes", known)
        except AssertionError:
            raise AssertionError(f"{node} has not learned {names}:\n{self.routes(node)}") from None

    def await_ping(self, node: str, *words: str) -> None:
        await_that(f"{node} reaches {words}",
                   lambda: "1 of 1 answered" in self.tool(node, "-c", "1", *words, check=False))

    def forget_captured(self) -> None:
        for capture in self.captures.values():
            capture.catch_up()
            capture.packets.clear()
            capture.raw.clear()


def save_pcap(file: Path, frames: list[bytes]) -> None:
    with file.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def tools_missing() -> str | None:
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("bird", "ip", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None if SIPPD.exists() else f"{SIPPD} is not built"
