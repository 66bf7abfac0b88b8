# SPDX-License-Identifier: BSD-2-Clause
from collections.abc import Iterator
from pathlib import Path

import pytest
import sipp_lab


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
