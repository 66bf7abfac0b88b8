"""Distributed real time mapping, whole: the steps of `make demo-drtm`, each shorter than there.

One lab serves all steps, which build on each other: what an ITR asked for stays cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from ivip_demo import drtm
from ivip_demo.demo import Demo
from ivip_demo.report import Report
from ivip_lab.lab import Lab

assert drtm.SCRIPT.quick is not None
STEPS = dict(drtm.SCRIPT.quick)


@pytest.fixture(scope="module")
def demo(module_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[Demo]:
    yield Demo(module_lab("drtm"), tmp_path_factory.mktemp("demo"))


@pytest.mark.parametrize("title", STEPS)
def test_step(demo: Demo, title: str) -> None:
    report = Report()
    report.step(title, partial(STEPS[title], demo))
    assert report.results[0].failures == []
