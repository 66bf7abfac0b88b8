"""What must fit together in a topology, once its parts are read."""

from __future__ import annotations

from .document import Value
from .topology import Dsoc, Prefix, Spi, Topology, inside


def check_whole(topology: Topology, fields: dict[str, Value]) -> None:
    """Raises TopologyProblem at what does not fit."""
    nodes = fields["nodes"]
    for name in topology.nodes:
        if len(topology.nodes) > 1 and not topology.links_of(name):
            raise nodes.wrong(f"{name} has no link")
    for user, spi in topology.spi_uses():
        check_spi(topology, user, spi, nodes)
    for user, uabs in topology.users.items():
        check_user(topology, user, uabs, fields["users"])
    if any(node.ivip_roles for node in topology.nodes.values()):
        check_ivip(topology, nodes)
    check_names(topology, nodes)


def check_spi(topology: Topology, user: str, spi: Spi, value: Value) -> None:
    if not spi.etrs:
        raise value.wrong(f"{user}: etrs is empty: who delivers to it?")
    for etr in spi.etrs:
        if etr not in topology.nodes or "etr" not in topology.nodes[etr].roles:
            raise value.wrong(f"{user}: {etr} is no node with the role etr")
    if spi.owner not in topology.users:
        raise value.wrong(f'{user}: the owner "{spi.owner}" is not among the users')
    versions = [prefix.version for prefix in spi.prefixes]
    if len(set(versions)) != len(versions) or not versions:
        raise value.wrong(f"{user}: spi takes one IPv4 and one IPv6 prefix, or one of them")
    for prefix in spi.prefixes:
        if not inside(prefix, topology.users[spi.owner]):
            raise value.wrong(f"{user}: {prefix} lies in none of the UABs of {spi.owner}")
        if prefix.version == 6 and prefix.prefixlen > 64:
            raise value.wrong(f"{user}: {prefix} is smaller than a /64")


def check_user(topology: Topology, user: str, uabs: tuple[Prefix, ...], value: Value) -> None:
    for uab in uabs:
        if not inside(uab, topology.mabs):
            raise value.wrong(f"UAB {uab} of {user} lies in none of the MABs")
    owners = {dsoc.ruas for dsoc in topology.dsocs.values()
              if any(inside(uab, dsoc.mabs) for uab in uabs)}
    if len(owners) > 1:
        raise value.wrong(f"{user} has UABs of several RUASes: {', '.join(sorted(owners))}")


def check_ivip(topology: Topology, value: Value) -> None:
    if not topology.with_role("ruas"):
        raise value.wrong("there are Ivip roles but no node with the role ruas")
    if not topology.mabs:
        raise value.wrong('there are Ivip roles but no "mabs"')
    for name in ("qsr", "qsc", "itr"):
        if topology.with_role(name) and not topology.with_role("qsa"):
            raise value.wrong(f"the role {name} needs a node with the role qsa to ask")
    for dsoc in topology.dsocs.values():
        check_dsoc(topology, dsoc, value)
    for node in topology.nodes.values():
        for kind, role in node.roles.items():
            if role.domain and role.domain not in topology.domains:
                raise value.wrong(f'{node.name}: the domain {role.domain} of its role {kind} is '
                                  'not among "domains"')
            for mab in role.mabs:
                if not inside(mab, topology.mabs):
                    raise value.wrong(f"{node.name}: {mab} lies in none of the MABs")
        if "qsr" in node.roles and "qsc" in node.roles:
            raise value.wrong(f"{node.name}: qsr and qsc are one server in two places: choose one")


def check_dsoc(topology: Topology, dsoc: Dsoc, value: Value) -> None:
    for number, mab in enumerate(dsoc.mabs):
        others = [*dsoc.mabs[:number],
                  *(other for each in topology.dsocs.values() if each is not dsoc
                    for other in each.mabs)]
        if inside(mab, tuple(others)):
            raise value.wrong(f"{mab} of {dsoc.name} lies in another MAB")
    if not any(node.network in dsoc.sites for node in topology.with_role("qsa")):
        raise value.wrong(f"no site of {dsoc.name} has a node with the role qsa")


def check_names(topology: Topology, value: Value) -> None:
    """Domains need a server of DNS, and the other way round."""
    served = bool(topology.domain or topology.domains)
    if served and not topology.with_role("dns"):
        raise value.wrong("there are domains but no node with the role dns")
    if topology.with_role("dns") and not served:
        raise value.wrong('there is a node with the role dns, but neither "domain" nor "domains"')
