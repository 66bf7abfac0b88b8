# SPDX-License-Identifier: BSD-2-Clause
"""The example in docs/sipp.md does what the page says."""

import os
import subprocess
from pathlib import Path

import pytest
from sipp_lab import BUILD, TOP, tools_missing


def example() -> str:
    page = (TOP / "docs/sipp.md").read_text()
    block = page.split("\n## Try it\n")[1].split("    cat >names")[1].split("\n\n")[0]
    return "\n".join(line.removeprefix("    ") for line in ("cat >names" + block).splitlines())


def test_try_it(tmp_path: Path) -> None:
    if tools_missing():
        pytest.skip(str(tools_missing()))
    mark = f"sipp-lab.{os.getpid()}"
    script = example().replace("build/", f"{BUILD}/").replace("sipp-", f"{mark}-")
    (tmp_path / "out").touch()
    try:
        with (tmp_path / "out").open("w") as out:
            subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, stdout=out,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                           timeout=120)
        shown = (tmp_path / "out").read_text()
        assert "4 of 4 answered" in shown, shown
        assert "P.a.h, *P.a.0, P.b.i" in shown and "arrived" in shown, shown
    finally:
        for file in tmp_path.glob("?.pid"):
            subprocess.run(["kill", "-9", file.read_text().strip()], check=False,
                           stderr=subprocess.DEVNULL)
        for node in "HRI":
            subprocess.run(["ip", "netns", "del", f"{mark}-{node}"], check=False,
                           stderr=subprocess.DEVNULL)
