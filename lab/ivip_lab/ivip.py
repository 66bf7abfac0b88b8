"""The Ivip daemons of a lab: starting, ending, health; and what the operators of the RUASes make at
start."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from . import control
from .ivip_config import endpoint, node_config
from .lab import Lab
from .namespace import enter
from .ports import PORT_REST
from .problem import Problem
from .programs import ivip_program
from .topology import Node, Prefix, Spi, inside

COMMAND_SECONDS = 30
STRANGER = "stranger"  # has a client config, but a token that no RUAS gave


def run_ivip(arguments: list[str], text: str | None = None, inside: list[str] | None = None) -> str:
    """Runs the ivip program, in a namespace if `inside` begins the command line."""
    command = [*(inside or []), str(ivip_program()), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False,
                          timeout=COMMAND_SECONDS)
    if done.returncode != 0:
        raise Problem(f"ivip {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


# ---- configs


def config_file(lab: Lab, node: str) -> Path:
    return lab.record.node_folder(node) / "node.yaml"


def control_socket(lab: Lab, node: str) -> Path:
    return lab.record.node_folder(node) / "control.sock"


def make_key(lab: Lab, node: str) -> str:
    """Makes the node's key; returns the public key."""
    key = run_ivip(["key"])
    file = lab.record.node_folder(node) / "node.key"
    file.touch(mode=0o600)
    file.write_text(key + "\n", encoding="ascii")
    return run_ivip(["key", "--public"], text=key + "\n")


def ivip_nodes(lab: Lab) -> list[Node]:
    return [node for node in lab.topology.nodes.values() if node.ivip_roles]


def start_nodes(lab: Lab, each: Callable) -> None:
    """Writes keys and configs of all nodes with roles, then starts them."""
    nodes = ivip_nodes(lab)
    public_keys: dict[str, str] = {}

    def prepare(node: Node) -> None:
        folder = lab.record.node_folder(node.name)
        (folder / "state").mkdir(parents=True, exist_ok=True)
        public_keys[node.name] = make_key(lab, node.name)

    each(prepare, nodes)
    if nodes:
        lab.record.write_json("public_keys.json", public_keys)

    def begin(node: Node) -> None:
        write_config(lab, node.name, node_config(lab, node, public_keys))
        start_node(lab, node.name)

    each(begin, nodes)


def write_config(lab: Lab, node: str, config: dict) -> None:
    config_file(lab, node).write_text(
        yaml.safe_dump(config, sort_keys=False, default_flow_style=None), encoding="utf-8")


def start_node(lab: Lab, node: str) -> None:
    """Starts (or starts again) the Ivip daemon of a node."""
    lab.start(node, "ivip", [str(ivip_program()), "run", str(config_file(lab, node))])


def kill_node(lab: Lab, node: str) -> None:
    """SIGKILL to the Ivip daemon of a node; returns when it is gone."""
    lab.end(node, "ivip", signal.SIGKILL)


# ---- health


def status(lab: Lab, node: str) -> dict:
    """What `ivip status` of that node says; {} while it does not answer."""
    try:
        return control.ask_ivip(control_socket(lab, node), {"command": "status"})
    except (OSError, ValueError):
        return {}


def healthy(lab: Lab, node: str) -> bool:
    return bool(status(lab, node).get("healthy"))


def await_nodes(lab: Lab, nodes: list[str]) -> None:
    for node in nodes:
        lab.await_that(node, "ivip", partial(healthy, lab, node))


# ---- users and micronets


def client_file(lab: Lab, user: str) -> Path:
    """The client config of a user: for `ivip --client FILE map ...`, from any node of the lab."""
    return lab.record.folder / "users" / f"{user}.yaml"


def make_users(lab: Lab) -> None:
    """As the operator of each RUAS: users, their UABs, a token each; then, as each user, the
    micronets of their SPI space, mapped to the first ETR named."""
    (lab.record.folder / "users").mkdir(mode=0o700)
    for user, uabs in lab.topology.users.items():
        make_user(lab, ruas_of(lab, user), user, uabs)
    write_client(lab, lab.topology.with_role("ruas")[0].name, STRANGER, secrets.token_urlsafe(32))
    for _name, spi in lab.topology.spi_uses():
        define_micronets(lab, ruas_of(lab, spi.owner), spi)


def ruas_of(lab: Lab, user: str) -> str:
    """The RUAS that owns the user's blocks; the first one for a user who has none."""
    uabs = lab.topology.users[user]
    owners = [dsoc.ruas for dsoc in lab.topology.dsocs.values()
              if any(inside(uab, dsoc.mabs) for uab in uabs)]
    return (owners or [lab.topology.with_role("ruas")[0].name])[0]


def operator(lab: Lab, ruas: str, words: list[str], text: str | None = None) -> dict:
    """Runs `ivip WORDS` as the operator of the RUAS, on its control socket."""
    output = run_ivip([*words, "--control", str(control_socket(lab, ruas)), "--json"], text)
    return json.loads(output)


def make_user(lab: Lab, ruas: str, user: str, uabs: tuple[Prefix, ...]) -> None:
    operator(lab, ruas, ["user", "add", user], text=secrets.token_urlsafe(18) + "\n")
    for uab in uabs:
        operator(lab, ruas, ["uab", "add", str(uab), user])
    write_client(lab, ruas, user, operator(lab, ruas, ["token", "add", user])["token"])


def write_client(lab: Lab, ruas: str, user: str, token: str) -> None:
    token_file = client_file(lab, user).with_suffix(".token")
    token_file.touch(mode=0o600)
    token_file.write_text(token + "\n", encoding="ascii")
    key = lab.record.read_json("public_keys.json")[ruas]
    client_file(lab, user).write_text(yaml.safe_dump({
        "uas": f"https://{endpoint(lab, ruas, PORT_REST)}", "key": key,
        "token_file": str(token_file)}, sort_keys=False), encoding="utf-8")


def define_micronets(lab: Lab, ruas: str, spi: Spi) -> None:
    for prefix in spi.prefixes:
        etr = lab.plan.address(spi.etrs[0], prefix.version)
        command = user_words(lab, spi.owner, ["define", str(prefix), str(etr)])
        run_ivip(command[1:], inside=enter(lab.namespace(ruas)))


def user_words(lab: Lab, user: str, words: list[str]) -> list[str]:
    """The command line of `ivip WORDS` as a user: the same on every node of the lab."""
    return [str(ivip_program()), words[0], "--client", str(client_file(lab, user)), *words[1:]]
