"""The Ivip side of a lab: each node's config and key, and what the RUAS's operator makes at start.

Who asks whom follows from the topology: payloads go from every RUAS to every QSA; a QSR asks all
QSAs; an ITR asks the QSRs of its network, else the QSAs, and nobody where a QSA runs in its own
node. An ETR serves the SPI space that names it.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from . import control
from .namespace import enter
from .plan import FAMILIES
from .problem import Problem
from .programs import ivip_program
from .topology import Node, Prefix, Spi, Topology

if TYPE_CHECKING:
    from .lab import Lab

PORT_QUERY = 4746
PORT_PUBLIC = 4747
PORT_REST = 4748
PORT_FEED = 4749
PORT_METRICS = 9746
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


def endpoint(lab: Lab, node: str, port: int, family: int = 4) -> str:
    address = lab.plan.address(node, family)
    return f"[{address}]:{port}" if family == 6 else f"{address}:{port}"


def endpoints(lab: Lab, nodes: list[Node], port: int) -> list[str]:
    """Of several servers, the first over IPv4, the second over IPv6, and so on: both families carry
    the control plane."""
    return [endpoint(lab, node.name, port, FAMILIES[number % len(FAMILIES)])
            for number, node in enumerate(nodes)]


def query_servers(topology: Topology, node: Node) -> list[Node]:
    """Whom an ITR asks."""
    near = [other for other in topology.with_role("qsr") if other.network == node.network]
    return near or topology.with_role("qsa")


def serves(topology: Topology, etr: str) -> list[Prefix]:
    return [prefix for _user, spi in topology.spi_uses() if etr in spi.etrs
            for prefix in spi.prefixes]


def node_config(lab: Lab, node: Node, public_keys: dict[str, str]) -> dict:
    topology = lab.topology
    folder = lab.record.node_folder(node.name)
    config: dict = {
        "name": node.name,
        "key": str(folder / "node.key"),
        "state": str(folder / "state"),
        "control": str(control_socket(lab, node.name)),
        "metrics": f"127.0.0.1:{PORT_METRICS}",
        "log": "info",
    }
    mabs = [str(mab) for mab in topology.mabs]
    qsas = topology.with_role("qsa")
    if "ruas" in node.roles:
        config["ruas"] = {
            "listen": endpoint(lab, node.name, PORT_REST),
            "public": endpoint(lab, node.name, PORT_PUBLIC),
            "mabs": mabs,
            "feeds": endpoints(lab, qsas, PORT_FEED),
        }
    if "qsa" in node.roles:
        config["qsa"] = {
            "listen": f"[::]:{PORT_QUERY}",
            "feed": f"[::]:{PORT_FEED}",
            "ruas": [{"key": public_keys[ruas.name],
                      "url": f"http://{endpoint(lab, ruas.name, PORT_PUBLIC)}"}
                     for ruas in topology.with_role("ruas")],
        }
    if "qsr" in node.roles:
        config["qsr"] = {"listen": f"[::]:{PORT_QUERY}",
                         "upstreams": endpoints(lab, qsas, PORT_QUERY)}
    if "itr" in node.roles:
        config["itr"] = {"announce": True}
        if "qsa" not in node.roles:
            config["itr"] |= {
                "upstreams": endpoints(lab, query_servers(topology, node), PORT_QUERY),
                "mabs": mabs,
            }
    if "etr" in node.roles:
        config["etr"] = {"serves": [str(prefix) for prefix in serves(topology, node.name)]}
    return config


def start_nodes(lab: Lab, each: Callable) -> None:
    """Writes keys and configs of all nodes with roles, then starts them."""
    nodes = [node for node in lab.topology.nodes.values() if node.roles]
    public_keys: dict[str, str] = {}

    def prepare(node: Node) -> None:
        folder = lab.record.node_folder(node.name)
        (folder / "state").mkdir(parents=True, exist_ok=True)
        public_keys[node.name] = make_key(lab, node.name)

    each(prepare, nodes)
    if nodes:
        lab.record.write_json("public_keys.json", public_keys)

    def begin(node: Node) -> None:
        config = node_config(lab, node, public_keys)
        config_file(lab, node.name).write_text(
            yaml.safe_dump(config, sort_keys=False, default_flow_style=None), encoding="utf-8")
        start_node(lab, node.name)

    each(begin, nodes)


def start_node(lab: Lab, node: str) -> None:
    """Starts (or starts again) the Ivip daemon of a node."""
    lab.start(node, "ivip", [str(ivip_program()), "run", str(config_file(lab, node))])


def kill_node(lab: Lab, node: str) -> None:
    """SIGKILL to the Ivip daemon of a node; returns when it is gone."""
    for process in lab.processes(node):
        if process.program == "ivip":
            process.send(signal.SIGKILL)
            while process.alive():
                time.sleep(0.005)


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
    """As the operator of the RUAS: users, their UABs, a token each; then, as each user, the
    micronets of their SPI space, mapped to the first ETR named."""
    ruas = lab.topology.with_role("ruas")[0].name
    (lab.record.folder / "users").mkdir(mode=0o700)
    for user, uabs in lab.topology.users.items():
        make_user(lab, ruas, user, uabs)
    write_client(lab, ruas, STRANGER, secrets.token_urlsafe(32))
    for _name, spi in lab.topology.spi_uses():
        define_micronets(lab, ruas, spi)


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
