"""A RUAS on loopback with one user, and the means to run `ivip` as people do."""

import contextlib
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IVIP = os.environ.get("IVIP_PROGRAM", str(ROOT / "build" / "ivip"))
LIMIT_SECONDS = 30


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self):
        document = json.loads(self.out)
        assert document["v"] == 1
        return document


def ivip(*words, stdin="", env=None, cwd=None):
    """Runs the program with an environment in which no file of the tester's counts."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})}
    done = subprocess.run([IVIP, *map(str, words)], input=stdin, env=clean, cwd=cwd,
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)
    return Result(done.returncode, done.stdout, done.stderr)


# Below those that the kernel gives away, and another hundred for each process of tests that runs
# beside this one: until a node has bound its port, nobody else shall have got it.
PORTS = itertools.cycle(range(12000 + os.getpid() % 200 * 100, 12100 + os.getpid() % 200 * 100))


def free_port(kind=socket.SOCK_STREAM):
    for port in PORTS:
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Node:
    """`ivip run` in the background; its standard error is kept."""

    def __init__(self, config, env=None):
        self.config = config
        self.log = ""
        self.process = subprocess.Popen(self.command(), stderr=subprocess.PIPE,
                                        env={"PATH": os.environ["PATH"], **(env or {})})
        os.set_blocking(self.process.stderr.fileno(), False)

    def command(self):
        return [IVIP, "run", str(self.config)]

    def wait_for(self, pattern):
        """Reads the log until a line matches; gives up after a generous limit, or at its end."""
        end = time.monotonic() + LIMIT_SECONDS
        while not re.search(pattern, self.log, re.MULTILINE):
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, end - time.monotonic()))
            more = self.process.stderr.read() if ready else None
            assert more, f"{pattern!r} did not come in:\n{self.log}"
            self.log += more.decode()
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Stops it in order; returns its exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            _, rest = self.process.communicate(timeout=LIMIT_SECONDS)
        finally:
            self.process.kill()  # does nothing to one that ended
        self.log += (rest or b"").decode()
        return self.process.returncode


@pytest.fixture
def start():
    """Starts nodes that are stopped when the test ends."""
    with contextlib.ExitStack() as stack:  # stops each, also when another does not
        def begin(config, **options):
            node = Node(config, **options)
            stack.callback(node.stop)
            return node

        yield begin


def make_key(path):
    path.touch(mode=0o600)
    path.write_text(ivip("key").out)
    return ivip("key", "--public", stdin=path.read_text()).out.strip()


@dataclass
class Ruas:
    directory: Path
    control: Path
    client: Path
    key: str
    metrics: int
    node: Node
    ports: dict

    def user(self, *words, **options):
        """A command of the end user."""
        return ivip(*words, "--client", self.client, **options)

    def operator(self, *words, **options):
        return ivip(*words, "--control", self.control, **options)


@pytest.fixture(scope="module")
def ruas(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ruas")
    key = make_key(directory / "key")
    ports = {name: free_port() for name in ("rest", "public", "metrics")}
    config = directory / "ruas.yaml"
    config.write_text(f"""\
name: ruas
key: {directory}/key
state: {directory}/state
control: {directory}/control.sock
metrics: "127.0.0.1:{ports['metrics']}"
ruas:
  listen: "127.0.0.1:{ports['rest']}"
  public: "127.0.0.1:{ports['public']}"
  mabs: [20.0.0.0/14, "2001:db8::/32"]
""")
    node = Node(config)
    try:
        node.wait_for(r"^info node: ready")
        (directory / "client.yaml").write_text(
            f"uas: https://127.0.0.1:{ports['rest']}\nkey: {key}\ntoken_file: {directory}/token\n")
        made = Ruas(directory, directory / "control.sock", directory / "client.yaml", key,
                    ports["metrics"], node, ports)
        assert made.operator("user", "add", "anna", stdin="correct horse\n").status == 0
        assert made.operator("uab", "add", "20.1.0.0/24", "anna").status == 0
        assert made.operator("uab", "add", "2001:db8::/48", "anna").status == 0
        (directory / "token").write_text(made.operator("token", "add", "anna").out)
        yield made
    finally:
        assert node.stop() == 0
