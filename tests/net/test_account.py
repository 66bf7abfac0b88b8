"""A node that is started as root and runs as another account, with as little as its roles need."""
from __future__ import annotations

import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import Network, Node, await_that

ACCOUNT = pwd.getpwnam("nobody")
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 1 << 10, 1 << 12, 1 << 13


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the account may walk through, as it may not through pytest's."""
    made = Path(tempfile.mkdtemp(prefix="ivip-test-account-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def etr(network: Network, folder: Path, **config: object) -> Node:
    place = network.namespace("etr", router=True)
    node = network.node(place, {
        "name": "etr", "user": ACCOUNT.pw_name, "state": str(folder / "a" / "state"),
        "control": str(folder / "run" / "etr.sock"), "etr": {"serves": ["20.1.0.16/28"]}} | config,
        start=False)
    node.control = folder / "run" / "etr.sock"
    return node


def process(node: Node) -> dict[str, list[str]]:
    """What the kernel says of the node's process."""
    assert node.process is not None
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


@pytest.mark.parametrize("port,capabilities", [
    (9746, CAP_NET_ADMIN | CAP_NET_RAW),
    (746, CAP_NET_ADMIN | CAP_NET_RAW | CAP_NET_BIND_SERVICE)])
def test_keeps_only_what_its_roles_need(network: Network, folder: Path, port: int,
                                        capabilities: int) -> None:
    node = etr(network, folder, metrics=f"127.0.0.1:{port}")
    for _ in range(2):  # also when the directories are there already
        node.start()
        node.await_healthy()
        status = process(node)
        assert status["Uid"] == [str(ACCOUNT.pw_uid)] * 4
        assert status["Gid"] == [str(ACCOUNT.pw_gid)] * 4
        assert str(0) not in status["Groups"]
        for kind, wanted in (("CapEff", capabilities), ("CapPrm", capabilities),
                             ("CapBnd", 0), ("CapInh", 0), ("CapAmb", 0)):
            assert int(status[kind][0], 16) == wanted, kind
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"]  # a filter
        # With these it could make its device and set it up.
        setting = "/proc/sys/net/ipv4/conf/ivip0/rp_filter"
        assert node.place.run("cat", setting).stdout.strip() == "0"
        for path, mode in ((folder / "a" / "state", 0o700), (folder / "run", 0o755)):
            assert path.stat().st_uid == ACCOUNT.pw_uid
            assert stat.S_IMODE(path.stat().st_mode) == mode
        assert node.stop() == 0


def refused(node: Node, words: str) -> None:
    node.start()
    assert node.process is not None
    assert node.process.wait(timeout=20) != 0
    assert words in node.log()


def test_directories_of_others_are_refused(network: Network, folder: Path) -> None:
    (folder / "a" / "state").mkdir(parents=True)
    refused(etr(network, folder), "does not belong to the account that the node runs as")
    assert (folder / "a" / "state").stat().st_uid == 0


def test_an_account_that_is_not_there(network: Network, folder: Path) -> None:
    refused(etr(network, folder, user="ivip-no-such-account"),
            'there is no account "ivip-no-such-account"')


def test_a_caching_itr_and_its_counters(network: Network, folder: Path) -> None:
    """What an ITR opens beside sockets: its list, its spool and its counters."""
    place = network.namespace("itr", router=True)
    node = network.node(place, {
        "name": "itr", "user": ACCOUNT.pw_name, "state": str(folder / "state"),
        "control": str(folder / "run" / "itr.sock"), "itr": {
            "upstreams": ["127.0.0.1:4746"], "mabs": ["20.0.0.0/14"],
            "usage_to": "http://127.0.0.1:4747"}}, start=False)
    node.control = folder / "run" / "itr.sock"
    node.start()
    await_that("it runs", node.control.exists)
    await_that("it says that nobody answers", lambda: "no query server answers" in str(
        node.ask(command="health")))
    for name in ("state/usage.sqlite", "run/itr.usage"):
        assert (folder / name).stat().st_uid == ACCOUNT.pw_uid
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert node.stop() == 0
