"""A test that hangs: it fails with a stack, and nothing of what it started is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from network import TOP, await_that

HANGS = """
import subprocess
from pathlib import Path
from net.conftest import network

def test_hangs(network):
    place = network.namespace("hangs")
    inside = subprocess.Popen(place.command("sleep", "1000"))
    Path("%s").write_text(f"{place.name} {inside.pid}")
    subprocess.run(["sleep", "2000"])
"""


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def test_a_hanging_test_ends_and_is_cleaned_up(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    notes = tmp_path / "notes"
    (tmp_path / "test_hangs.py").write_text(HANGS % notes)
    with subprocess.Popen(
            [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-c", TOP / "pytest.ini",
             "-o", "timeout=5", tmp_path / "test_hangs.py"],
            env={**os.environ, "PYTHONPATH": f"{TOP}/tests:{TOP}/tests/net"}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True) as tests:
        try:
            await_that("the hanging test hangs", lambda: notes.exists() and
                       len(children(tests.pid)) == 2, 60)
            started = children(tests.pid)
            output, _ = tests.communicate()
        finally:
            tests.kill()
    assert tests.returncode == 1, output
    assert "Timeout >5.0s" in output
    assert 'subprocess.run(["sleep", "2000"])' in output
    namespace, inside = notes.read_text().split()
    assert int(inside) in started
    assert not Path("/run/netns", namespace).exists()
    assert [pid for pid in started if Path("/proc", str(pid)).exists()] == []
