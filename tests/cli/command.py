"""The means to run `ivip` as people do."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IVIP = os.environ.get("IVIP_PROGRAM", str(ROOT / "build" / "ivip"))
LIMIT_SECONDS = 30


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self):
        document = json.loads(self.out)
        assert document["v"] == 1
        return document


def ivip(*words, stdin="", env=None, cwd=None):
    """Runs the program with an environment in which no file of the tester's counts."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})}
    done = subprocess.run([IVIP, *map(str, words)], input=stdin, env=clean, cwd=cwd,
                          capture_output=True, text=True, timeout=LIMIT_SECONDS)
    return Result(done.returncode, done.stdout, done.stderr)


def make_key(path):
    path.touch(mode=0o600)
    path.write_text(ivip("key").out)
    return ivip("key", "--public", stdin=path.read_text()).out.strip()
