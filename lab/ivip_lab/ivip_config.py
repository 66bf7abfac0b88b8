"""The config of each Ivip node of a lab.

Who asks whom follows from the topology. Payloads go from the RUAS of a DSOC to the QSAs at its
sites. A QSR asks the QSAs of all DSOCs; with a domain it finds them through DNS. A QSC asks the
QSRs of its network, else the QSAs there. An ITR asks the QSCs of its network, else the QSRs, else
the QSAs of the DSOCs that have a site there, and nobody where a QSA runs in its own node. A QSC or
ITR with a domain asks those whom DNS lists there. An ETR serves the SPI space that names it.
"""

from __future__ import annotations

from . import dns
from .lab import Lab
from .plan import FAMILIES
from .ports import PORT_FEED, PORT_METRICS, PORT_PUBLIC, PORT_QUERY, PORT_REST
from .topology import Dsoc, Node, Prefix, Role, Topology


def endpoint(lab: Lab, node: str, port: int, family: int = 4) -> str:
    address = lab.plan.address(node, family)
    return f"[{address}]:{port}" if family == 6 else f"{address}:{port}"


def endpoints(lab: Lab, nodes: list[Node], port: int) -> list[str]:
    """Of several servers, the first over IPv4, the second over IPv6, and so on: both families carry
    the control plane."""
    return [endpoint(lab, node.name, port, FAMILIES[number % len(FAMILIES)])
            for number, node in enumerate(nodes)]


# ---- who asks whom


def qsas_of(topology: Topology, dsocs: list[Dsoc]) -> list[Node]:
    sites = {site for dsoc in dsocs for site in dsoc.sites}
    return [node for node in topology.with_role("qsa") if node.network in sites]


def upstream_nodes(topology: Topology, node: Node, role: str) -> list[Node]:
    """Whom the QSR, QSC or ITR of a node asks that does not find them through DNS."""
    if role == "qsr":
        return topology.with_role("qsa")
    for near in ("qsc", "qsr") if role == "itr" else ("qsr",):
        servers = [other for other in topology.with_role(near) if other.network == node.network]
        if servers:
            return servers
    near_qsas = [other for other in topology.with_role("qsa") if other.network == node.network]
    return (role == "qsc" and near_qsas) or \
        qsas_of(topology, topology.dsocs_at(node.network)) or topology.with_role("qsa")


def served_mabs(topology: Topology, node: Node) -> list[str]:
    """The MABs whose packets an ITR takes that asks configured servers: those of the DSOCs with a site
    in its network, else all there are. One that finds its servers learns the MABs from them."""
    at_site = tuple(mab for dsoc in topology.dsocs_at(node.network) for mab in dsoc.mabs)
    return [str(mab) for mab in at_site or topology.mabs]


def serves(topology: Topology, etr: str) -> list[Prefix]:
    return [prefix for _user, spi in topology.spi_uses() if etr in spi.etrs
            for prefix in spi.prefixes]


# ---- the config


def node_config(lab: Lab, node: Node, public_keys: dict[str, str]) -> dict:
    folder = lab.record.node_folder(node.name)
    config: dict = {
        "name": node.name,
        "key": str(folder / "node.key"),
        "state": str(folder / "state"),
        "control": str(folder / "control.sock"),
        "metrics": f"127.0.0.1:{PORT_METRICS}",
        "log": "info",
    }
    if "ruas" in node.roles:
        config["ruas"] = ruas_config(lab, node, public_keys)
    if "qsa" in node.roles:
        config["qsa"] = {
            "listen": f"[::]:{PORT_QUERY}",
            "feed": f"[::]:{PORT_FEED}",
            "ruas": [{"key": public_keys[ruas], "url": public_url(lab, ruas)}
                     for ruas in {dsoc.ruas: 0 for dsoc in lab.topology.dsocs_at(node.network)}],
        }
    if "qsr" in node.roles:
        config["qsr"] = {"listen": f"[::]:{PORT_QUERY}"} | (
            {"domain": lab.topology.domain} | dns.trusted(lab) if lab.topology.domain
            else {"upstreams": upstreams(lab, node, "qsr")})
    if "qsc" in node.roles:
        domain = node.roles["qsc"].domain
        config["qsr"] = {"listen": f"[::]:{PORT_QUERY}"} | (
            {"upstream_domain": domain} | dns.trusted(lab) if domain
            else {"upstreams": upstreams(lab, node, "qsc")})
    if "itr" in node.roles:
        config["itr"] = itr_config(lab, node, node.roles["itr"])
    if "etr" in node.roles:
        config["etr"] = {"serves": [str(prefix) for prefix in serves(lab.topology, node.name)]}
    return config


def public_url(lab: Lab, ruas: str) -> str:
    return f"http://{endpoint(lab, ruas, PORT_PUBLIC)}"


def upstreams(lab: Lab, node: Node, role: str) -> list[str]:
    return endpoints(lab, upstream_nodes(lab.topology, node, role), PORT_QUERY)


def ruas_config(lab: Lab, node: Node, public_keys: dict[str, str]) -> dict:
    topology = lab.topology
    own = [dsoc for dsoc in topology.dsocs.values() if dsoc.ruas == node.name]
    reporting = {other.name for dsoc in own if dsoc.usage_every
                 for other in topology.nodes.values()
                 if other.is_ditr and other.network in dsoc.sites}
    config: dict = {
        "listen": endpoint(lab, node.name, PORT_REST),
        "public": endpoint(lab, node.name, PORT_PUBLIC),
        "mabs": [str(mab) for dsoc in own for mab in dsoc.mabs],
        "feeds": endpoints(lab, qsas_of(topology, own), PORT_FEED),
    }
    if reporting:
        config["itrs"] = [public_keys[name] for name in sorted(reporting)]
    return config


def itr_config(lab: Lab, node: Node, role: Role) -> dict:
    config: dict = {"announce": True}
    if role.domain:
        config |= {"domain": role.domain} | dns.trusted(lab)
    elif "qsa" not in node.roles:
        config |= {"upstreams": upstreams(lab, node, "itr"),
                   "mabs": served_mabs(lab.topology, node)}
    if role.mabs:
        config["mabs"] = [str(mab) for mab in role.mabs]
    for dsoc in lab.topology.dsocs_at(node.network):
        if role.ditr and dsoc.usage_every:
            config |= {"usage_to": public_url(lab, dsoc.ruas), "usage_every": dsoc.usage_every}
    return config
