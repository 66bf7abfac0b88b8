"""Fixtures for tests of the lab: labs with names of their own, removed whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from ivip_lab import record
from ivip_lab.lab import Lab
from ivip_lab.topology_file import find_topology
from ivip_lab.up_down import down, up


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")


@pytest.fixture
def lab_name(root: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for a lab; what the test leaves of it is removed."""
    name = f"t{os.getpid()}-{abs(hash(request.node.name)) % 1000}"
    yield name
    if record.Record(name).exists():
        down(name)


@pytest.fixture(scope="module")
def module_lab(request: pytest.FixtureRequest) -> Iterator[Callable[..., Lab]]:
    """A function that brings up a lab for all tests of a file; removed after the last."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    name = f"t{os.getpid()}-{request.module.__name__.rsplit('_', 1)[-1]}"

    def bring_up(topology: str, plain: bool = False) -> Lab:
        return up(find_topology(topology), name, lambda _text: None, plain)

    yield bring_up
    if record.Record(name).exists():
        down(name)
