"""What is remembered of a lab that is up, under /run/ivip-lab/LAB.

    lab.json          the topology file and the name: enough to derive everything again
    topology.yaml     a copy of that file, as it was
    hosts             names and addresses, for /etc/hosts of what runs in the lab
    processes.jsonl   what was started (process.py)
    NODE/             config, key, log and data of each node's programs

It is written before anything is made, so a lab that died half way can still be removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import namespace
from .process import Journal

RUN = Path("/run/ivip-lab")
NOT_A_NODE = "_"  # begins the names of folders and namespaces that belong to the lab itself


class Record:
    def __init__(self, lab: str) -> None:
        self.lab = lab
        self.folder = RUN / lab
        self.journal = Journal(self.folder / "processes.jsonl")

    @property
    def topology_file(self) -> Path:
        return self.folder / "topology.yaml"

    @property
    def hosts_file(self) -> Path:
        return self.folder / "hosts"

    def node_folder(self, node: str) -> Path:
        return self.folder / node

    def exists(self) -> bool:
        """True when anything of that lab is there, be it whole or not."""
        return self.folder.exists() or bool(namespace.namespaces_of(self.lab))

    def create(self, topology: Path, plain: bool) -> None:
        self.folder.mkdir(mode=0o700)
        shutil.copyfile(topology, self.topology_file)
        self.write_json("lab.json", {"v": 1, "name": self.lab, "topology": str(topology),
                                     "plain": plain, "complete": False})

    def write_json(self, name: str, content: object) -> None:
        """Writes a file whole: it is there with all of its content or not at all."""
        temporary = self.folder / f"{name}.new"
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        temporary.rename(self.folder / name)

    def read_json(self, name: str) -> dict:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def labs() -> list[str]:
    """Every lab of which something is there."""
    names = {path.name for path in RUN.iterdir() if path.is_dir()} if RUN.is_dir() else set()
    if namespace.RUN.is_dir():
        names |= {path.name.removeprefix(namespace.PREFIX).rsplit(".", 1)[0]
                  for path in namespace.RUN.glob(f"{namespace.PREFIX}*.*")}
    return sorted(names)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One up or down at a time, on the whole machine. Removes the folder again when it is empty."""
    while True:
        RUN.mkdir(mode=0o755, exist_ok=True)
        folder = os.open(RUN, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(folder, fcntl.LOCK_EX)
        # The one before may have removed the folder while we waited for it.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(folder).st_ino == RUN.stat().st_ino:
                break
        os.close(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            RUN.rmdir()
        os.close(folder)
