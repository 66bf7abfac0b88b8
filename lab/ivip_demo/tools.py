"""What runs on the nodes: ping, traceroute, curl, iperf3, ivip; and what each of them measured."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivip_lab import ivip
from ivip_lab.lab import Lab
from ivip_lab.ports import PORT_METRICS
from ivip_lab.problem import Problem

COMMAND_SECONDS = 120
LISTEN_SECONDS = 30.0
FLOOD_PROGRAM = Path(__file__).with_name("flood.py")
FLOOD_INTERVAL_US = 1000


def run(lab: Lab, node: str, *words: str, text: str | None = None,
        check: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs a command on a node."""
    done = subprocess.run(lab.command_in(node, list(words)), input=text, capture_output=True,
                          text=True, check=False, timeout=COMMAND_SECONDS)
    if check and done.returncode != 0:
        raise Problem(f"on {node}: {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done


@contextlib.contextmanager
def running(lab: Lab, node: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs on a node during the block."""
    child = subprocess.Popen(lab.command_in(node, list(words)), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
        child.communicate()


# ---- ping


@dataclass(frozen=True)
class Ping:
    sent: int
    received: int
    least_ms: float
    average_ms: float
    most_ms: float
    first_ms: float | None  # of the first answer, when there is one and each was printed

    @property
    def lost(self) -> int:
        return self.sent - self.received

    def __str__(self) -> str:
        if self.received == 0:
            return f"{self.sent} sent, none answered"
        return (f"{self.sent} sent, {self.lost} lost, "
                f"{self.least_ms:.1f}/{self.average_ms:.1f}/{self.most_ms:.1f} ms")


def read_ping(output: str) -> Ping:
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    if counts is None:
        raise Problem(f"ping said: {output.strip()}")
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", output)
    least, average, most = map(float, times.groups()) if times else (0.0, 0.0, 0.0)
    first = re.search(r"icmp_seq=1 .*time=([\d.]+) ms", output)
    return Ping(int(counts.group(1)), int(counts.group(2)), least, average, most,
                float(first.group(1)) if first else None)


class Flood:
    """An echo request every so often from a node, so many, or until stopped (flood.py)."""

    def __init__(self, lab: Lab, node: str, target: str, family: int,
                 interval_us: int = FLOOD_INTERVAL_US, count: int | None = None) -> None:
        self.node = node
        self._program = subprocess.Popen(
            lab.command_in(node, ["/usr/bin/python3", str(FLOOD_PROGRAM),
                                  str(lab.plan.address(target, family)), str(interval_us),
                                  *([str(count)] if count is not None else [])]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._summed_up: Ping | None = None
        self._begun = False

    def await_begun(self) -> None:
        """Returns when it sends: before that it could not be interrupted either. Raises Problem."""
        assert self._program.stdout is not None
        if not self._begun and (line := self._program.stdout.readline()) != "begun\n":
            raise Problem(f"the flood from {self.node} said: "
                          f"{(line + self._program.communicate()[0]).strip()}")
        self._begun = True

    def interrupt(self) -> None:
        """Sends no more; the last answers may still come."""
        self.await_begun()
        if self._program.poll() is None:
            self._program.send_signal(signal.SIGINT)

    def sum_up(self) -> Ping:
        """What came of it, when it has ended."""
        if self._summed_up is None:
            self.await_begun()
            output = self._program.communicate(timeout=COMMAND_SECONDS)[0]
            try:
                self._summed_up = Ping(**json.loads(output))
            except (ValueError, TypeError) as error:
                raise Problem(f"the flood from {self.node} said: {output.strip()}") from error
        return self._summed_up

    def stop(self) -> Ping:
        """Sends no more, waits for the last answers, and sums up."""
        if self._summed_up is None:
            self.interrupt()
        return self.sum_up()


def ping(lab: Lab, node: str, target: str, family: int, count: int = 5,
         interval: float = 0.05) -> Ping:
    """As ping, but for the last answers, which ping does not wait for long enough on a busy machine."""
    return Flood(lab, node, target, family, round(interval * 1e6), count).sum_up()


def ping_at_once(lab: Lab, node: str, target: str, family: int, count: int = 3) -> Ping:
    """Several requests at once, by ping itself; the last answers are waited for as long as the interval
    takes that there is not."""
    return read_ping(run(lab, node, "ping", "-n", "-c", str(count), "-l", str(count), "-i", "5",
                         str(lab.plan.address(target, family))).stdout)


@contextlib.contextmanager
def flooding(lab: Lab, nodes: list[str], target: str, family: int) -> Iterator[list[Flood]]:
    """Floods from several nodes to one during the block. The block may stop them itself."""
    floods = [Flood(lab, node, target, family) for node in nodes]
    try:
        for flood in floods:
            flood.await_begun()
        yield floods
    finally:
        for flood in floods:
            with contextlib.suppress(Problem):
                flood.stop()


# ---- counters


def metrics(lab: Lab, node: str) -> dict[str, float]:
    """The counters and gauges of a node's Ivip daemon, by name with labels: 'ivip_x{reason="short"}'."""
    page = run(lab, node, "curl", "-sS", f"http://127.0.0.1:{PORT_METRICS}/metrics", check=True).stdout
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def total(lab: Lab, node: str, name: str, **labels: str) -> float:
    """The sum of all samples of a metric that have those labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(value for sample, value in metrics(lab, node).items()
               if sample.split("{")[0] == name and all(label in sample for label in wanted))


# ---- paths


def trace(lab: Lab, node: str, target: str, family: int) -> list[str]:
    """The nodes that a traceroute names, by the lab's names; "*" for one that did not answer."""
    names = {str(address): name for name, plan in lab.plan.nodes.items()
             for address in plan.addresses.values()}
    output = run(lab, node, "traceroute", "-n", "-q", "1", "-w", "1", "-m", "12",
                 str(lab.plan.address(target, family))).stdout
    hops = re.findall(r"^ *\d+ +(\S+)", output, re.MULTILINE)
    return [names.get(hop, hop) for hop in hops]


# ---- transfers


@contextlib.contextmanager
def web_server(lab: Lab, node: str, folder: str, family: int) -> Iterator[str]:
    """A web server on a node; gives its address."""
    address = str(lab.plan.address(node, family))
    host = f"[{address}]" if family == 6 else address
    with running(lab, node, "/usr/bin/python3", "-m", "http.server", "--bind", address,
                 "--directory", folder, "80") as server:
        deadline = time.monotonic() + LISTEN_SECONDS
        while run(lab, node, "curl", "-s", "-o", "/dev/null", f"http://{host}/").returncode != 0:
            if server.poll() is not None or time.monotonic() > deadline:
                raise Problem(f"the web server on {node} does not answer")
            time.sleep(0.02)
        yield f"http://{host}"


def throughput(lab: Lab, client: str, server: str, family: int, seconds: int,
               reverse: bool = False) -> float:
    """Bits a second that a TCP flow of iperf3 carried, as its receiver saw them."""
    address = str(lab.plan.address(server, family))
    with running(lab, server, "iperf3", "-s", "-1", "-B", address, "--forceflush") as listener:
        assert listener.stdout is not None
        while "listening" not in (line := listener.stdout.readline()):
            if not line:
                raise Problem(f"iperf3 on {server} ended")
        done = run(lab, client, "iperf3", "-J", "-c", address, "-t", str(seconds),
                   *(["-R"] if reverse else []))
    result = json.loads(done.stdout)
    if "error" in result:
        raise Problem(f"iperf3 from {client} to {server}: {result['error']}")
    return float(result["end"]["sum_received"]["bits_per_second"])


# ---- ivip


@dataclass(frozen=True)
class Command:
    """One command of a user, and when it began and ended (nanoseconds since 1970)."""

    words: tuple[str, ...]
    status: int
    output: str
    error: str
    begin_ns: int
    end_ns: int

    def __str__(self) -> str:
        return "ivip " + " ".join(self.words)


def user(lab: Lab, node: str, name: str, *words: str, text: str | None = None) -> Command:
    """Runs `ivip WORDS` on a node as a user of the RUAS."""
    begin = time.time_ns()
    done = run(lab, node, *ivip.user_words(lab, name, list(words)), text=text)
    return Command(words, done.returncode, done.stdout.strip(), done.stderr.strip(), begin,
                   time.time_ns())


def must(command: Command) -> Command:
    """The command, when it was done. Raises Problem."""
    if command.status != 0:
        raise Problem(f"{command}: {command.error or command.output}")
    return command
