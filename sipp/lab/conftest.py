# SPDX-License-Identifier: BSD-2-Clause
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import sipp_lab  # noqa: E402


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[sipp_lab.Lab]:
    missing = sipp_lab.tools_missing()
    if missing:
        pytest.skip(missing)
    made = sipp_lab.Lab(tmp_path)
    try:
        yield made
    finally:
        made.close()
