"""The RUAS as its users and its operator meet it: real HTTPS, the real program, real kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from network import IVIP, Namespace, Network, Node, await_that

PASSWORD = "correct horse battery"
ETR1, ETR2 = "198.18.3.1", "198.18.4.1"

# Sends map commands over one connection until it breaks; one line on standard output before each
# is sent ("?") and one for each answer.
WORKER = """
import http.client, json, ssl, sys
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("192.0.2.1", 4748, context=context)
token, number = sys.argv[1], int(sys.argv[2])
try:
    while True:
        number += 1
        etr = f"198.18.{number // 256 % 256}.{number % 256}"
        print("?", etr, flush=True)
        body = json.dumps({"commands": [{"do": "map", "micronet": f"20.1.0.{i}", "etr": etr}
                                        for i in (1, 2, 3)]})
        connection.request("POST", "/v1/commands", body, {"Authorization": "Bearer " + token})
        answer = connection.getresponse()
        text = json.loads(answer.read())
        if answer.status != 200:
            sys.exit(f"{answer.status}: {text}")
        print(text["sequence"], etr, flush=True)
except (OSError, http.client.HTTPException):
    pass
"""


@dataclass
class Ruas:
    place: Namespace
    node: Node
    token: str = ""

    def curl(self, method: str, path: str, body: object = None, login: str = "",
             token: str | None = None) -> tuple[int, dict]:
        """One request; status and JSON. With `login` ("user:password") instead of the token."""
        words = ["curl", "-sk", "-X", method, f"https://192.0.2.1:4748{path}",
                 "-w", "\n%{http_code}"]
        words += ["-u", login] if login else [
            "-H", f"Authorization: Bearer {self.token if token is None else token}"]
        if body is not None:
            words += ["--data-binary", "@-"]
        text = body if isinstance(body, str) else json.dumps(body)
        answer, status = self.place.run(*words, text=text).stdout.rsplit("\n", 1)
        return int(status), json.loads(answer)

    def commands(self, *commands: dict, **options: object) -> tuple[int, dict]:
        return self.curl("POST", "/v1/commands", options | {"commands": list(commands)})

    def must(self, *commands: dict, **options: object) -> dict:
        status, answer = self.commands(*commands, **options)
        assert status in (200, 202), answer
        return answer

    def refused(self, status: int, reason: str, *commands: dict) -> str:
        got, answer = self.commands(*commands)
        assert (got, answer["error"]["reason"]) == (status, reason), answer
        return answer["error"]["text"]

    def micronets(self) -> dict[str, str]:
        """All of the user's, over as many pages as it takes."""
        found: dict[str, str] = {}
        after = ""
        while True:
            status, answer = self.curl("GET", f"/v1/micronets?limit=50{after}")
            assert status == 200, answer
            found |= {one["micronet"]: one["etr"] for one in answer["micronets"]}
            if answer["next"] is None:
                return found
            after = "&after=" + answer["next"].replace("/", "%2F").replace("+", "%2B")

    def status(self) -> dict:
        return self.node.ask(command="ruas.status")


def define(micronet: str, etr: str = ETR1) -> dict:
    return {"do": "define", "micronet": micronet, "etr": etr}


def map_to(micronet: str, etr: str) -> dict:
    return {"do": "map", "micronet": micronet, "etr": etr}


@pytest.fixture
def ruas(network: Network) -> Iterator[Ruas]:
    place = network.namespace("ruas")
    place.ip("address add 192.0.2.1/32 dev lo")
    node = network.node(place, {
        "name": "ruas",
        "ruas": {"listen": "192.0.2.1:4748", "public": "192.0.2.1:4747",
                 "mabs": ["20.0.0.0/14", "2001:db8::/32"], "refuse": ["198.51.100.0/24"],
                 "feeds": ["192.0.2.1:4749"], "snapshot_every": "600s"}}, start=False)
    made = Ruas(place, node)
    yield made
    node.stop()


@pytest.fixture
def running(ruas: Ruas) -> Ruas:
    populate(ruas)
    return ruas


def populate(ruas: Ruas) -> None:
    """Starts it, with users anna (20.1.0.0/24, and a token) and ben (20.1.1.0/24)."""
    ruas.node.start()
    ruas.node.await_healthy()
    for user, uab in (("anna", "20.1.0.0/24"), ("ben", "20.1.1.0/24")):
        assert "error" not in ruas.node.ask(command="ruas.user-add", user=user, password=PASSWORD)
        assert "error" not in ruas.node.ask(command="ruas.uab-add", range=uab, user=user)
    ruas.token = ruas.node.ask(command="ruas.token-add", user="anna")["token"]


def test_commands(running: Ruas) -> None:
    running.must(define("20.1.0.0/28"), define("20.1.0.16-20.1.0.20", "zero"))
    running.must(map_to("20.1.0.0/28", ETR2))
    assert running.micronets() == {"20.1.0.0/28": ETR2, "20.1.0.16-20.1.0.20": "zero"}
    running.must(map_to("20.1.0.0/28", "zero"),
                 {"do": "split", "micronet": "20.1.0.0/28",
                  "into": ["20.1.0.0/29", "20.1.0.8/29"]},
                 map_to("20.1.0.0/29", ETR1), map_to("20.1.0.8/29", ETR2))
    before = running.micronets()
    dry = running.must(map_to("20.1.0.0/29", "zero"), dry_run=True)
    assert dry["dry_run"] and dry["micronets"] == [{"micronet": "20.1.0.0/29", "etr": "zero"}]
    assert running.micronets() == before
    assert running.status()["mabs"][0]["sequence"] == 3


def test_wrong_commands(running: Ruas) -> None:
    running.must(define("20.1.0.0/28"))
    before = running.micronets()
    assert "ben" in running.refused(403, "not-your-uab", define("20.1.1.0/28"))
    running.refused(409, "etr-inside-mab", map_to("20.1.0.0/28", "20.2.0.1"))
    running.refused(409, "etr-refused", map_to("20.1.0.0/28", "198.51.100.9"))
    running.refused(409, "etr-not-global", map_to("20.1.0.0/28", "192.168.1.1"))
    running.refused(409, "overlaps-mapped", define("20.1.0.8-20.1.0.30"))
    running.refused(409, "not-zero", {"do": "split", "micronet": "20.1.0.0/28",
                                      "into": ["20.1.0.0/29", "20.1.0.8/29"]})
    running.refused(409, "not-a-micronet", map_to("20.1.0.0/28", "zero"),
                    map_to("20.1.0.64/28", ETR1))
    assert running.micronets() == before
    assert running.node.metrics()['ivip_ruas_refused_total{reason="not-your-uab"}'] == 1


def test_tool(running: Ruas, tmp_path: Path) -> None:
    """`ivip` with a token file and the RUAS's key pinned; a RUAS with another key is refused."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(running.token + "\n")
    client = tmp_path / "client.yaml"
    client.write_text(f"uas: https://192.0.2.1:4748\nkey: {running.node.public_key}\n"
                      f"token_file: {token}\n")
    env = {"IVIP_CLIENT": str(client)}
    running.place.run(IVIP, "define", "20.1.0.0/28", ETR1, env=env)
    running.place.run(IVIP, "map", "20.1.0.0/28", ETR2, env=env)
    shown = json.loads(running.place.run(IVIP, "show", "--json", env=env).stdout)
    assert shown["micronets"] == [{"micronet": "20.1.0.0/28", "etr": ETR2}]
    refused = running.place.run(IVIP, "map", "20.1.1.0/28", ETR2, env=env, check=False)
    assert refused.returncode == 1 and "ben" in refused.stderr
    other = running.node.ivip("key", "--public", text=running.node.ivip("key").stdout)
    client.write_text(client.read_text().replace(running.node.public_key, other.stdout.strip()))
    forged = running.place.run(IVIP, "show", env=env, check=False)
    assert forged.returncode != 0


def test_login(running: Ruas) -> None:
    """Unknown user and wrong password: one answer, one effort, and soon a limit."""
    assert running.curl("GET", "/v1/me", login=f"anna:{PASSWORD}")[0] == 200
    # That both take the effort of one hash is held by tests/authority/test_login.c, without a clock.
    answers = {user: running.curl("GET", "/v1/me", login=f"{user}:wrong wrong")
               for user in ("anna", "zoe") for _ in range(4)}
    assert answers["anna"] == answers["zoe"] and answers["anna"][0] == 401
    statuses = [running.curl("GET", "/v1/me", login="zoe:wrong wrong")[0] for _ in range(12)]
    assert statuses[-1] == 429
    assert running.curl("GET", "/v1/me")[0] == 200  # tokens go on working


def test_flood_of_passwords(running: Ruas) -> None:
    """While many passwords are verified, tokens are served; what is too much is refused."""
    script = ("for i in $(seq 100); do curl -sk -o /dev/null -w '%{http_code}\\n' "
              f"-u 'anna:{PASSWORD}' https://192.0.2.1:4748/v1/me & done; wait")
    with subprocess.Popen(running.place.command("sh", "-c", script), stdout=subprocess.PIPE,
                          text=True) as flood:
        served = 0
        while flood.poll() is None:
            assert running.curl("GET", "/v1/me")[0] == 200
            served += 1
        statuses = flood.stdout.read().split()
    assert served > 0
    assert len(statuses) == 100 and "200" in statuses
    assert set(statuses) <= {"200", "429", "503"}, statuses


def test_stop_while_verifying(running: Ruas) -> None:
    """An orderly end, though passwords are being verified and clients wait."""
    script = ("for i in $(seq 30); do curl -sk -o /dev/null "
              f"-u 'anna:{PASSWORD}' https://192.0.2.1:4748/v1/me & done; wait")
    with subprocess.Popen(running.place.command("sh", "-c", script)):
        await_that("logins", lambda: running.node.metrics()["ivip_ruas_logins_total"] > 0)
        assert running.node.stop() == 0


def test_hostile_connections(running: Ruas) -> None:
    """Bytes that are no TLS, requests cut short, huge bodies: nothing but refusals."""
    talk = ("import socket, ssl, sys, os\n"
            "def plain(): return socket.create_connection(('192.0.2.1', 4748), 5)\n"
            "def tls(): return ssl._create_unverified_context().wrap_socket(plain())\n"
            "c = plain(); c.sendall(os.urandom(2000)); c.close()\n"
            "c = plain(); c.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); c.close()\n"
            "c = tls(); c.sendall(b'POST /v1/commands HTTP/1.1\\r\\nHost: x\\r\\n"
            "Content-Length: 500\\r\\n\\r\\n{'); c.close()\n"
            "c = tls(); c.sendall(b'\\0' * 50000); c.close()\n"
            "c = tls(); c.sendall(b'GET /' + b'a' * 100000 + b' HTTP/1.1\\r\\n\\r\\n'); c.close()\n")
    running.place.run(sys.executable, "-c", talk)
    status, _ = running.curl("POST", "/v1/commands", "[" * (2 * 1024 * 1024))
    assert status >= 400
    assert running.curl("POST", "/v1/commands", "{\"commands\": [")[0] == 400
    assert running.curl("GET", "/v1/me")[0] == 200
    assert running.node.healthy()


def test_secrets(running: Ruas) -> None:
    """Neither log nor database has a password or a token in it."""
    running.curl("GET", "/v1/me", login=f"anna:{PASSWORD}")
    running.curl("GET", "/v1/me", login="anna:another wrong one")
    status, answer = running.curl("POST", "/v1/tokens", {"scope": "read"},
                                  login=f"anna:{PASSWORD}")
    assert status == 201
    running.node.stop()
    log = running.node.log()
    for file in (running.node.folder / "state").iterdir():
        log += file.read_bytes().decode("latin-1")
    for secret in (PASSWORD, "another wrong one", running.token, answer["token"]):
        assert secret not in log


def test_scheduled(running: Ruas) -> None:
    """A set that waits survives kill -9 and is executed when its time comes."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    number = running.must(define("20.1.0.0/28"), at=at)["scheduled"]
    wrong = running.must(map_to("20.1.0.64/28", ETR1), at=at)["scheduled"]
    running.node.stop(signal.SIGKILL)
    running.node.start()
    running.node.await_healthy()
    await_that("executed", lambda: running.micronets() == {"20.1.0.0/28": ETR1})
    await_that("both ended", lambda: running.status()["scheduled"] == 0)
    ended = {one["scheduled"]: one for one in
             running.curl("GET", "/v1/scheduled")[1]["scheduled"]}
    assert ended[number]["state"] == "executed"
    assert ended[wrong]["state"] == "refused" and ended[wrong]["reason"] == "not-a-micronet"


def test_kill(running: Ruas) -> None:
    """kill -9 at any moment: what was acknowledged is there, and the set under way whole or not
    at all."""
    running.must(*(define(f"20.1.0.{i}", "zero") for i in (1, 2, 3)))
    chance = random.Random(1)
    number = 0
    for _ in range(8):
        with subprocess.Popen(running.place.command(sys.executable, "-c", WORKER, running.token,
                                                    number), stdout=subprocess.PIPE,
                              text=True) as worker:
            lines = [worker.stdout.readline()]  # it has begun
            assert lines[0].startswith("?")
            time.sleep(chance.uniform(0.2, 0.6))
            running.node.stop(signal.SIGKILL)
            lines += worker.stdout.read().splitlines()
            assert worker.wait() == 0
        sent = [line.split()[1] for line in lines if line.startswith("?")]
        done = [line.split() for line in lines if not line.startswith("?")]
        running.node.start()
        running.node.await_healthy()
        etrs = set(running.micronets().values())
        assert len(etrs) == 1, "a set was torn"
        sequence = running.status()["mabs"][0]["sequence"]
        if done:
            acknowledged, etr = int(done[-1][0]), done[-1][1]
            assert (sequence, etrs) in ((acknowledged, {etr}), (acknowledged + 1, {sent[-1]}))
        number += len(sent)
    assert number > 20, "the worker did hardly anything"


def test_full_disk(ruas: Ruas) -> None:
    """A disk that fills: 503 and unhealthy, nothing lost, nothing refused kept; then it goes on."""
    state = ruas.node.folder / "state"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", state], check=True)
    try:
        ballast = state / "ballast"
        populate(ruas)
        ruas.must(*(define(f"20.1.0.{i}", "zero") for i in range(256)))
        done = fill(ruas, ballast)
        assert not ruas.node.healthy()
        assert "full" in json.dumps(ruas.node.ask(command="status"))
        etrs = set(ruas.micronets().values())
        assert etrs == {done}
        ruas.node.stop(signal.SIGKILL)
        ballast.unlink()
        ruas.node.start()
        ruas.node.await_healthy()
        assert set(ruas.micronets().values()) == {done}
        # Now without a restart in between.
        done = fill(ruas, ballast)
        assert set(ruas.micronets().values()) == {done}
        ballast.unlink()
        ruas.node.await_healthy()
        ruas.must(*(map_to(f"20.1.0.{i}", ETR2) for i in range(256)))
        assert set(ruas.micronets().values()) == {ETR2}
    finally:
        ruas.node.stop()
        subprocess.run(["umount", state], check=True)


def fill(ruas: Ruas, ballast: Path) -> str:
    """Leaves little room beside the ballast, and maps everything to one ETR after the other until
    that cannot be stored; the last that could."""
    (done,) = set(ruas.micronets().values())
    free = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - 128 * 1024)))
    for number in range(20):
        etr = f"198.18.{number}.{random.randrange(1, 255)}"
        status, answer = ruas.commands(*(map_to(f"20.1.0.{i}", etr) for i in range(256)))
        if status == 503:
            assert answer["error"]["reason"] == "not-stored"
            assert "nothing was changed" in answer["error"]["text"]
            return done
        assert status == 200, answer
        done = etr
    pytest.fail("the disk never filled")


def test_state_belongs_to_one(running: Ruas, network: Network) -> None:
    config = running.node.folder / "second.yaml"
    text = running.node.config_file.read_text()
    config.write_text(text.replace("9746", "9747").replace("control.sock", "second.sock")
                      .replace("4748", "4758").replace("4747", "4757"))
    second = running.place.run(IVIP, "run", config, check=False)
    assert second.returncode != 0
    assert "open in another process" in second.stderr
    assert running.node.healthy()


def test_reload(running: Ruas) -> None:
    """The refused prefixes can change while it runs."""
    running.must(define("20.1.0.0/28", "zero"))
    running.refused(409, "etr-refused", map_to("20.1.0.0/28", "198.51.100.9"))
    text = running.node.config_file.read_text()
    running.node.config_file.write_text(text.replace("198.51.100.0/24", "203.0.113.0/24"))
    os.kill(running.node.process.pid, signal.SIGHUP)
    await_that("reloaded",
               lambda: running.commands(map_to("20.1.0.0/28", "198.51.100.9"))[0] == 200)
    running.refused(409, "etr-refused", map_to("20.1.0.0/28", "203.0.113.9"))


def test_audit(running: Ruas) -> None:
    running.must(define("20.1.0.0/28"))
    running.refused(403, "not-your-uab", define("20.1.1.0/28"))
    lines = running.node.ask(command="ruas.audit")["audit"]
    refused, accepted, *before = lines
    assert (refused["who"], refused["accepted"], refused["reason"]) == ("anna", False,
                                                                        "not-your-uab")
    assert (accepted["who"], accepted["accepted"], accepted["from"]) == ("anna", True, "192.0.2.1")
    assert accepted["what"] == [define("20.1.0.0/28")]
    assert {line["who"] for line in before} == {"operator"}


def test_refusals_fill_no_disk(running: Ruas) -> None:
    """What was refused is kept as it came only while it is short: a user with a token could
    otherwise store a megabyte with each request."""
    status, answer = running.curl("POST", "/v1/commands", {"junk": "x" * 900_000})
    assert (status, answer["error"]["reason"]) == (400, "unknown-member"), answer
    status, _ = running.curl("DELETE", "/v1/tokens/" + "f" * 20_000)
    assert status == 403
    status, _ = running.curl("POST", "/v1/commands", {"junk": "short"})
    assert status == 400
    short, token, long = running.node.ask(command="ruas.audit", limit=3)["audit"]
    assert short["what"] == {"junk": "short"}
    assert token["action"].startswith("tokens/fff") and len(token["action"]) < 100
    assert long["what"] == {"octets": 900_011} and long["reason"] == "unknown-member"
