"""The command `ivip lab`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys

from .lab import open_lab
from .plan import make_plan
from .problem import Problem
from .record import labs
from .show import describe, show_text
from .topology_file import find_topology, load_topology, topology_names
from .up_down import down, up

DESCRIPTION = "An Internet in miniature, in network namespaces of this machine."
EXAMPLES = f"""\
examples:
  sudo ivip lab up fig3
  sudo ivip lab exec H1 -- ping -c 3 IH9
  sudo ivip lab exec H1 -- traceroute IH9
  sudo ivip lab show fig3 --json
  sudo ivip lab down

topologies that come with Ivip: {", ".join(topology_names())}; docs/lab.md describes the format.
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ivip lab", description=DESCRIPTION, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("up", help="bring a topology up")
    command.add_argument("topology", help="a name, or the path of a YAML file")
    command.add_argument("--name", help="name of the lab (the topology's)")
    command.add_argument("--plain", action="store_true", help="routing alone, without Ivip")
    command.add_argument("--keep", action="store_true",
                         help="when it fails, leave what is there, to look at")
    command.add_argument("--quiet", action="store_true", help="say nothing unless it fails")
    command.set_defaults(run=run_up)

    command = commands.add_parser("down", help="remove a lab, whatever state it is in")
    command.add_argument("lab", nargs="?", help="name of the lab, where there are several")
    command.add_argument("--all", action="store_true", help="remove every lab")
    command.set_defaults(run=run_down)

    command = commands.add_parser("exec", help="run a command on a node")
    command.add_argument("--lab", help="name of the lab, where there are several")
    command.add_argument("node")
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND...",
                         help="the command; nodes can be called by name")
    command.set_defaults(run=run_exec)

    command = commands.add_parser("show", help="every node's role, addresses, neighbours")
    command.add_argument("lab", nargs="?", help="name of the lab, where there are several")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run_show)

    command = commands.add_parser("list", help="labs that are up, topologies there are")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run_list)

    command = commands.add_parser("check", help="check a topology file")
    command.add_argument("topology", help="a name, or the path of a YAML file")
    command.set_defaults(run=run_check)
    return parser


def run_up(arguments: argparse.Namespace) -> int:
    def say(text: str) -> None:
        if not arguments.quiet:
            print(text, flush=True)

    lab = up(find_topology(arguments.topology), arguments.name, say, arguments.plain,
             arguments.keep)
    say(f"lab {lab.name} is up; ivip lab show {lab.name} tells what is where")
    return 0


def run_down(arguments: argparse.Namespace) -> int:
    if arguments.all:
        names = labs()
    elif arguments.lab:
        names = [arguments.lab]
    else:
        names = labs()
        if len(names) != 1:
            raise Problem("no lab is up" if not names else
                          f"several labs are up; name one or say --all: {', '.join(names)}")
    for name in names:
        down(name)
    return 0


def run_exec(arguments: argparse.Namespace) -> int:
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise Problem("say what to run: ivip lab exec NODE -- COMMAND...")
    lab = open_lab(arguments.lab)
    if arguments.node not in lab.topology.nodes:
        raise Problem(f'lab {lab.name} has no node "{arguments.node}"; '
                      f"nodes: {' '.join(lab.topology.nodes)}")
    if os.geteuid() != 0:
        raise Problem("namespaces need root: run it with sudo")
    command = lab.command_in(arguments.node, words)
    os.execvp(command[0], command)


def run_show(arguments: argparse.Namespace) -> int:
    lab = open_lab(arguments.lab)
    print(json.dumps(describe(lab), indent=2) if arguments.json else show_text(lab))
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps({"v": 1, "up": labs(), "topologies": topology_names()}))
    else:
        print(f"up: {', '.join(labs()) or 'none'}")
        print(f"topologies: {', '.join(topology_names())}")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    file = find_topology(arguments.topology)
    topology = load_topology(file)
    make_plan(topology)
    print(f"{file}: {len(topology.networks)} networks, {len(topology.nodes)} nodes, "
          f"{len(topology.links)} links")
    return 0


def main(words: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 wrong usage."""
    # Being told to end means: clean up first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parser = make_parser()
    if not (sys.argv[1:] if words is None else words):
        parser.print_help()
        return 2
    arguments = parser.parse_args(words)
    try:
        return arguments.run(arguments)
    except Problem as problem:
        print(f"ivip lab: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
