"""The project's own tools find what they are there to find."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

TOP = Path(__file__).resolve().parent.parent.parent


def load(name: str) -> ModuleType:
    """A tool as a module; tools have no suffix."""
    sys.dont_write_bytecode = True
    loader = SourceFileLoader(name.replace("-", "_"), str(TOP / "tools" / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def check_imports(top: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOP / "tools" / "check-imports", top], capture_output=True, text=True,
                          check=False)


@pytest.mark.parametrize(("file", "text", "complaint"), [
    ("src/query/a.c", '#include "push/b.h"', "src/query must not include src/push"),
    ("src/base/a.c", '#include "wire/b.h"', "src/base must not include src/wire"),
    ("src/query/a.c", '#include "b.h"', 'write the folder too: "query/b.h"'),
    ("src/wire/a.c", "#include <sys/socket.h>", "<sys/socket.h> belongs in src/node"),
    ("src/tunnel/a.c", "#include <pthread.h>", "<pthread.h> belongs in src/node"),
    ("src/push/a.c", "long f(void) { return time(0); }", "time()"),
    ("src/mapping/a.c", "void f(void) { clock_gettime(0, 0); }", "clock_gettime()"),
    ("src/mystery/a.c", "", "has no place in the direction of imports"),
])
def test_check_imports_finds(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(f"// first line\n{text}\n")
    done = check_imports(tmp_path)
    assert done.returncode == 1
    assert complaint in done.stdout
    assert f"{file}:" in done.stdout


@pytest.mark.parametrize(("file", "text"), [
    ("src/query/a.c", '#include "base/error.h"\n#include "wire/query.h"\n#include <string.h>'),
    ("src/node/a.c", "#include <sys/socket.h>\nint f(void) { return socket(1, 1, 1); }"),
    ("src/push/a.c", '// socket(1)\n/* time(\n0) */\nconst char *t = "open(x)";'),
    ("src/push/a.c", "int f(struct x *x) { return x->send_time(1) + run_time(2); }"),
])
def test_check_imports_allows(tmp_path: Path, file: str, text: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    done = check_imports(tmp_path)
    assert done.returncode == 0, done.stdout


CMOCKA = """\
[==========] tests: Running 3 test(s).
[ RUN      ] first
[       OK ] first
[ RUN      ] second
[  ERROR   ] --- 1 != 2
[  FAILED  ] second
[  SKIPPED ] third
"""


def entry(result: str, stdout: str = "") -> dict:
    return {"name": "ivip:unit / base/range", "result": result, "stdout": stdout, "duration": 0.1}


def test_check_counts_cases_not_programs() -> None:
    tally = load("check").tally_unit(entry("FAIL", CMOCKA), "build")
    assert (tally.passed, tally.skipped) == (1, 1)
    assert tally.failures == ["build: base/range: second"]


def test_check_counts_a_crash_as_a_failure() -> None:
    tally = load("check").tally_unit(entry("ERROR", "[       OK ] first\n"), "build")
    assert (tally.passed, tally.failures) == (1, ["build: base/range (error)"])


def test_check_counts_a_program_without_cases_as_one() -> None:
    assert load("check").tally_unit(entry("OK", "fine\n"), "build").passed == 1


def test_check_counts_pytest_by_its_report(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text("""<testsuites><testsuite>
        <testcase classname="a" name="good"/>
        <testcase classname="a" name="bad"><failure/></testcase>
        <testcase classname="a" name="broken"><error/></testcase>
        <testcase classname="a" name="elsewhere"><skipped/></testcase>
        </testsuite></testsuites>""")
    tally = load("check").tally_pytest(report)
    assert (tally.passed, tally.skipped) == (1, 1)
    assert tally.failures == ["a.bad", "a.broken"]


def test_mutants_find_their_lines() -> None:
    """A line that moved would end the tool in the middle of its run, which takes long."""
    for mutant in load("mutants").MUTANTS:
        source = (TOP / "src" / mutant.file).read_text()
        assert source.count(mutant.right) == 1, f"{mutant.name}: write its line anew (tools/mutants)"


def test_install_dependencies_names_the_purposes_it_knows() -> None:
    done = subprocess.run([TOP / "tools" / "install-dependencies", "pleasure"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "build test lab lint bench" in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_leaves_a_node_little(tmp_path: Path) -> None:
    """systemd's own judgement, from 0 (nothing can happen) to 10. A node keeps the network and,
    as an ITR or ETR, its capabilities; the rest is closed."""
    unit = tmp_path / "ivip@test.service"
    text = (TOP / "contrib/systemd/ivip@.service.in").read_text()
    unit.write_text(text.replace("@bindir@", "/usr/bin"))
    judged = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                             "--threshold=35", unit], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout
    # A node sets a filter of its own, and the settings of its TUN device (src/node/tunnel/tun.c).
    assert "@sandbox" in text and "ProtectKernelTunables=" not in text
