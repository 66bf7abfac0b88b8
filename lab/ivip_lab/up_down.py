"""Up and down.

Up goes in stages, each done for all nodes side by side: namespaces, links, addresses and routes,
daemons; then it waits until BGP has converged and the Ivip roles are healthy, and has the operator
of the RUAS make the users and the first micronets. When a stage fails, everything is taken down.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from . import bird, control, dns, ivip, namespace
from .lab import Lab
from .plan import Interface, NodePlan, make_plan
from .problem import Problem
from .process import Process, stop_all
from .programs import system_program, wire_program
from .record import NOT_A_NODE, Record, labs, locked
from .topology_file import load_topology

WORKERS = 8            # commands run side by side; each mostly waits for the kernel
WIRE_NODE = f"{NOT_A_NODE}wire"
SETTLE_SECONDS = 0.15  # without news from any BGP neighbour: longer than the slowest link

Say = Callable[[str], None]


def each(work: Callable, items: Iterable) -> None:
    """Does the work for all items, several at a time; the first problem is raised at the end."""
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(work, item) for item in items]:
            future.result()


# ---- up


def up(file: Path, name: str | None, say: Say, plain: bool = False,
       keep: bool = False) -> Lab:
    """Brings a lab up and returns it. `plain` leaves out all of Ivip: routing alone. `keep` leaves
    what is there when something fails, to look at."""
    if os.geteuid() != 0:
        raise Problem("namespaces need root: run it with sudo")
    topology = load_topology(file, name)
    if plain:
        topology = topology.without_ivip()
    plan = make_plan(topology)
    record = Record(topology.name)
    lab = Lab(record, topology, plan)
    with locked():
        if record.exists():
            raise Problem(f"lab {lab.name} is there already; ivip lab down {lab.name} removes it")
        try:
            record.create(file, plain)
            build(lab, say)
        except BaseException:
            if not keep:
                take_down(record)
            raise
    return lab


@contextlib.contextmanager
def stage(say: Say, title: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    say(f"{title:58} {time.monotonic() - begin:5.2f} s")


def build(lab: Lab, say: Say) -> None:
    topology, plan = lab.topology, lab.plan
    speakers = [node for node in topology.nodes.values() if node.bgp]
    with stage(say, f"{len(plan.nodes)} namespaces"):
        make_namespaces(lab)
    with stage(say, f"{len(topology.links)} links, addresses, routes"):
        make_links(lab)
        each(lambda node: add_addresses(lab, node), plan.nodes.values())
        each(lambda node: add_routes(lab, node), plan.nodes.values())
        write_hosts(lab)
    begin = time.monotonic()
    each(lambda node: start_bird(lab, node.name), speakers)
    dns.start(lab)
    ivip.start_nodes(lab, each)
    if speakers:
        await_bgp(lab)
        say(f"{f'BGP between {len(speakers)} routers':58} {time.monotonic() - begin:5.2f} s")
    if topology.with_role("ruas"):
        ivip.await_nodes(lab, [node.name for node in ivip.ivip_nodes(lab)])
        say(f"{'Ivip nodes healthy':58} {time.monotonic() - begin:5.2f} s")
        with stage(say, f"{len(topology.users)} users, {len(topology.spi_uses())} uses of SPI"):
            ivip.make_users(lab)
    lab.record.write_json("lab.json", lab.record.read_json("lab.json") | {"complete": True})


def make_namespaces(lab: Lab) -> None:
    names = [lab.namespace(name) for name in lab.plan.nodes]
    if any(link.shaped for link in lab.topology.links):
        names.append(lab.namespace(WIRE_NODE))
    namespace.run_ip([], "".join(f"netns add {name}\n" for name in names))
    forwards = {lab.namespace(name): node.forwards for name, node in lab.plan.nodes.items()}
    each(lambda name: namespace.set_sysctls(name, forwards.get(name, False)), names)


def make_links(lab: Lab) -> None:
    """Plain links are veth pairs; those with delay, loss or a rate go through the wire program."""
    plain = [link for link in lab.topology.links if not link.shaped]
    namespace.run_ip([], "".join(
        f"link add {link.b} netns {lab.namespace(link.a)} mtu {link.mtu} type veth "
        f"peer name {link.a} netns {lab.namespace(link.b)} mtu {link.mtu}\n" for link in plain))
    shaped = [link for link in lab.topology.links if link.shaped]
    if not shaped:
        return
    folder = lab.record.node_folder(WIRE_NODE)
    folder.mkdir()
    wires = folder / "wires"
    wires.write_text("".join(
        f"{lab.namespace(link.a)} {link.b} {lab.namespace(link.b)} {link.a} "
        f"{link.delay_us} {link.jitter_us} {link.loss_ppm} {link.rate_bps} {link.mtu}\n"
        for link in shaped), encoding="ascii")
    lab.start(WIRE_NODE, "wire", ["sh", "-c", 'exec "$0" <"$1"', str(wire_program()), str(wires)])
    log = folder / "wire.log"
    lab.await_that(WIRE_NODE, "wire", lambda: "ready" in log.read_text(encoding="utf-8"))


def interface_commands(node: NodePlan, interface: Interface) -> Iterator[str]:
    yield f"link set {interface.device} up"
    for family, remote in interface.remote.items():
        local = node.addresses.get(family)
        if local is not None:
            nodad = " nodad" if family == 6 else ""
            yield f"address add {local} peer {remote} dev {interface.device}{nodad}"
        if local is not None and family == 6:
            # The kernel makes this route itself, but not always when the other end of the link
            # comes up a moment later.
            yield f"route replace {remote} dev {interface.device} proto kernel metric 256"


def add_addresses(lab: Lab, node: NodePlan) -> None:
    commands = ["link set lo up"]
    for interface in node.interfaces:
        commands += interface_commands(node, interface)
    namespace.run_ip(["-n", lab.namespace(node.name)], "\n".join(commands) + "\n")


def route_commands(node: NodePlan) -> list[str]:
    """Says "onlink" as the kernel may not have noticed yet that the other end of a link is up."""
    commands = []
    for route in node.routes:
        target = route.prefix or ("0.0.0.0/0" if route.family == 4 else "::/0")
        way = f"{target} via {route.gateway} dev {route.device} onlink" if route.device \
            else f"unreachable {target}"
        commands.append(f"route add {way} metric {route.metric} proto static")
    return commands


def add_routes(lab: Lab, node: NodePlan) -> None:
    namespace.run_ip(["-n", lab.namespace(node.name)], "\n".join(route_commands(node)) + "\n")


def restore_routes(lab: Lab, name: str) -> None:
    """After a link of the node was down and is up again: the kernel forgot what went over it."""
    node = lab.plan.nodes[name]
    commands = [command for interface in node.interfaces
                for command in interface_commands(node, interface) if command.startswith("route")]
    commands += [command.replace("route add", "route replace") for command in route_commands(node)]
    namespace.run_ip(["-n", lab.namespace(name)], "\n".join(commands) + "\n")


def write_hosts(lab: Lab) -> None:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {name}" for name, node in lab.plan.nodes.items()
              for address in node.addresses.values()]
    lab.record.hosts_file.write_text("\n".join(lines) + "\n", encoding="ascii")


# ---- daemons


def start_bird(lab: Lab, name: str) -> Process:
    folder = lab.record.node_folder(name)
    folder.mkdir(exist_ok=True)
    config = folder / "bird.conf"
    config.write_text(bird.bird_config(lab.plan, lab.topology.nodes[name]), encoding="ascii")
    return lab.start(name, "bird",
                 [str(system_program("bird")), "-f", "-c", str(config), "-s", str(folder / "bird.ctl"),
                  "-P", str(folder / "bird.pid")])


def await_bgp(lab: Lab) -> None:
    """Waits until all sessions stand, every border router knows every network's prefix, and for a
    while no router has heard anything new: then each has chosen among all there is."""
    sockets = {node.name: lab.record.node_folder(node.name) / "bird.ctl"
               for node in lab.topology.nodes.values() if node.bgp}
    prefixes = set(bird.announced_prefixes(lab.plan))
    for name, path in sockets.items():
        lab.await_that(name, "bird", partial(control.bgp_established, path))
        if lab.topology.is_border(lab.topology.nodes[name]):
            lab.await_that(name, "bird", partial(control.bgp_knows, path, prefixes))
    before: list[list[str]] = []
    while (now := [control.routes(path) for path in sockets.values()]) != before:
        before = now
        time.sleep(SETTLE_SECONDS)


# ---- down


def down(name: str) -> None:
    """Removes everything of a lab, whatever state it is in."""
    record = Record(name)
    if os.geteuid() != 0:
        raise Problem("namespaces need root: run it with sudo")
    with locked():
        if not record.exists():
            present = labs()
            raise Problem(f"lab {name} is not up" +
                          (f"; up: {', '.join(present)}" if present else ""))
        take_down(record)


def take_down(record: Record) -> None:
    """Daemons by the journal, then whatever else runs in the lab's namespaces, then those."""
    stop_all(record.journal.all())
    names = namespace.namespaces_of(record.lab)
    strays = [Process.of(pid) for name in names for pid in namespace.processes_in(name)]
    stop_all(process for process in strays if process.pid != os.getpid())
    namespace.remove_namespaces(names)
    record.remove()
