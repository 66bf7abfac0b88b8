"""What follows from a topology: addresses, interfaces, routes.

Every node has one address of each family, which all its interfaces share: links are point to point
and unnumbered, so a traceroute or a capture names nodes, not interfaces. An interface is called
after the node at its other end.

Routes within a network follow the graph by the fewest links. Between networks BGP decides; a
network without a border router sends what it does not know to the nearest ITR.

SPI space has routes only where it must: from each ETR that delivers to it along the shortest path
to its users. Other routers of that network do not know it, so what its hosts send there finds an
ITR like everyone else's packets (architecture, section 1.8.5).
"""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, field

from .problem import Problem
from .topology import Link, Network, Node, Prefix, Spi, Topology

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
FAMILIES = (4, 6)

# Set aside for tests of network equipment (RFC 2544, RFC 5180): never in use on a real network.
SPACE_4 = ipaddress.IPv4Network("198.18.0.0/15")
SPACE_6 = ipaddress.IPv6Network("2001:2::/48")

PRIMARY_METRIC = 10  # of default routes; each further uplink gets so much more


@dataclass(frozen=True)
class Interface:
    device: str
    peer: str                   # the node at the other end
    link: Link
    remote: dict[int, Address]  # the peer's addresses, by family


@dataclass(frozen=True)
class Route:
    prefix: Prefix | None       # None: the default route
    family: int
    device: str | None          # None: unreachable, so that strays do not circle
    gateway: Address | None
    metric: int = PRIMARY_METRIC


@dataclass
class NodePlan:
    node: Node
    addresses: dict[int, Address]
    forwards: bool
    interfaces: list[Interface] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(frozen=True)
class Plan:
    topology: Topology
    nodes: dict[str, NodePlan]

    def prefixes(self, network: str) -> list[Prefix]:
        """The space a network numbers its nodes from."""
        own = self.topology.networks[network]
        return list(own.spi.prefixes) if own.spi else list(network_prefixes(own).values())

    def address(self, name: str, family: int = 4) -> Address:
        return self.nodes[name].addresses[family]


def network_prefixes(network: Network) -> dict[int, Prefix]:
    """The conventional space of a network: a /24 and a /56 by its number."""
    four = int(SPACE_4.network_address) + (network.number << 8)
    six = int(SPACE_6.network_address) + (network.number << 72)
    return {4: ipaddress.IPv4Network((four, 24)), 6: ipaddress.IPv6Network((six, 56))}


def make_plan(topology: Topology) -> Plan:
    """Derives everything. Raises Problem where the topology leaves no way."""
    nodes = {name: NodePlan(node, node_addresses(topology, node),
                            forwards=len(topology.links_of(name)) > 1 or bool(node.roles))
             for name, node in topology.nodes.items()}
    plan = Plan(topology, nodes)
    for link in topology.links:
        for name in (link.a, link.b):
            peer = link.other(name)
            nodes[name].interfaces.append(Interface(peer, peer, link, nodes[peer].addresses))
    for name in topology.nodes:
        add_internal_routes(plan, name)
        add_default_routes(plan, name)
    for network in topology.networks.values():
        add_strays(plan, network)
    for user, spi in topology.spi_uses():
        for etr in spi.etrs:
            add_delivery_routes(plan, etr, user, spi)
    return plan


# ---- addresses


def node_addresses(topology: Topology, node: Node) -> dict[int, Address]:
    if node.spi:
        return {prefix.version: first_address(prefix) for prefix in node.spi.prefixes}
    network = topology.networks[node.network]
    prefixes = network_prefixes(network)
    if network.spi:
        prefixes = {prefix.version: prefix for prefix in network.spi.prefixes}
    return {family: numbered_address(prefix, node) for family, prefix in prefixes.items()}


def first_address(prefix: Prefix) -> Address:
    return prefix.network_address + (0 if prefix.version == 4 else 1)


def numbered_address(prefix: Prefix, node: Node) -> Address:
    """IPv4: the k-th address of the prefix. IPv6: the first address of its k-th /64."""
    offset = node.number if prefix.version == 4 else (node.number << 64) + 1
    address: Address = prefix.network_address + offset
    if address not in prefix:
        raise Problem(f"{prefix} has no room for {node.name}, "
                      f"node {node.number} of network {node.network}")
    return address


def host_prefix(address: Address) -> Prefix:
    return ipaddress.ip_network(address)


# ---- ways through the graph


def shortest_path(topology: Topology, begin: str, goals: set[str], within: set[str]) -> list[str]:
    """The nodes from `begin` to the nearest goal, over nodes of `within`; empty: no way. Of ways
    with as many links, the one whose links stand first in the file."""
    before: dict[str, str | None] = {begin: None}
    queue = deque([begin])
    while queue:
        name = queue.popleft()
        if name in goals:
            path = [name]
            while (previous := before[path[-1]]) is not None:
                path.append(previous)
            return path[::-1]
        for link in topology.links_of(name):
            other = link.other(name)
            if other not in before and (other in within or other in goals):
                before[other] = name
                queue.append(other)
    return []


def members(topology: Topology, network: str) -> set[str]:
    return {name for name, node in topology.nodes.items() if node.network == network}


# ---- routes


def route_by(plan: Plan, name: str, peer: str, prefix: Prefix | None, family: int,
             metric: int = PRIMARY_METRIC) -> None:
    """Adds a route on a node by way of a neighbour, where both have that family."""
    here = plan.nodes[name]
    gateway = plan.nodes[peer].addresses.get(family)
    if gateway is not None and family in here.addresses:
        here.routes.append(Route(prefix, family, peer, gateway, metric))


def add_internal_routes(plan: Plan, name: str) -> None:
    """To every other node of the network that has an address of the network's own."""
    topology = plan.topology
    within = members(topology, topology.nodes[name].network)
    for goal in sorted(within - {name}):
        path = shortest_path(topology, name, {goal}, within)
        if len(path) <= 2 or topology.nodes[goal].spi:
            continue  # no way inside, a neighbour (its interface has the route), or SPI space
        for family, address in plan.nodes[goal].addresses.items():
            route_by(plan, name, path[1], host_prefix(address), family)


def exits(topology: Topology, network: str) -> set[str]:
    """Where packets for elsewhere leave the network: border routers; else nodes with a link to
    another network; else ITRs."""
    inside = [topology.nodes[name] for name in members(topology, network)]
    borders = {node.name for node in inside if topology.is_border(node)}
    linked = {node.name for node in inside
              if any(topology.nodes[link.other(node.name)].network != network
                     for link in topology.links_of(node.name))}
    itrs = {node.name for node in inside if "itr" in node.roles}
    return borders or linked or itrs


def add_default_routes(plan: Plan, name: str) -> None:
    topology = plan.topology
    node = topology.nodes[name]
    if topology.is_border(node):
        return  # knows the whole table
    ways_out = exits(topology, node.network)
    if name in ways_out:
        peers = [link.other(name) for link in topology.links_of(name)
                 if topology.nodes[link.other(name)].network != node.network]
    else:
        path = shortest_path(topology, name, ways_out, members(topology, node.network))
        peers = path[1:2]
    for order, peer in enumerate(peers):
        for family in FAMILIES:
            route_by(plan, name, peer, None, family, PRIMARY_METRIC * (order + 1))


def add_strays(plan: Plan, network: Network) -> None:
    """Where packets come in, those for addresses of the network that nobody has end."""
    prefixes = network_prefixes(network)
    if network.spi:
        prefixes = {prefix.version: prefix for prefix in network.spi.prefixes}
    for name in exits(plan.topology, network.name):
        for family in plan.nodes[name].addresses.keys() & prefixes.keys():
            plan.nodes[name].routes.append(
                Route(prefixes[family], family, None, None, metric=60_000))


def add_delivery_routes(plan: Plan, etr: str, user: str, spi: Spi) -> None:
    """From an ETR to those whose packets it delivers: `user` is a network or a node."""
    topology = plan.topology
    goals = {user} if user in topology.nodes else members(topology, user)
    within = members(topology, topology.nodes[etr].network)
    path = shortest_path(topology, etr, goals, within)
    if not path:
        raise Problem(f"{etr} is to deliver to {user}, but no links lead there within network "
                      f"{topology.nodes[etr].network}")
    for name, peer in zip(path, path[1:], strict=False):
        for prefix in spi.prefixes:
            route_by(plan, name, peer, prefix, prefix.version)
