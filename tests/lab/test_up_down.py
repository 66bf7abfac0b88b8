"""A lab comes up, carries packets, and leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab_command import LAB_COMMAND, leftovers, run_lab

LOSSY = """\
networks:
  N1: {}
nodes:
  A: {network: N1}
  R: {network: N1}
  B: {network: N1}
  C: {network: N1}
links:
  - [A, R, {delay: 20ms}]
  - [R, B, {loss: 30%, mtu: 1400}]
  - [R, C, {rate: 1Mbit}]
"""


def processes_of(lab: str) -> list[str]:
    """Command lines of processes anywhere that name the lab's files."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"/run/ivip-lab/{lab}/" in words:
            found.append(words)
    return found


def test_small_network_carries_packets_and_goes_away(lab_name: str) -> None:
    up = run_lab("up", "small", "--plain", "--name", lab_name)
    assert up.returncode == 0, up.stderr
    for family in ("-4", "-6"):
        ping = run_lab("exec", "--lab", lab_name, "H1", "--", "ping", family, "-c1", "-W2", "ETR")
        assert ping.returncode == 0, ping.stdout + ping.stderr
    shown = json.loads(run_lab("show", lab_name, "--json").stdout)
    assert shown["v"] == 1
    assert [node["name"] for node in shown["nodes"]] == ["H1", "ITR", "ETR", "IH2"]
    assert run_lab("down", lab_name).returncode == 0
    assert leftovers(lab_name) == []


def test_up_twice_is_refused_and_harms_nothing(lab_name: str) -> None:
    assert run_lab("up", "small", "--plain", "--name", lab_name).returncode == 0
    again = run_lab("up", "small", "--plain", "--name", lab_name)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert run_lab("exec", "--lab", lab_name, "H1", "--", "true").returncode == 0


@pytest.mark.parametrize(("words", "seconds"), [
    (("fig3", "--plain"), 0.1), (("fig3", "--plain"), 0.2), (("fig3", "--plain"), 0.4),
    (("fig3", "--plain"), 0.8), (("drtm",), 0.7), (("drtm",), 1.5), (("drtm",), 3.0)],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value))
def test_nothing_is_left_after_a_kill_in_the_middle(lab_name: str, words: tuple[str, ...],
                                                    seconds: float) -> None:
    child = subprocess.Popen([LAB_COMMAND, "up", *words, "--name", lab_name],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    if leftovers(lab_name):
        down = run_lab("down", lab_name)
        assert down.returncode == 0, down.stderr
    assert leftovers(lab_name) == []
    assert processes_of(lab_name) == []


def test_shows_who_serves_whom_and_where_dns_says_so(lab_name: str) -> None:
    assert run_lab("up", "drtm", "--plain", "--name", lab_name).returncode == 0
    shown = json.loads(run_lab("show", lab_name, "--json").stdout)
    assert [(dsoc["name"], dsoc["ruas"], dsoc["sites"]) for dsoc in shown["dsocs"]] == [
        ("acme", "RUASA", ["A1", "A2"]), ("beta", "RUASB", ["B1", "B2"])]
    assert shown["mabs"] == [mab for dsoc in shown["dsocs"] for mab in dsoc["mabs"]]
    assert shown["domain"] == "ivip.example"
    assert shown["domains"]["pop.isp.example"]["qsc"][0] == "QSC1"
    assert "acme  RUASA  A1 A2" in run_lab("show", lab_name).stdout
    assert run_lab("down", lab_name).returncode == 0
    assert leftovers(lab_name) == []


def test_dns_that_cannot_run_is_named_and_all_is_cleaned_up(lab_name: str, tmp_path: Path) -> None:
    broken = tmp_path / "ldns-signzone"
    broken.write_text("#!/bin/sh\necho this signer is ill >&2\nexit 1\n")
    broken.chmod(0o755)
    done = subprocess.run([LAB_COMMAND, "up", "drtm", "--name", lab_name], capture_output=True,
                          text=True, check=False,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1
    assert "this signer is ill" in done.stderr
    assert leftovers(lab_name) == []
    assert processes_of(lab_name) == []


def test_an_up_that_fails_cleans_up_and_shows_the_log(lab_name: str, tmp_path: Path) -> None:
    broken = tmp_path / "bird"
    broken.write_text("#!/bin/sh\necho this BIRD is ill >&2\nexit 1\n")
    broken.chmod(0o755)
    done = subprocess.run([LAB_COMMAND, "up", "fig3", "--plain", "--name", lab_name],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1
    assert "this BIRD is ill" in done.stderr
    assert leftovers(lab_name) == []


def test_processes_started_by_hand_in_a_lab_end_with_it(lab_name: str) -> None:
    assert run_lab("up", "small", "--plain", "--name", lab_name).returncode == 0
    with subprocess.Popen([LAB_COMMAND, "exec", "--lab", lab_name, "H1", "--", "sh", "-c",
                           "echo inside; exec sleep 600"], start_new_session=True,
                          stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "inside\n"
        assert run_lab("down", lab_name).returncode == 0
        assert child.wait(timeout=10) != 0
    assert leftovers(lab_name) == []


def test_links_delay_lose_and_limit(lab_name: str, tmp_path: Path) -> None:
    file = tmp_path / "lossy.yaml"
    file.write_text(LOSSY)
    up = run_lab("up", str(file), "--name", lab_name)
    assert up.returncode == 0, up.stderr

    def fastest_ms(sender: str, *words: str) -> float:
        shown = run_lab("exec", "--lab", lab_name, sender, "--", "ping", "-4", "-c3", "-i0.1", *words)
        return float(shown.stdout.split("rtt min/avg/max/mdev = ")[1].split("/")[0])

    assert fastest_ms("A", "R") >= 40  # 20 ms each way
    assert fastest_ms("R", "-s1400", "C") >= 2 * 1442 * 8 / 1000  # octets of the frame, at 1 Mbit/s

    far = run_lab("exec", "--lab", lab_name, "R", "--", "ping", "-4", "-q", "-c400", "-i0.002",
                  "-W1", "B").stdout
    lost = int(far.split("% packet loss")[0].split()[-1].split(".")[0])
    assert 30 < lost < 72  # 51 % of the round trips

    big = run_lab("exec", "--lab", lab_name, "R", "--", "ping", "-4", "-c1", "-W1", "-Mdo",
                  "-s1400", "B")
    assert big.returncode != 0  # 1,428 octets do not fit 1,400


def test_errors_tell_what_to_do(root: None) -> None:
    assert "known by name" in run_lab("up", "nosuch").stderr
    assert "is not up" in run_lab("show", "nosuch").stderr
    assert run_lab("wrong").returncode == 2
