"""BIRD's config for the BGP speakers of a topology.

Each network announces its own prefixes. A transit network passes on what it hears from customers
to everyone, and what it hears from other transit networks to customers only. Within a network BGP
speakers tell each other all they know.

An ITR puts routes for its MABs into the kernel with protocol number 155; BIRD there learns them. A
DITR's go to every neighbour, also by way of the border routers of its network; another ITR's stay
within its network (community NO_EXPORT). When the
ITR withdraws them, or dies and its device goes, BIRD withdraws them too.
"""

from __future__ import annotations

from .plan import FAMILIES, Plan, network_prefixes
from .topology import Node

ITR_ROUTE_PROTOCOL = 155    # as in /etc/iproute2/rt_protos: who made a kernel route
STATIC_ROUTE_PROTOCOL = 4   # the lab's own routes within a network
# Of an ITR's MAB routes in BIRD, above those of BGP (100): what this node serves it announces.
MAB_PREFERENCE = 300
# Of BGP routes in the kernel: above those of an ITR and of the lab, so that local routes win.
KERNEL_METRIC = 4096


def bird_config(plan: Plan, node: Node) -> str:
    asn = plan.topology.networks[node.network].asn
    assert asn is not None
    parts = [
        f"# BIRD of {node.name} in {node.network}, AS {asn}\n"
        f"router id {plan.address(node.name)};\n"
        'log stderr { warning, error, fatal, bug };\n'
        "protocol device { scan time 2; }\n"
        "protocol direct { ipv4; ipv6; }",
        relations(asn)]
    for family in FAMILIES:
        parts += [kernel(family), own_prefixes(plan, node, family)]
        parts += [session(plan, node, plan.topology.nodes[peer], family)
                  for peer in neighbours(plan, node)]
    return "\n\n".join(parts) + "\n"


def neighbours(plan: Plan, node: Node) -> list[str]:
    """BGP neighbours: linked speakers of other networks, and every speaker of the own network."""
    topology = plan.topology
    linked = {link.other(node.name) for link in topology.links_of(node.name)}
    return [name for name, other in topology.nodes.items()
            if other.bgp and name != node.name
            and (other.network == node.network or name in linked)]


def relations(asn: int) -> str:
    """Filters by what a neighbour is; large communities remember where a route came from."""
    return f"""\
define FROM_CUSTOMER = ({asn}, 1, 1);
define FROM_TRANSIT = ({asn}, 1, 2);
define FROM_DITR = ({asn}, 1, 3);
function is_mab() {{
    return source = RTS_INHERIT && preference = {MAB_PREFERENCE};
}}
filter from_customer {{
    bgp_large_community.delete([({asn}, *, *)]);
    bgp_large_community.add(FROM_CUSTOMER);
    bgp_local_pref = 200;
    accept;
}}
filter from_transit {{
    bgp_large_community.delete([({asn}, *, *)]);
    bgp_large_community.add(FROM_TRANSIT);
    bgp_local_pref = 100;
    accept;
}}
# The network's own prefixes, and an ITR's MAB routes; not what the kernel's routes within the
# network say, which are learned to resolve next hops alone.
function is_own() {{
    return source = RTS_STATIC || is_mab() || FROM_DITR ~ bgp_large_community;
}}
# To customers of a transit network: everything.
filter to_customer {{
    if is_own() || source = RTS_BGP then accept;
    reject;
}}
# To a transit network, from a transit network: its own routes and its customers'.
filter to_peer {{
    if is_own() || FROM_CUSTOMER ~ bgp_large_community then accept;
    reject;
}}
# To a transit network, from any other: its own routes.
filter to_transit {{
    if is_own() then accept;
    reject;
}}
filter to_inside {{
    if is_mab() then bgp_large_community.add(FROM_DITR);
    if is_own() || source = RTS_BGP then accept;
    reject;
}}"""


def kernel(family: int) -> str:
    return f"""\
protocol kernel kernel{family} {{
    learn;
    scan time 2;
    metric {KERNEL_METRIC};
    ipv{family} {{
        import filter {{
            if krt_source = {ITR_ROUTE_PROTOCOL} then {{ preference = {MAB_PREFERENCE}; accept; }}
            if krt_source = {STATIC_ROUTE_PROTOCOL} then {{ preference = 5; accept; }}
            reject;
        }};
        export filter {{
            if source = RTS_BGP then accept;
            reject;
        }};
    }};
}}"""


def own_prefixes(plan: Plan, node: Node, family: int) -> str:
    prefix = network_prefixes(plan.topology.networks[node.network])[family]
    if not plan.topology.is_border(node):
        return f"# {node.name} is no border router: it announces no prefix of its network."
    return f"""\
protocol static own{family} {{
    ipv{family};
    route {prefix} unreachable;
}}"""


def session(plan: Plan, node: Node, peer: Node, family: int) -> str:
    networks = plan.topology.networks
    here, there = networks[node.network], networks[peer.network]
    inside = here is there
    if inside:
        importing, exporting = "all", "filter to_inside"
    elif here.transit and there.transit:
        importing, exporting = "filter from_transit", "filter to_peer"
    elif here.transit:
        importing, exporting = "filter from_customer", "filter to_customer"
    else:
        importing, exporting = "filter from_transit", "filter to_transit"
    if "itr" in node.roles and not node.is_ditr:
        exporting = itr_export(inside)
    return f"""\
protocol bgp {peer.name}_{family} {{
    local {plan.address(node.name, family)} as {here.asn};
    neighbor {plan.address(peer.name, family)} as {there.asn};
    {"multihop" if inside else "direct"};
    hold time 9; keepalive time 3;
    connect delay time 1; connect retry time 1; error wait time 1, 2;
    ipv{family} {{
        next hop self;
        import {importing};
        export {exporting};
    }};
}}"""


def itr_export(inside: bool) -> str:
    """Of an ITR that serves its own network alone: its MAB routes go no further than that."""
    if not inside:
        return "filter { if source = RTS_STATIC then accept; reject; }"
    return ("filter { if is_mab() then { bgp_community.add((65535, 65281)); accept; } "
            "if source ~ [RTS_STATIC, RTS_BGP] then accept; reject; }")


def announced_prefixes(plan: Plan) -> list[str]:
    """What every border router should know once BGP has converged."""
    topology = plan.topology
    announcing = {node.network for node in topology.nodes.values() if topology.is_border(node)}
    return [str(prefix) for name in announcing
            for prefix in network_prefixes(topology.networks[name]).values()]
