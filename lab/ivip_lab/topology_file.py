"""The topology file. docs/lab.md describes the format for people.

Everything is checked here, so that later stages can rely on it.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from .document import Value, read_document
from .problem import Problem
from .topology import Dsoc, Link, Network, Node, Prefix, Role, Spi, Topology
from .topology_check import check_whole

TOPOLOGY_FOLDER = Path(__file__).resolve().parent.parent / "topologies"

# Each role with the options it may have.
ROLES = {"ruas": (), "qsa": (), "qsr": (), "qsc": ("domain",),
         "itr": ("ditr", "domain", "mabs"), "etr": (), "dns": ()}
NETWORKS_MAX = 250          # each has a /24 and a /56 of its own
NODES_MAX = 250             # in a network
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,9}")  # also a device name, with a suffix
RESERVED_NAMES = {"lo", "all", "default"}
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def topology_names() -> list[str]:
    """The topologies that come with Ivip."""
    return sorted(file.stem for file in TOPOLOGY_FOLDER.glob("*.yaml"))


def find_topology(name: str) -> Path:
    """A path as it is; a bare name among those that come with Ivip. Raises Problem."""
    if "/" in name or name.endswith(".yaml"):
        file = Path(name)
    else:
        file = TOPOLOGY_FOLDER / f"{name}.yaml"
    if not file.is_file():
        raise Problem(f'there is no topology "{name}"; known by name: {", ".join(topology_names())}'
                      "; or give the path of a YAML file")
    return file


def load_topology(file: Path, name: str | None = None) -> Topology:
    """Reads and checks a topology. `name` replaces the file's as name of the lab."""
    top = read_document(file)
    fields = top.fields("about", "networks", "nodes", "links", "mabs", "dsocs", "domain",
                        "domains", "users")
    for key in ("networks", "nodes"):
        if key not in fields:
            raise top.wrong(f'"{key}" is missing')
    lab_name = name or file.stem
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", lab_name):
        raise Problem(f'"{lab_name}" is no name for a lab: at most 32 of a-z, 0-9, "_" and "-"')
    networks = read_networks(fields["networks"])
    nodes = read_nodes(fields["nodes"], networks)
    topology = Topology(
        name=lab_name, file=file.resolve(),
        about=fields["about"].text() if "about" in fields else "",
        networks=networks, nodes=nodes,
        links=read_links(fields["links"], nodes) if "links" in fields else (),
        dsocs=read_dsocs(fields, networks, nodes),
        domain=read_domain(fields["domain"]) if "domain" in fields else "",
        domains=read_domains(fields["domains"], nodes) if "domains" in fields else {},
        users=read_users(fields["users"]) if "users" in fields else {})
    check_whole(topology, fields)
    return topology


# ---- the parts of the file


def read_name(name: str, value: Value) -> str:
    if not NAME.fullmatch(name) or name in RESERVED_NAMES or name.startswith("ivip"):
        raise value.wrong(f'"{name}" is no good name: a letter, then at most 9 letters or digits')
    return name


def read_prefix(value: Value) -> Prefix:
    try:
        return ipaddress.ip_network(value.text())
    except ValueError as error:
        raise value.wrong(f"expected a prefix such as 20.1.0.16/28: {error}") from error


def read_prefixes(value: Value) -> list[Prefix]:
    return [read_prefix(item) for item in value.items()]


def read_spi(fields: dict[str, Value]) -> Spi | None:
    given = [key for key in ("spi", "etrs", "owner") if key in fields]
    if not given:
        return None
    if len(given) < 3:
        raise fields[given[0]].wrong("spi, etrs and owner belong together")
    return Spi(tuple(read_prefixes(fields["spi"])), tuple(fields["etrs"].texts()),
               fields["owner"].text())


def read_networks(value: Value) -> dict[str, Network]:
    networks: dict[str, Network] = {}
    for name, entry in value.entries():
        fields = entry.fields("as", "transit", "spi", "etrs", "owner")
        network = Network(
            name=read_name(name, entry), number=len(networks) + 1,
            asn=fields["as"].integer(1, 2**32 - 1) if "as" in fields else None,
            transit="transit" in fields and fields["transit"].flag(),
            spi=read_spi(fields))
        if network.asn and network.asn in {other.asn for other in networks.values()}:
            raise fields["as"].wrong(f"AS {network.asn} is another network's")
        networks[name] = network
    if not 1 <= len(networks) <= NETWORKS_MAX:
        raise value.wrong(f"expected 1 to {NETWORKS_MAX} networks")
    return networks


def read_domain(value: Value) -> str:
    domain = value.text()
    labels = domain.split(".")
    if len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise value.wrong(f'expected a domain such as isp.example, not "{domain}"')
    return domain


def read_domains(value: Value, nodes: dict[str, Node]) -> dict[str, dict[str, tuple[str, ...]]]:
    domains: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, entry in value.entries():
        if not all(LABEL.fullmatch(label) for label in name.split(".")):
            raise entry.wrong(f'"{name}" is no domain')
        domains[name] = {}
        for role, listed in entry.fields("qsr", "qsc").items():
            for server in listed.texts():
                if server not in nodes or not {"qsr", "qsc"} & nodes[server].roles.keys():
                    raise listed.wrong(f"{server} is no node with the role qsr or qsc")
            domains[name][role] = tuple(listed.texts())
        if not domains[name].get("qsr"):
            raise entry.wrong('"qsr" is missing')
    return domains


def read_dsocs(fields: dict[str, Value], networks: dict[str, Network],
               nodes: dict[str, Node]) -> dict[str, Dsoc]:
    """Of a file with `mabs` alone: one, of the RUAS that there is, with sites everywhere."""
    if "dsocs" not in fields:
        mabs = tuple(read_prefixes(fields["mabs"])) if "mabs" in fields else ()
        owners = [node.name for node in nodes.values() if "ruas" in node.roles]
        if len(owners) > 1:
            raise fields["nodes"].wrong('several nodes have the role ruas: say in "dsocs" which '
                                        "MABs each owns")
        return {"all": Dsoc("all", owners[0] if owners else "", mabs, tuple(networks), "")}
    if "mabs" in fields:
        raise fields["mabs"].wrong('with "dsocs", each has MABs of its own')
    return {name: read_dsoc(name, entry, networks, nodes)
            for name, entry in fields["dsocs"].entries()}


def read_dsoc(name: str, entry: Value, networks: dict[str, Network],
              nodes: dict[str, Node]) -> Dsoc:
    if not LABEL.fullmatch(name):
        raise entry.wrong(f'"{name}" is no label: letters, digits and inner dashes')
    fields = entry.fields("ruas", "mabs", "sites", "usage_every")
    for key in ("ruas", "mabs", "sites"):
        if key not in fields:
            raise entry.wrong(f'"{key}" is missing')
    ruas = fields["ruas"].text()
    if ruas not in nodes or "ruas" not in nodes[ruas].roles:
        raise fields["ruas"].wrong(f"{ruas} is no node with the role ruas")
    sites = tuple(fields["sites"].texts())
    for site in sites:
        if site not in networks:
            raise fields["sites"].wrong(f'there is no network "{site}"')
    every = ""
    if "usage_every" in fields:
        read_amount(fields["usage_every"], {"s": 1, "m": 60}, "60s")
        every = fields["usage_every"].text()
    return Dsoc(name, ruas, tuple(read_prefixes(fields["mabs"])), sites, every)


def read_roles(value: Value) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for name, entry in value.entries():
        if name not in ROLES:
            raise entry.wrong(f"no such role; roles are {', '.join(ROLES)}")
        fields = entry.fields(*ROLES[name])
        roles[name] = Role(
            ditr="ditr" in fields and fields["ditr"].flag(),
            domain=read_domain(fields["domain"]) if "domain" in fields else "",
            mabs=tuple(read_prefixes(fields["mabs"])) if "mabs" in fields else ())
    return roles


def read_nodes(value: Value, networks: dict[str, Network]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    counts = dict.fromkeys(networks, 0)
    for name, entry in value.entries():
        fields = entry.fields("network", "bgp", "spi", "etrs", "owner", "roles")
        if "network" not in fields:
            raise entry.wrong('"network" is missing')
        network = fields["network"].text()
        if network not in networks:
            raise fields["network"].wrong(
                f'there is no network "{network}"; there are: {", ".join(networks)}')
        bgp = "bgp" in fields and fields["bgp"].flag()
        if bgp and networks[network].asn is None:
            raise fields["bgp"].wrong(f"a BGP speaker needs an AS: give network {network} one")
        counts[network] += 1
        if counts[network] > NODES_MAX:
            raise entry.wrong(f"more than {NODES_MAX} nodes in network {network}")
        nodes[name] = Node(read_name(name, entry), network, counts[network], bgp, read_spi(fields),
                           read_roles(fields["roles"]) if "roles" in fields else {})
    if not nodes:
        raise value.wrong("expected at least one node")
    return nodes


DURATIONS = {"us": 1, "ms": 1000, "s": 1_000_000}
RATES = {"kbit": 1000, "Mbit": 1_000_000, "Gbit": 1_000_000_000}


def read_amount(value: Value, units: dict[str, int], example: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]+)", value.text())
    if not found or found.group(2) not in units:
        raise value.wrong(f'expected a number and a unit ({", ".join(units)}), such as {example}')
    return round(float(found.group(1)) * units[found.group(2)])


def read_percent(value: Value) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", value.text())
    if not found or float(found.group(1)) > 100:
        raise value.wrong("expected a percentage, such as 0.5%")
    return round(float(found.group(1)) * 10_000)


def read_links(value: Value, nodes: dict[str, Node]) -> tuple[Link, ...]:
    links: list[Link] = []
    for item in value.items():
        parts = item.items()
        if len(parts) not in (2, 3):
            raise item.wrong("expected [A, B] or [A, B, {delay: 5ms, ...}]")
        ends = [part.text() for part in parts[:2]]
        for end in ends:
            if end not in nodes:
                raise item.wrong(f'there is no node "{end}"')
        if ends[0] == ends[1]:
            raise item.wrong(f"links {ends[0]} with itself")
        if any({link.a, link.b} == set(ends) for link in links):
            raise item.wrong(f"{ends[0]} and {ends[1]} are linked already")
        options = parts[2].fields("delay", "jitter", "loss", "rate", "mtu") \
            if len(parts) == 3 else {}
        links.append(Link(
            ends[0], ends[1],
            delay_us=read_amount(options["delay"], DURATIONS, "5ms") if "delay" in options else 0,
            jitter_us=read_amount(options["jitter"], DURATIONS, "1ms")
            if "jitter" in options else 0,
            loss_ppm=read_percent(options["loss"]) if "loss" in options else 0,
            rate_bps=read_amount(options["rate"], RATES, "100Mbit") if "rate" in options else 0,
            mtu=options["mtu"].integer(1280, 9000) if "mtu" in options else 1500))
    return tuple(links)


def read_users(value: Value) -> dict[str, tuple[Prefix, ...]]:
    users: dict[str, tuple[Prefix, ...]] = {}
    for name, entry in value.entries():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
            raise entry.wrong(f'"{name}" is no user name: a letter, then a-z, 0-9, "_" or "-"')
        fields = entry.fields("uabs")
        users[name] = tuple(read_prefixes(fields["uabs"])) if "uabs" in fields else ()
    return users
