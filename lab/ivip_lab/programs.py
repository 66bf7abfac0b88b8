"""Where the programs are: in the build folder beside this one, or where they were installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .problem import Problem

LAB = Path(__file__).resolve().parent.parent
BUILD = LAB.parent / "build"


def first_program(name: str, places: list[Path]) -> Path:
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise Problem(f"the program {name} is not built: run make")


def ivip_program() -> Path:
    """The ivip program: $IVIP_PROGRAM, the build folder's, or the one in the PATH."""
    if given := os.environ.get("IVIP_PROGRAM"):
        return Path(given)
    found = shutil.which("ivip")
    return first_program("ivip", [BUILD / "ivip", *([Path(found)] if found else [])])


def wire_program() -> Path:
    # Installed: PREFIX/share/ivip/lab and PREFIX/libexec/ivip/wire.
    return first_program("wire", [BUILD / "lab" / "wire",
                                  LAB.parent.parent.parent / "libexec" / "ivip" / "wire"])


def system_program(name: str) -> Path:
    """A program of the system, also of those for its administrator alone."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise Problem(f"{name} is not installed: sudo tools/install-dependencies lab")
    return Path(found)
