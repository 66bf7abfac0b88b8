"""Command lines and what they say: no node is needed for these."""

import os
import pty
import re
import stat
import subprocess

import pytest

from command import IVIP, ROOT, ivip

USAGE_MAP = ("Usage: ivip map [--dry-run] [--at TIME] MICRONET ETR|zero\n"
             "More: ivip map --help\n")
QUERY_USAGE = "Usage: ivip query [--watch] ADDRESS | --mabs [@SERVER[:PORT]]\nMore: ivip query --help\n"
NO_SERVER = ('is no server; write @ADDRESS, @ADDRESS:PORT, @[IPV6-ADDRESS]:PORT or @NAME, ports from '
             '1 to 65535\n' + QUERY_USAGE)

# words, status, standard error
MISTAKES = [
    (["what"], 2, 'ivip: there is no command "what"; `ivip help` lists them\n'),
    (["help", "what"], 2, 'ivip: there is no command "what"; `ivip help` lists them\n'),
    (["map"], 2, 'ivip: something is missing behind "ivip map"\n' + USAGE_MAP),
    (["map", "20.1.0.1", "zero", "x"], 2, 'ivip: "x" is one word too many\n' + USAGE_MAP),
    (["map", "--color", "20.1.0.1", "zero"], 2, 'ivip: there is no option "--color"\n' + USAGE_MAP),
    (["map", "--at"], 2, "ivip: --at needs TIME behind it\n" + USAGE_MAP),
    (["map", "--dry-run=yes", "20.1.0.1", "zero"], 2, "ivip: --dry-run takes no value\n" + USAGE_MAP),
    (["map", "20.1.0.17/28", "zero"], 2,
     'ivip: "20.1.0.17/28" has address bits set below /28; did you mean 20.1.0.16/28?\n' + USAGE_MAP),
    (["map", "20.1.0.16/28", "nobody"], 2,
     'ivip: "nobody" is not an IP address (like 192.0.2.1 or 2001:db8::1); an ETR\'s address or '
     '"zero" was expected\n' + USAGE_MAP),
    (["map", "--at", "tomorrow", "--client", "/nonexistent", "20.1.0.1", "zero"], 1,
     "ivip: /nonexistent does not exist; write into it uas (https://ADDRESS:4748), key (the public "
     "key of the RUAS) and token_file, or name another file with --client\n"),
    (["map", "--at", "+5", "20.1.0.1", "zero"], 2,
     'ivip: --at takes a time such as 2030-01-31T22:00:00Z, +90s, +15m or +2h, not "+5"\n'
     + USAGE_MAP),
    (["run", "/nonexistent"], 1,
     "ivip: /nonexistent cannot be read: No such file or directory\n"),
    (["check", "/nonexistent"], 1,
     "ivip: /nonexistent cannot be read: No such file or directory\n"),
    (["status", "--control", "/nonexistent"], 3,
     "ivip: the node at /nonexistent does not answer: No such file or directory; is the node "
     "running?\n"),
    (["query", "--changes", "2", "20.1.0.1", "@127.0.0.1"], 2,
     "ivip: --changes goes with --watch\n" + QUERY_USAGE),
    (["query", "--watch", "--mabs", "@127.0.0.1"], 2,
     "ivip: --watch follows one ADDRESS, not --mabs\n" + QUERY_USAGE),
    (["query", "@127.0.0.1"], 2,
     "ivip: an ADDRESS to ask about was expected\n" + QUERY_USAGE),
    *((["query", "20.1.0.1", server], 2, f'ivip: "{server}" {NO_SERVER}') for server in
      ("@", "@[::1", "@192.0.2.1:0", "@192.0.2.1:99999", "@[2001:db8::1]:x", "@-", "@ns.example:",
       "@ns.example:65536", "@300.1.1.1")),
    (["snapshot", "/dev/null"], 1, "ivip: /dev/null is empty, or no file\n"),
    (["snapshot", "/etc/passwd"], 1, "ivip: /etc/passwd: this is not an Ivip snapshot\n"),
    (["user", "add"], 2,
     "ivip: `ivip user add` needs the NAME of one user\n"
     "Usage: ivip user add NAME | password NAME | list | remove NAME\nMore: ivip user --help\n"),
    (["token", "grow"], 2,
     "ivip: add USER, list [USER] or revoke ID was expected\n"
     "Usage: ivip token add USER [OPTIONS] | list [USER] | revoke ID\n"
     "More: ivip token --help\n"),
    (["mtu", "x"], 2, 'ivip: "x" is not an IP address (like 192.0.2.1 or 2001:db8::1)\n'
     "Usage: ivip mtu [ETR... | --control SOCKET]\nMore: ivip mtu --help\n"),
    (["schedule", "cancel", "x"], 2,
     "ivip: list, cancel NUMBER or all [USER] was expected\n"
     "Usage: ivip schedule list | cancel NUMBER | all [USER]\nMore: ivip schedule --help\n"),
]


@pytest.mark.parametrize("words,status,err", MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes(words, status, err):
    result = ivip(*words)
    assert (result.status, result.err, result.out) == (status, err, "")


def test_mistakes_as_json():
    result = ivip("check", "--json", "/nonexistent")
    assert result.status == 1
    assert result.json["error"]["reason"] == "no-config"
    assert result.err == ""


@pytest.mark.parametrize("words", [
    ["what", "--json"], ["map", "--json"], ["map", "--color", "20.1.0.1", "zero", "--json"],
    ["map", "20.1.0.1", "nobody", "--json"], ["map", "--at", "+5", "20.1.0.1", "zero", "--json"],
    ["uab", "add", "20.1.0.0/33", "anna", "--json"], ["query", "--json"],
    ["sim", "--json", "--runs", "0"],
], ids=" ".join)
def test_wrong_command_lines_as_json(words):
    result = ivip(*words)
    assert (result.status, result.err) == (2, "")
    assert result.json["error"]["reason"] == "usage" and result.json["error"]["text"]


def test_json_of_another_program_is_its_own():
    assert "--json" not in ivip("lab", "--json").out


def commands():
    return re.findall(r"^  (\w+) +\S", ivip("help").out, re.MULTILINE)


def options_of(command):
    help_text = ivip(command, "--help").out
    listed = help_text.partition("\nOptions:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  --([a-z-]+)", listed, re.MULTILINE)


def test_all_commands_are_there():
    wanted = "run check key status doctor show map define split join drop apply schedule query " \
             "mtu cache usage snapshot zone user uab token audit lab sim version"
    assert set(wanted.split()) <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_help_teaches(command):
    result = ivip(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert ivip("help", command).out == result.out
    assert result.out.startswith(f"ivip {command} - ")
    assert f"\nUsage: ivip {command}" in result.out
    assert result.out.splitlines()[-1].startswith("Read on: ")
    assert command == "version" or "\nExamples:\n" in result.out
    assert max(map(len, result.out.splitlines())) <= 100
    # The examples use the command that they explain, and options that exist.
    examples = result.out.partition("\nExamples:\n")[2].partition("\nOptions:")[0]
    assert command == "version" or f"ivip {command}" in examples or "ivip@" in examples
    for option in re.findall(rf"ivip {command}\b[^|&\n]*?--([a-z-]+)", examples):
        assert command == "lab" or option in options_of(command)


def test_nothing_at_all():
    result = ivip()
    assert (result.status, result.out) == (2, "")
    assert result.err == ivip("help").out


def test_what_help_points_to_exists():
    texts = [ivip(command, "--help").out for command in commands()]
    texts.append((ROOT / "docs/configuration.md").read_text())
    for page in set(re.findall(r"\bdocs/[a-z]+\.md", "".join(texts))):
        assert (ROOT / page).exists(), page


def test_reasons_of_refusals_are_documented():
    """What programs of end users tell apart: each word that the REST interface can answer with."""
    page = (ROOT / "docs/authority.md").read_text()
    sources = [*(ROOT / "src/authority").glob("*.c"), *(ROOT / "src/node/authority").glob("rest*.c"),
               ROOT / "src/node/authority/command_json.c", ROOT / "src/node/authority/role_ruas.c"]
    operators = {"bad-password", "bad-user-name", "bad-store", "cuts-micronet", "needs-restart",
                 "no-such-uab", "no-such-user", "not-in-a-mab", "uab-in-use", "uab-overlaps",
                 "unknown-itr", "user-exists", "user-has-uabs"}
    text = " ".join(path.read_text() for path in sources)
    words = re.findall(r"error_set\(\s*[&\w>-]+,\s*ERROR_[A-Z_]+,([^,]+),", text)
    reasons = set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)*)"', " ".join(words)))
    assert {"scope", "not-your-uab", "missing-member", "bad-method"} <= reasons
    assert sorted(reason for reason in reasons - operators if f"`{reason}`" not in page) == []


def man(page):
    shown = subprocess.run(["mandoc", "-T", "ascii", str(ROOT / "docs/man" / page)],
                           capture_output=True, text=True, check=True).stdout
    return re.sub(".\x08", "", shown)  # overstruck letters


def test_man_page_is_complete():
    page = man("ivip.1")
    for command in commands():
        assert re.search(rf"^     {command}\b", page, re.MULTILINE), command
        for option in options_of(command):
            assert f"--{option}" in page, (command, option)


@pytest.mark.parametrize("page", ["ivip.1", "ivip.yaml.5"])
def test_man_pages_are_clean(page):
    lint = subprocess.run(["mandoc", "-T", "lint", str(ROOT / "docs/man" / page)],
                          capture_output=True, text=True, check=False).stdout
    complaints = [line for line in lint.splitlines()
                  if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
    assert complaints == []


def config_keys(section, directory):
    """The keys of a section: what `ivip check` expects there."""
    file = directory / "x.yaml"
    file.write_text("zzz: 1\n" if section == "" else f"{section}: {{zzz: 1}}\n")
    expected = ivip("check", file).err.rpartition("expected ")[2]
    return re.findall(r"[a-z_]+", expected.replace(" or ", ", "))


def test_config_is_documented(tmp_path):
    page = (ROOT / "docs/configuration.md").read_text()
    top = config_keys("", tmp_path)
    assert {"name", "ruas", "etr"} <= set(top)
    roles = ["ruas", "qsa", "qsr", "itr", "etr"]
    for section in ["", *roles]:
        part = page if section == "" else page.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        for key in config_keys(section, tmp_path):
            if key not in roles or section != "":
                assert f"| `{key}` |" in part, (section, key)
    manual = man("ivip.yaml.5")
    for section in ["", *roles]:
        for key in config_keys(section, tmp_path):
            assert re.search(rf"\b{key}\b", manual), (section, key)


@pytest.mark.parametrize("example", sorted((ROOT / "contrib/examples").glob("*.yaml")),
                         ids=lambda path: path.name)
def test_examples_are_good(example):
    result = ivip("check", example)
    assert (result.status, result.err) == (0, "")
    assert f"name: {example.stem}\n" in result.out
    assert ivip("check", "--json", example).json["name"] == example.stem


def test_check_prints_what_it_reads(tmp_path):
    """The output is a config itself, with the same meaning and nothing left to defaults."""
    examples = sorted((ROOT / "contrib/examples").glob("*.yaml"))
    odd = tmp_path / "odd.yaml"
    odd.write_text('metrics: none\nstate: "/tmp/a b: c\\"d"\nuser: nobody\n'
                   'etr: {serves: ["2001:db8::/64+3", 20.1.0.5]}\n')
    for config in [*examples, odd]:
        first = ivip("check", config)
        assert (first.status, first.err) == (0, "")
        again = tmp_path / "again.yaml"
        again.write_text(first.out)
        assert ivip("check", again).out == first.out
        assert ivip("check", "--json", again).json == ivip("check", "--json", config).json


def test_an_example_for_each_role():
    text = "".join(path.read_text() for path in (ROOT / "contrib/examples").glob("*.yaml"))
    for role in ["ruas", "qsa", "qsr", "itr", "etr"]:
        assert re.search(rf"^{role}:", text, re.MULTILINE)


def test_key(tmp_path):
    file = tmp_path / "key"
    with open(file, "w", encoding="ascii") as out:
        os.fchmod(out.fileno(), 0o644)
        subprocess.run([IVIP, "key"], stdout=out, check=True)
    # The redirection let others read; the program closed that before the secret was in it.
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = file.read_text()
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", secret)
    public = ivip("key", "--public", stdin=secret)
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", public.out)
    assert ivip("key", "--public", "--json", stdin=secret).json["public"] == public.out.strip()
    assert ivip("key").out != secret
    refused = ivip("key", "--public", stdin="AAAA\n")
    assert (refused.status, refused.out) == (1, "")


def test_version():
    version = ivip("version").out
    assert re.fullmatch(r"ivip \d+\.\d+\.\d+ \(protocol 1\)\n", version)
    assert ivip("--version").out == version
    assert ivip("version", "--json").json["protocol"] == 1


def on_terminal(*words, env=None):
    """Runs the program on a terminal and returns what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([IVIP, *words], stdout=theirs, stderr=theirs, stdin=theirs,
                               env={"PATH": os.environ["PATH"], **(env or {})})
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 4096):
            shown += more
    except OSError:  # the terminal's other end is closed
        pass
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    return shown.decode()


def test_colours_only_on_a_terminal(tmp_path):
    config = tmp_path / "etr.yaml"
    config.write_text(f"control: {tmp_path}/none\netr: {{serves: [20.1.0.0/28]}}\n")
    assert "\033[" in on_terminal("doctor", str(config))
    assert "\033[" not in on_terminal("doctor", str(config), env={"NO_COLOR": "1"})
    assert "\033[" not in ivip("doctor", config).out


@pytest.mark.parametrize("words,expected", [
    ([""], set(commands()) | {"help"}),
    (["sh"], {"show"}),
    (["help", "sp"], {"split"}),
    (["map", "--"], {"--dry-run", "--at", "--client", "--json", "--help"}),
    (["token", "re"], {"revoke"}),
])
def test_completion(words, expected):
    script = (f'source "{ROOT}/contrib/completion/ivip.bash"; COMP_WORDS=("$@"); '
              'COMP_CWORD=$(($# - 1)); _ivip; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", IVIP, *words], capture_output=True,
                          text=True, check=True)
    assert set(done.stdout.split()) == expected


def test_simulation_replays():
    def runs(*words):
        document = ivip("sim", "--json", *words).json
        assert document["held"] is True
        return [{key: value for key, value in run.items() if key != "took_s"}
                for run in document["runs"]]

    both = runs("--seed", "3", "--runs", "2")
    assert [run["seed"] for run in both] == [3, 4]
    assert both[0]["datagrams"] > 1000
    assert runs("--seed", "4", "--runs", "1") == both[1:]
    assert ivip("sim", "--seed", "4", "--runs", "1").out.startswith("held  seed 4: ")
    for none in ("many", "0", "-1", "1000001"):
        assert ivip("sim", "--runs", none).status == 2


def test_simulation_of_a_file(tmp_path):
    scenario = tmp_path / "s.yaml"
    scenario.write_text("seed: 5\nlength: 20s\nnodes:\n  - { name: A, role: qsa }\n"
                        "  - { name: I, role: itr, upstreams: [A] }\n"
                        "paths: { delay: 5ms }\nrandom: { changes: 200ms }\n")
    run = ivip("sim", "--json", str(scenario)).json["runs"]
    assert len(run) == 1 and run[0]["seed"] == 5 and run[0]["held"]
    assert run[0]["tunnelled"] > 0 and run[0]["payloads"] > 0
    seeds = [run["seed"] for run in
             ivip("sim", "--json", "--seed", "8", "--runs", "2", str(scenario)).json["runs"]]
    assert seeds == [8, 9]
    assert "Map Request" in ivip("sim", "--trace", str(scenario)).err
    assert ivip("sim", "--runs", "2", str(scenario)).status == 2
    scenario.write_text("length: 20s\nnodes: []\nlinks: 3\n")
    wrong = ivip("sim", str(scenario))
    assert wrong.status == 1 and f"{scenario}:3:8: links: a list was expected" in wrong.err
