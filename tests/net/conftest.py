"""Fixtures for tests on real packets: namespaces, links, and Ivip nodes in them.

    def test_something(network):
        left, right = network.namespace("left"), network.namespace("right")
        network.link(left, right, "192.0.2.1/24", "192.0.2.2/24")
        node = network.node(right, {"name": "etr", "etr": {...}})
        node.await_healthy()
        left.run("ping", "-c1", "192.0.2.2")

Everything has names of its own and is removed after the test, whatever happened. For a whole
Internet, use the lab (tests/lab).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import IVIP, Network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    if not IVIP.exists():
        pytest.fail(f"{IVIP} is not built: run make")
    made = Network(tmp_path)
    try:
        yield made
    finally:
        made.close()
