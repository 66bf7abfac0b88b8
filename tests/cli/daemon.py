"""`ivip run` in the background, on loopback."""

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from command import IVIP, LIMIT_SECONDS, ivip

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
