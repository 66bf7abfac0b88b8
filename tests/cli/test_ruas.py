"""The commands of end users and operators against a real RUAS."""

import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from command import IVIP, LIMIT_SECONDS, ivip, make_key
from daemon import free_port


def micronets(ruas):
    return {item["micronet"]: item["etr"] for item in ruas.user("show", "--json").json["micronets"]}


def test_a_micronet_lives(ruas):
    defined = ruas.user("define", "20.1.0.16/28", "198.18.3.1")
    assert (defined.status, defined.err) == (0, "")
    assert defined.out.splitlines()[0].split() == ["20.1.0.16/28", "198.18.3.1"]
    assert micronets(ruas) == {"20.1.0.16/28": "198.18.3.1"}
    mapped = ruas.user("map", "--json", "20.1.0.16-20.1.0.31", "198.18.4.1").json
    assert mapped["mab"] == "20.0.0.0/14"
    assert mapped["micronets"] == [{"micronet": "20.1.0.16/28", "etr": "198.18.4.1"}]
    assert mapped["dry_run"] is False
    dry = ruas.user("map", "--dry-run", "20.1.0.16/28", "198.18.5.1")
    assert "Nothing was changed" in dry.out
    assert micronets(ruas) == {"20.1.0.16/28": "198.18.4.1"}

    refused = ruas.user("split", "20.1.0.16/28", "20.1.0.16/29", "20.1.0.24/29")
    assert refused.status == 1 and refused.out == ""
    assert ruas.user("map", "20.1.0.16/28", "zero").status == 0
    assert ruas.user("split", "20.1.0.16/28", "20.1.0.16/29", "20.1.0.24/29").status == 0
    assert micronets(ruas) == {"20.1.0.16/29": "zero", "20.1.0.24/29": "zero"}
    assert ruas.user("join", "20.1.0.16/29", "20.1.0.24/29").status == 0
    assert ruas.user("drop", "20.1.0.16/28").status == 0
    gone = ruas.user("show")
    assert (gone.status, gone.out) == (0, "")
    assert "ivip define" in gone.err


def test_sets_from_files(ruas, tmp_path):
    file = tmp_path / "set.yaml"
    file.write_text("- define 20.1.0.64/28 198.18.3.1\n"
                    "- map 20.1.0.64/28 zero\n"
                    "- {do: split, micronet: 20.1.0.64/28, into: [20.1.0.64/29, 20.1.0.72/29]}\n"
                    "- map 20.1.0.64/29 224.0.0.1\n")
    refused = ruas.user("apply", file)
    assert refused.status == 1
    assert refused.err.startswith(f"ivip: {file}:4: ")
    assert "224.0.0.1 cannot be an ETR" in refused.err
    assert micronets(ruas) == {}
    file.write_text(file.read_text().replace("224.0.0.1", "198.18.4.1"))
    assert ruas.user("apply", file).status == 0
    assert micronets(ruas) == {"20.1.0.64/29": "198.18.4.1", "20.1.0.72/29": "zero"}
    # JSON is YAML; from standard input.
    commands = {"commands": [{"do": "map", "micronet": "20.1.0.64/29", "etr": "zero"},
                             {"do": "delete", "micronet": "20.1.0.64/29"},
                             {"do": "delete", "micronet": "20.1.0.72/29"}]}
    assert ruas.user("apply", "-", stdin=json.dumps(commands)).status == 0
    assert micronets(ruas) == {}


@pytest.mark.parametrize("text,error", [
    ("", " is empty"),
    ("map: x\n", ":1:1: a list of commands was expected, each beginning with \"- \""),
    ("- mop 20.1.0.1 zero\n", ":1:3: a command was expected, such as"),
    ("- map 20.1.0.1 zero\n- map 20.1.0.1\n", ":2:3: a command was expected, such as"),
    ("- [map]\n", ":1:3: a command was expected, such as"),
    ("- {do: [[[[[[x]]]]]]}\n", ": a command does not go this deep"),
    # Never a part of the line without the rest.
    (f"- join {' '.join(f'20.1.{i // 256}.{i % 256}' for i in range(1025))}\n",
     ':1: command 1: "micronets" has more than 1024 ranges'),
    (f"- join {' '.join(f'20.1.{i // 256}.{i % 256}' for i in range(1300))}\n",
     ":1:3: a command was expected, such as"),
], ids=lambda value: value[:30])
def test_broken_sets(ruas, tmp_path, text, error):
    file = tmp_path / "set.yaml"
    file.write_text(text)
    result = ruas.user("apply", file)
    assert result.status == 1 and result.out == ""
    assert result.err.startswith(f"ivip: {file}") and error in result.err


def test_at(ruas):
    assert ruas.user("define", "20.1.0.128", "198.18.3.1").status == 0
    far = ruas.user("map", "--json", "--at", "+2h", "20.1.0.128", "zero").json
    listed = ruas.user("schedule", "list")
    assert f"{far['scheduled']}  anna, waiting, at 20" in listed.out
    assert "map 20.1.0.128 zero" in listed.out
    assert ruas.operator("schedule", "all").out == listed.out
    assert ruas.operator("schedule", "all", "anna").out == listed.out
    assert ruas.operator("schedule", "all", "ben").out == ""
    assert ruas.user("schedule", "cancel", far["scheduled"]).status == 0
    assert ruas.user("schedule", "cancel", far["scheduled"]).status == 1
    assert ruas.user("map", "--at", "+3s", "20.1.0.128", "zero").status == 0
    end = time.monotonic() + LIMIT_SECONDS
    while micronets(ruas) != {"20.1.0.128": "zero"}:
        assert time.monotonic() < end
        time.sleep(0.1)
    # One that was refused in the end says why.
    assert ruas.user("split", "--at", "+1s", "20.1.0.128/31", "20.1.0.128", "20.1.0.129").status == 0
    while not re.search(r"anna, refused, at \S+: 20\.1\.0\.128/31 is not a micronet",
                        ruas.user("schedule", "list").out):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert ruas.user("drop", "20.1.0.128").status == 0


def test_long_lists_come_whole(ruas, tmp_path):
    file = tmp_path / "set.yaml"
    ranges = [f"2001:db8:0:{i:x}::/64" for i in range(1, 1002)]
    file.write_text("".join(f"- define {text} 2001:db9::1\n" for text in ranges))
    assert ruas.user("apply", file).status == 0
    file.write_text("".join(f"- define {text} 2001:db9::1\n"
                            for text in ("2001:db8:0:1001::/64", "2001:db8:0:1002::/64")))
    assert ruas.user("apply", file).status == 0
    shown = ruas.user("show", "2001:db8::/48").out.splitlines()
    assert len(shown) == len(ranges) + 2
    assert ruas.user("show", "2001:db8:0:2::").out.split() == ["2001:db8:0:2::/64", "2001:db9::1"]


def client(ruas, tmp_path, **changes):
    values = {"uas": f"https://127.0.0.1:{ruas.ports['rest']}", "key": ruas.key,
              "token_file": f"{ruas.directory}/token", **changes}
    file = tmp_path / "client.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
    return file


def test_a_server_with_another_key_is_not_spoken_to(ruas, tmp_path):
    other = make_key(tmp_path / "other")
    result = ivip("show", "--client", client(ruas, tmp_path, key=other))
    assert result.status == 1
    assert "does not have the key that the client config names" in result.err


def test_an_unknown_token(ruas, tmp_path):
    token = tmp_path / "token"
    token.write_text("ivip_" + 43 * "A" + "\n")
    result = ivip("show", "--json", "--client", client(ruas, tmp_path, token_file=token))
    assert result.status == 1
    assert result.json["error"]["reason"] == "wrong-credentials"


def test_nobody_there(ruas, tmp_path):
    nowhere = client(ruas, tmp_path, uas=f"https://127.0.0.1:{free_port()}")
    result = ivip("show", env={"IVIP_CLIENT": str(nowhere)})
    assert result.status == 3
    assert "does not answer" in result.err


@pytest.mark.parametrize("changes,error", [
    ({"uas": "http://127.0.0.1"}, ":1:6: uas: an address such as https://192.0.2.1:4748"),
    ({"key": "x"}, ':2:6: key: "x" is not a public key'),
    ({"token_file": "/nonexistent"}, "token_file: /nonexistent cannot be read"),
    ({"zzz": "1"}, ':4:1: "zzz" is no key here; expected uas, key or token_file'),
])
def test_broken_client_configs(ruas, tmp_path, changes, error):
    result = ivip("show", "--client", client(ruas, tmp_path, **changes))
    assert result.status == 1 and error in result.err


def test_operator(ruas):
    added = ruas.operator("user", "add", "ben", stdin="battery staple\n")
    assert (added.status, added.err) == (0, "")
    again = ruas.operator("user", "add", "ben", stdin="battery staple\n")
    assert again.status == 1 and again.out == ""
    short = ruas.operator("user", "add", "carl", stdin="short\n")
    assert short.status == 1
    assert ruas.operator("user", "add", "carl", stdin="").status == 1
    assert ruas.operator("uab", "add", "--micronets", "7", "20.2.0.0/24", "ben").status == 0
    uabs = ruas.operator("uab", "list", "--json", "ben").json["uabs"]
    assert [(uab["range"], uab["user"], uab["micronets_max"]) for uab in uabs] == \
        [("20.2.0.0/24", "ben", 7)]
    assert "20.2.0.0/24" in ruas.operator("uab", "list").out
    assert ruas.operator("user", "remove", "ben").status == 1  # still has a UAB
    token = ruas.operator("token", "add", "ben", "--scope", "map", "--json").json
    assert token["token"].startswith("ivip_")
    assert token["id"] in ruas.operator("token", "list", "ben").out
    assert token["token"] not in ruas.operator("token", "list", "--json").out
    assert ruas.operator("token", "revoke", token["id"]).status == 0
    assert ruas.operator("uab", "remove", "20.2.0.0/24").status == 0
    assert ruas.operator("user", "remove", "ben").status == 0
    assert "ben" not in ruas.operator("user", "list").out
    assert "user-remove" in ruas.operator("audit", "--limit", "5").out
    newest = ruas.operator("audit", "--limit", "1", "--json").json["audit"][0]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", newest["time"])
    assert newest["time"] in ruas.operator("audit", "--limit", "1").out


def test_audit_says_what_was_asked(ruas):
    assert ruas.user("define", "20.1.0.220", "198.18.3.1").status == 0
    assert ruas.user("map", "20.1.0.220", "224.0.0.1").status == 1
    assert ruas.operator("uab", "add", "20.2.3.0/24", "anna").status == 0
    assert ruas.operator("uab", "remove", "20.2.3.0/24").status == 0
    trail = ruas.operator("audit", "--limit", "4").out.splitlines()
    assert trail[0].split() == ["time", "who", "with", "from", "action", "asked", "result"]
    assert any(re.search(r"anna +token [0-9a-f]{16} +127\.0\.0\.1 +commands +"
                         r"map 20\.1\.0\.220 224\.0\.0\.1 +refused: 224\.0\.0\.1 cannot", line)
               for line in trail)
    assert any(re.search(r"commands +define 20\.1\.0\.220 198\.18\.3\.1 +set \d+$", line)
               for line in trail)
    assert any(re.search(r"operator +control +- +uab-remove +range=20\.2\.3\.0/24 user=anna .*done$",
                         line) for line in trail)
    assert ruas.user("map", "20.1.0.220", "zero").status == 0
    assert ruas.user("drop", "20.1.0.220").status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="hides /run in a mount namespace")
def test_a_node_that_died_hides_no_other(ruas, tmp_path):
    """Without --control all sockets of /run/ivip are meant; a killed node leaves its own there."""
    dead = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(dead))
    script = (f"mount -t tmpfs none /run && mkdir /run/ivip && ln -s {dead} /run/ivip/a.sock && "
              f"ln -s {ruas.control} /run/ivip/ruas.sock && {IVIP} user list && {IVIP} usage; "
              f"rm /run/ivip/ruas.sock; {IVIP} user list")
    shown = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                           check=False)
    assert "anna" in shown.stdout
    assert shown.stderr.splitlines()[:-1] == ["No traffic was counted."]
    assert "a.sock does not answer" in shown.stderr.splitlines()[-1]
    assert shown.returncode == 3


def test_nobody_writes_to_the_operators_terminal(ruas):
    """What a user sent and got refused stands in the audit trail, without its control characters."""
    refused = ruas.user("define", "20.1.0.201", "zero", "--at", "\x1b]0;mine\x07\x9b2J")
    assert refused.status == 1
    trail = ruas.operator("audit", "--limit", "1").out
    assert "]0;mine" in trail and "is not a time" in trail
    for shown in (refused.err, trail):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


def test_words_that_are_no_text(ruas):
    """Octets that are not UTF-8 are refused, and never make an option vanish."""
    bad = os.fsdecode(b"\xff\xfe")
    assert ruas.operator("user", "add", bad, stdin="battery staple\n").status == 1
    assert ruas.operator("token", "add", "anna", "--scope", bad).status == 1
    assert ruas.operator("uab", "list", bad).status == 0
    assert ruas.user("define", "20.1.0.200", "198.18.3.1", "--at", bad).status == 1
    assert micronets(ruas).get("20.1.0.200") is None


def test_control_from_the_environment(ruas):
    assert "anna" in ivip("user", "list", env={"IVIP_CONTROL": str(ruas.control)}).out


def test_status(ruas):
    result = ruas.operator("status")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("ruas  ivip ")
    assert "20.0.0.0/14" in result.out
    document = ruas.operator("status", "--json").json
    assert document["healthy"] is True
    assert document["key"] == ruas.key
    assert {mab["mab"] for mab in document["roles"]["ruas"]["mabs"]} == \
        {"20.0.0.0/14", "2001:db8::/32"}


def fetch(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def test_metrics_and_health(ruas):
    status, page = fetch(ruas.metrics, "/metrics")
    assert status == 200
    assert 'ivip_role_healthy{role="ruas"} 1' in page.splitlines()
    # Every family comes once, described before its values.
    types = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    status, health = fetch(ruas.metrics, "/health")
    assert status == 200
    assert json.loads(health) == {"v": 1, "healthy": True, "roles": {"ruas": {"healthy": True}}}
    assert fetch(ruas.metrics, "/what")[0] == 404


def test_refusals_are_stored_while_more_come(ruas):
    def stored():
        page = fetch(ruas.metrics, "/metrics")[1]
        return float(re.search(r"^ivip_ruas_store_writes_total (\S+)$", page, re.MULTILINE)[1])

    before = stored()
    end = time.monotonic() + LIMIT_SECONDS
    while stored() == before:
        assert time.monotonic() < end, "the trail waits for a pause"
        assert ruas.user("map", "20.1.0.99", "224.0.0.1").status == 1


def test_doctor(ruas):
    result = ruas.operator("doctor")
    assert (result.status, result.err) == (0, "")
    assert result.out.endswith("Nothing is wrong here.\n")
    found = ivip("doctor", "--json", ruas.directory / "ruas.yaml").json
    assert found["good"] is True and len(found["findings"]) == 4


# --- the process ---------------------------------------------------------------------------------


def write_node(directory, **changes):
    key = directory / "key"
    if not key.exists():
        make_key(key)
    values = {"rest": free_port(), "public": free_port(), "mabs": "[20.0.0.0/14]", "refuse": "[]",
              "name": "n", "log": "info", **changes}
    file = directory / "node.yaml"
    file.write_text(f"""\
name: {values['name']}
key: {key}
state: {directory}/state
control: {directory}/control
metrics: none
log: {values['log']}
ruas: {{listen: "127.0.0.1:{values['rest']}", public: "127.0.0.1:{values['public']}",
       mabs: {values['mabs']}, refuse: {values['refuse']}}}
""")
    return file, values


def test_second_process_is_refused(ruas):
    result = ivip("run", ruas.directory / "ruas.yaml")
    assert result.status == 1
    assert "another node runs with" in result.err
    assert ruas.operator("status").status == 0


def test_reloads_that_change_nothing_cost_nothing(start, tmp_path):
    refuse = ", ".join(f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}/32" for n in range(30_000))
    config, _ = write_node(tmp_path, refuse=f"[{refuse}]")
    # Under AddressSanitizer: nor does what it keeps of freed memory count.
    node = start(config, env={"ASAN_OPTIONS": "quarantine_size_mb=1"}).wait_for("ready")

    def resident():
        status = Path(f"/proc/{node.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1])

    def reload(times):
        for _ in range(times):
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(LIMIT_SECONDS)
                control.connect(str(tmp_path / "control"))
                control.sendall(b'{"command":"reload"}\n')
                assert json.loads(control.makefile().readline()) == {"v": 1}

    reload(3)  # what the allocator keeps
    before = resident()
    reload(20)  # kept configs would take 11 MB
    assert resident() - before < 5 * 1024
    assert node.stop() == 0


def test_reload(start, tmp_path):
    config, values = write_node(tmp_path)
    node = start(config).wait_for("ready")
    write_node(tmp_path, **{**values, "refuse": "[198.51.100.0/24]", "log": "debug"})
    node.signal(signal.SIGHUP)
    node.wait_for("config reloaded")
    write_node(tmp_path, **{**values, "name": "m"})
    node.signal(signal.SIGHUP)
    node.wait_for("the config stays as it was: name changed, which a reload cannot do")
    config.write_text("nonsense: 1\n")
    node.signal(signal.SIGHUP)
    node.wait_for('node.yaml:1:1: "nonsense" is no key here')
    assert ivip("status", "--control", tmp_path / "control").status == 0
    assert node.stop() == 0
    assert "stopping" in node.log
    assert not (tmp_path / "control").exists()


def test_service_manager_is_told(start, tmp_path):
    config, _ = write_node(tmp_path, log="error")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_SECONDS)
        node = start(config, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(256).startswith(b"READY=1\n")
        node.wait_for("^info node: ready: n,")
        node.signal(signal.SIGHUP)
        assert manager.recv(256).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(256).startswith(b"READY=1\n")
        node.signal(signal.SIGINT)
        assert manager.recv(256).startswith(b"STOPPING=1\n")
        assert node.stop() == 0


def test_killed_node_comes_back(start, tmp_path):
    config, _ = write_node(tmp_path)
    node = start(config).wait_for("ready")
    node.signal(signal.SIGKILL)
    node.process.wait()
    assert (tmp_path / "control").exists()
    start(config).wait_for("ready")


def test_open_key_file(tmp_path):
    config, _ = write_node(tmp_path)
    (tmp_path / "key").chmod(0o644)
    result = ivip("run", config)
    assert result.status == 1
    assert "may be used by others than its owner" in result.err


def test_as_many_files_as_connections_may_want(start, tmp_path):
    """At the limit a server could not even refuse connections, and was called for them for ever."""
    config, _ = write_node(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        node = start(config).wait_for("ready")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    limits = Path(f"/proc/{node.process.pid}/limits").read_text()
    assert re.search(rf"^Max open files +{min(4096, before[1])} ", limits, re.MULTILINE)
    assert node.stop() == 0


@pytest.fixture
def open_folder():
    """One that every account may walk through. Pytest's are closed to others, and each pytest that
    starts closes the folder that they all share once more."""
    made = Path(tempfile.mkdtemp(prefix="ivip-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_privileges(open_folder, start):
    config, _ = write_node(open_folder)
    nobody = pwd.getpwnam("nobody")
    text = config.read_text().replace(f"{open_folder}/control", f"{open_folder}/run/control")
    config.write_text(text + "user: nobody\n")
    node = start(config).wait_for("ready")
    status = dict(line.split(":", 1)
                  for line in Path(f"/proc/{node.process.pid}/status").read_text().splitlines())
    assert set(status["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(status["Gid"].split()) == {str(nobody.pw_gid)}
    assert status["Groups"].split() in ([], [str(nobody.pw_gid)])
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    for made in ("state", "run", "run/control"):
        assert (open_folder / made).stat().st_uid == nobody.pw_uid
    assert ivip("user", "add", "anna", "--control", open_folder / "run/control",
                stdin="correct horse\n").status == 0
    assert node.stop() == 0
    # A state directory of another account's is said so, not stumbled over.
    os.chown(open_folder / "state", 0, 0)
    refused = ivip("run", config)
    assert refused.status == 1
    assert f"{open_folder}/state does not belong to the account" in refused.err
    config.write_text(config.read_text().replace("user: nobody", "user: no-such-account"))
    refused = ivip("run", config)
    assert 'there is no account "no-such-account"' in refused.err
