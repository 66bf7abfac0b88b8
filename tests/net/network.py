"""Namespaces, links, and Ivip nodes in them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parent.parent.parent
IVIP = Path(os.environ.get("IVIP_PROGRAM", TOP / "build" / "ivip"))
WAIT_SECONDS = 20.0
COMMAND_SECONDS = 60.0

names = itertools.count(1)


def await_that(what: str, condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Waits for a condition; fails with `what` when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)


class Namespace:
    """A network namespace, once it is made. (Not called as those of labs are: `ivip lab down --all`
    leaves it alone.)"""

    def __init__(self, label: str) -> None:
        self.label = label
        self.name = f"ivip.test.{os.getpid()}-{next(names)}-{label}"

    def make(self) -> None:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.write("net/ipv6/conf/all/accept_dad", 0)
        self.write("net/ipv6/conf/default/accept_dad", 0)
        self.ip("link set lo up")

    def command(self, *words: str | int | Path) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, words)]

    def run(self, *words: str | Path, text: str | None = None, check: bool = True,
            env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command here; with `check`, the test fails when the command does."""
        done = subprocess.run(self.command(*words), input=text, capture_output=True, text=True,
                              check=False, timeout=COMMAND_SECONDS,
                              env={**os.environ, **(env or {})})
        if check and done.returncode != 0:
            pytest.fail(f"on {self.label}: {' '.join(map(str, words))} exited "
                        f"{done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def ip(self, words: str) -> None:
        """Runs `ip WORDS` here."""
        self.run("ip", *words.split())

    def write(self, setting: str, value: object) -> None:
        """Sets a kernel setting: a path under /proc/sys."""
        self.run("sh", "-c", f"echo {value} >/proc/sys/{setting}")

    def forward(self) -> None:
        """Makes it a router."""
        self.write("net/ipv4/ip_forward", 1)
        self.write("net/ipv6/conf/all/forwarding", 1)


class Node:
    """An Ivip node in a namespace: `ivip run` with a config made from a dict."""

    def __init__(self, network: Network, place: Namespace, config: dict) -> None:
        self.place = place
        self.name = config["name"]
        self.folder = network.folder / f"{place.label}-{self.name}"
        (self.folder / "state").mkdir(parents=True)
        self.control = self.folder / "control.sock"
        self.key_file = self.folder / "node.key"
        self.log_file = self.folder / "log"
        self.config_file = self.folder / "node.yaml"
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(self.ivip("key").stdout)
        self.public_key = self.ivip("key", "--public", text=self.key_file.read_text()).stdout.strip()
        self.write_config(config)
        self.process: subprocess.Popen | None = None

    def ivip(self, *words: str | Path, text: str | None = None,
             check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs `ivip WORDS` in the node's namespace."""
        return self.place.run(IVIP, *words, text=text, check=check)

    def write_config(self, config: dict) -> None:
        whole = {"key": str(self.key_file), "state": str(self.folder / "state"),
                 "control": str(self.control), "metrics": "127.0.0.1:9746", "log": "debug"} | config
        self.config_file.write_text(yaml.safe_dump(whole, sort_keys=False))

    def reload(self, **sections: dict) -> dict:
        """Puts others in the place of sections of the config, and lets the node take it over, or
        refuse it; its answer."""
        before = self.config_file.read_text()
        self.config_file.write_text(yaml.safe_dump(yaml.safe_load(before) | sections,
                                                   sort_keys=False))
        answer = self.ask(command="reload")
        if "error" in answer:
            self.config_file.write_text(before)
        return answer

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(self.place.command(IVIP, "run", self.config_file),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """Ends the daemon; returns its exit status, None when it was not running."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout=WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"{self.name} did not end within {WAIT_SECONDS:g} s of {how.name}")
        finally:
            self.process = None

    def ask(self, **request: object) -> dict:
        """One command over the control socket, and its answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(COMMAND_SECONDS)
            connection.connect(str(self.control))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answer:
                return json.loads(answer.readline())

    def healthy(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            pytest.fail(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
        try:
            return bool(self.ask(command="status").get("healthy"))
        except (OSError, ValueError):
            return False

    def await_healthy(self) -> None:
        try:
            await_that(f"{self.name} healthy", self.healthy)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}\n{self.log()}")

    def metrics(self) -> dict[str, float]:
        """The node's counters and gauges, by name with labels: 'ivip_x{reason="short"}'."""
        page = self.place.run("curl", "-sS", "http://127.0.0.1:9746/metrics").stdout
        lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


class Network:
    """What one test makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespaces: list[Namespace] = []
        self.nodes: list[Node] = []

    def namespace(self, label: str, router: bool = False) -> Namespace:
        place = Namespace(label)
        self.namespaces.append(place)  # first: what is half made is removed, too
        place.make()
        if router:
            place.forward()
        return place

    def link(self, left: Namespace, right: Namespace, left_addresses: str = "",
             right_addresses: str = "", mtu: int = 1500) -> None:
        """Joins two namespaces; each device is called after the other end. Addresses (with prefix
        length, several with blanks between) are added and usable at once."""
        subprocess.run(["ip", "link", "add", right.label, "netns", left.name, "mtu", str(mtu),
                        "type", "veth", "peer", "name", left.label, "netns", right.name,
                        "mtu", str(mtu)], check=True)
        for here, there in ((left, right), (right, left)):
            here.ip(f"link set {there.label} up")
        for here, there, addresses in ((left, right, left_addresses),
                                       (right, left, right_addresses)):
            for address in addresses.split():
                here.ip(f"address add {address} dev {there.label}" +
                        (" nodad" if ":" in address else ""))

    def node(self, place: Namespace, config: dict, start: bool = True) -> Node:
        """Makes a node in a namespace and starts it."""
        node = Node(self, place, config)
        self.nodes.append(node)
        if start:
            node.start()
        return node

    def close(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
        for place in self.namespaces:
            pids = subprocess.run(["ip", "netns", "pids", place.name], capture_output=True,
                                  text=True, check=False).stdout.split()
            for pid in map(int, pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", place.name], check=False, stderr=subprocess.DEVNULL)
