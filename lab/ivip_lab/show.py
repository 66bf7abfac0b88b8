"""What is where in a lab: for people, and as JSON."""

from __future__ import annotations

from . import control
from .lab import Lab
from .topology import Node


def describe(lab: Lab) -> dict:
    """The whole lab as JSON ("v": 1; later versions only add)."""
    topology = lab.topology
    running: dict[str, list[str]] = {}
    for process in lab.record.journal.alive():
        running.setdefault(process.node, []).append(process.program)
    return {
        "v": 1,
        "name": lab.name,
        "topology": lab.record.read_json("lab.json").get("topology"),
        "about": topology.about,
        "mabs": [str(mab) for mab in topology.mabs],
        "dsocs": [{"name": dsoc.name, "ruas": dsoc.ruas, "sites": list(dsoc.sites),
                   "mabs": [str(mab) for mab in dsoc.mabs]} for dsoc in topology.dsocs.values()],
        "domain": topology.domain or None,
        "domains": {domain: {role: list(listed) for role, listed in roles.items()}
                    for domain, roles in topology.domains.items()},
        "users": {user: {"uabs": [str(uab) for uab in uabs]}
                  for user, uabs in topology.users.items()},
        "networks": [describe_network(lab, name) for name in topology.networks],
        "nodes": [describe_node(lab, node, running.get(node.name, []))
                  for node in topology.nodes.values()],
    }


def describe_network(lab: Lab, name: str) -> dict:
    network = lab.topology.networks[name]
    return {
        "name": name,
        "as": network.asn,
        "transit": network.transit,
        "prefixes": [str(prefix) for prefix in lab.plan.prefixes(name)],
        "nodes": [node.name for node in lab.topology.nodes.values() if node.network == name],
    }


def describe_node(lab: Lab, node: Node, running: list[str]) -> dict:
    plan = lab.plan.nodes[node.name]
    spi = node.spi or lab.topology.networks[node.network].spi
    sessions = control.bgp_sessions(lab.record.node_folder(node.name) / "bird.ctl") \
        if node.bgp else {}
    return {
        "name": node.name,
        "network": node.network,
        "kind": kind(lab, node),
        "roles": list(node.roles),
        "addresses": [str(address) for address in plan.addresses.values()],
        "micronets": [str(prefix) for prefix in spi.prefixes] if spi else [],
        "etrs": list(spi.etrs) if spi else [],
        "owner": spi.owner if spi else None,
        "neighbours": [describe_link(interface) for interface in plan.interfaces],
        "bgp": sessions,
        "running": running,
        "namespace": lab.namespace(node.name),
        "files": str(lab.record.node_folder(node.name)),
    }


def describe_link(interface) -> dict:
    link = interface.link
    return {"node": interface.peer, "device": interface.device, "mtu": link.mtu,
            "delay_ms": link.delay_us / 1000, "jitter_ms": link.jitter_us / 1000,
            "loss_percent": link.loss_ppm / 10_000, "rate_bps": link.rate_bps or None}


def kind(lab: Lab, node: Node) -> str:
    """What a node is, in the words of the field."""
    if lab.topology.networks[node.network].transit and node.bgp:
        return "transit router"
    if lab.topology.is_border(node):
        return "border router"
    if len(lab.topology.links_of(node.name)) > 1:
        return "router"
    return "host"


ROLE_NAMES = {"ruas": "RUAS", "qsa": "QSA", "qsr": "QSR", "itr": "ITR", "etr": "ETR",
              "qsc": "QSC", "dns": "DNS"}


def role_words(lab: Lab, name: str, described: dict) -> str:
    ditr = lab.topology.nodes[name].is_ditr
    words = ["DITR" if role == "itr" and ditr else ROLE_NAMES[role]
             for role in described["roles"]]
    if described["kind"] != "host" or not words:
        words.insert(0, described["kind"])
    return ", ".join(words)


def table(headings: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [headings, *rows])
              for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in [headings, *rows]]
    return "\n".join(lines)


def show_text(lab: Lab) -> str:
    topology = lab.topology
    whole = describe(lab)
    rows = []
    for node in whole["nodes"]:
        down = [name for name, state in node["bgp"].items() if state != "Established"]
        rows.append([
            node["network"], node["name"], role_words(lab, node["name"], node),
            node["addresses"][0], node["addresses"][1] if len(node["addresses"]) > 1 else "",
            " ".join(neighbour["node"] + (f"({neighbour['delay_ms']:g} ms)"
                                          if neighbour["delay_ms"] else "")
                     for neighbour in node["neighbours"])
            + (f"  BGP down: {' '.join(down)}" if down else "")])
    micronets = [[", ".join(map(str, spi.prefixes)), user, " or ".join(spi.etrs), spi.owner]
                 for user, spi in topology.spi_uses()]
    parts = [f"{whole['name']}: {whole['about']}",
             table(["NETWORK", "NODE", "WHAT", "IPV4", "IPV6", "NEIGHBOURS"], rows)]
    if micronets:
        parts += [f"MABs: {', '.join(whole['mabs'])}",
                  table(["SPI SPACE", "USED BY", "DELIVERED BY", "OWNER"], micronets)]
    if topology.domain:
        parts.append(table(["DSOC", "RUAS", "SITES", "MABS"],
                           [[dsoc.name, dsoc.ruas, " ".join(dsoc.sites),
                             ", ".join(map(str, dsoc.mabs))] for dsoc in topology.dsocs.values()]))
        parts.append(table(["DOMAIN", "LISTS"], [[topology.domain, "all MABs and their QSAs"]] + [
            [domain, "; ".join(f"{ROLE_NAMES[role]}s: {' '.join(listed)}"
                               for role, listed in roles.items())]
            for domain, roles in topology.domains.items()]))
    parts.append(f"Run something on a node: ivip lab exec --lab {lab.name} "
                 f"{whole['nodes'][0]['name']} -- ip route")
    return "\n\n".join(parts)
