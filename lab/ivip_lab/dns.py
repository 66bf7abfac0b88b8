"""DNS in a lab: NSD on every node with the role dns, serving the same signed zones.

The zone of the topology's `domain` lists all MABs and their QSAs, as docs/discovery.md says, and is
written by `ivip zone`. Those of `domains` list the query servers of networks. A domain below another
one is part of its zone. Each zone has a key of its own, made at start; who trusts them all is given
one file with their DNSKEY records.

    /run/ivip-lab/LAB/zones/DOMAIN.list     what `ivip zone` is given
                            DOMAIN.zone     unsigned
                            DOMAIN.signed   what NSD serves
                            trust_anchor    keys of all zones
"""

from __future__ import annotations

import ipaddress
import json
import signal
import subprocess
from pathlib import Path

import yaml

from .lab import Lab
from .ports import PORT_QUERY
from .problem import Problem
from .programs import ivip_program, system_program

TTL_SECONDS = 5      # how soon changes are seen
KEY_ALGORITHM = "ECDSAP256SHA256"


def folder(lab: Lab) -> Path:
    return lab.record.folder / "zones"


def servers(lab: Lab) -> list[str]:
    return [node.name for node in lab.topology.with_role("dns")]


def zones(lab: Lab) -> list[str]:
    """The domains that are not below another one."""
    topology = lab.topology
    domains = [name for name in (topology.domain, *topology.domains) if name]
    return [name for name in domains
            if not any(name.endswith(f".{other}") for other in domains)]


def trusted(lab: Lab) -> dict:
    """What the config of a node says that finds others through DNS, besides the domain."""
    return {"trust_anchor": str(folder(lab) / "trust_anchor"),
            "dns": [str(lab.plan.address(server)) for server in servers(lab)]}


# ---- what the zones say


def mab_list(lab: Lab) -> dict:
    """The list of all MABs, as `ivip zone` takes it."""
    topology, plan = lab.topology, lab.plan

    def entry(name: str) -> dict:
        return {"name": name.lower(),
                "addresses": [str(address) for address in plan.nodes[name].addresses.values()]}

    return {
        "domain": topology.domain,
        "ttl": f"{TTL_SECONDS}s",
        "servers": [entry(name) for name in servers(lab)],
        "dsocs": [{"label": dsoc.name, "mabs": [str(mab) for mab in dsoc.mabs],
                   "qsas": [entry(node.name) for node in topology.with_role("qsa")
                            if node.network in dsoc.sites]}
                  for dsoc in topology.dsocs.values()],
    }


def network_zone(lab: Lab, zone: str, serial: int) -> str:
    """The query servers of networks: those of this domain and of the domains below it."""
    topology = lab.topology
    names = set(servers(lab))
    records = []
    for domain, roles in topology.domains.items():
        if domain != zone and not domain.endswith(f".{zone}"):
            continue
        for role, listed in roles.items():
            names |= set(listed)
            records += [f"_ivip-{role}._udp.{domain}. SRV {10 * (place + 1)} 0 {PORT_QUERY} "
                        f"{name.lower()}.{zone}." for place, name in enumerate(listed)]
    for name in sorted(names):
        for address in lab.plan.nodes[name].addresses.values():
            kind = "A" if isinstance(address, ipaddress.IPv4Address) else "AAAA"
            records.append(f"{name.lower()}.{zone}. {kind} {address}")
    authority = [f"{zone}. NS {name.lower()}.{zone}." for name in servers(lab)]
    soa = (f"{zone}. SOA {servers(lab)[0].lower()}.{zone}. hostmaster.{zone}. "
           f"{serial} 3600 600 86400 {TTL_SECONDS}")
    return "\n".join([f"$TTL {TTL_SECONDS}", soa, *authority, *records]) + "\n"


# ---- making and serving them


def run_tool(lab: Lab, *words: str) -> str:
    done = subprocess.run(words, cwd=folder(lab), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"{' '.join(words)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def sign(lab: Lab, zone: str) -> None:
    key = json.loads((folder(lab) / "keys").read_text(encoding="ascii"))[zone]
    run_tool(lab, str(system_program("ldns-signzone")), "-n", "-f", f"{zone}.signed.new",
             f"{zone}.zone", key)
    (folder(lab) / f"{zone}.signed.new").rename(folder(lab) / f"{zone}.signed")


def write_mab_zone(lab: Lab, listed: dict) -> None:
    zone = lab.topology.domain
    (folder(lab) / f"{zone}.list").write_text(yaml.safe_dump(listed, sort_keys=False),
                                              encoding="ascii")
    before = ["--previous", f"{zone}.zone"] if (folder(lab) / f"{zone}.zone").exists() else []
    text = run_tool(lab, str(ivip_program()), "zone", f"{zone}.list", *before)
    (folder(lab) / f"{zone}.zone").write_text(text, encoding="ascii")
    sign(lab, zone)


def publish_mabs(lab: Lab, listed: dict) -> None:
    """Has all servers serve another list of MABs; see mab_list."""
    write_mab_zone(lab, listed)
    for server in servers(lab):
        for process in lab.processes(server):
            if process.program == "nsd":
                process.send(signal.SIGHUP)


def prepare(lab: Lab) -> None:
    """Keys and zones, from the topology."""
    folder(lab).mkdir()
    keys = {zone: run_tool(lab, str(system_program("ldns-keygen")), "-a", KEY_ALGORITHM, "-k",
                           zone).strip() for zone in zones(lab)}
    (folder(lab) / "keys").write_text(json.dumps(keys), encoding="ascii")
    (folder(lab) / "trust_anchor").write_text("".join(
        (folder(lab) / f"{key}.key").read_text(encoding="ascii") for key in keys.values()),
        encoding="ascii")
    for zone in zones(lab):
        if zone == lab.topology.domain:
            write_mab_zone(lab, mab_list(lab))
        else:
            (folder(lab) / f"{zone}.zone").write_text(network_zone(lab, zone, 1), encoding="ascii")
            sign(lab, zone)


def server_config(lab: Lab, name: str) -> str:
    own = lab.record.node_folder(name)
    listens = "".join(f"    ip-address: {address}\n"
                      for address in lab.plan.nodes[name].addresses.values())
    served = "".join(f'zone:\n    name: {zone}\n    zonefile: "{zone}.signed"\n'
                     for zone in zones(lab))
    return (f'server:\n{listens}    username: ""\n    chroot: ""\n    zonesdir: "{folder(lab)}"\n'
            f'    pidfile: "{own}/nsd.pid"\n    database: ""\n    xfrdfile: "{own}/xfrd.state"\n'
            f'    xfrdir: "{own}"\n'
            f'    zonelistfile: "{own}/zone.list"\n    server-count: 1\n'
            f'remote-control:\n    control-enable: no\n{served}')


def start(lab: Lab) -> None:
    """Makes the zones and starts all servers."""
    if servers(lab):
        prepare(lab)
    for name in servers(lab):
        lab.record.node_folder(name).mkdir(exist_ok=True)
        (lab.record.node_folder(name) / "nsd.conf").write_text(server_config(lab, name),
                                                               encoding="ascii")
        start_server(lab, name)


def start_server(lab: Lab, name: str) -> None:
    """Starts (or starts again) the server of a node."""
    lab.start(name, "nsd", [str(system_program("nsd")), "-d", "-c",
                            str(lab.record.node_folder(name) / "nsd.conf")])


def stop_server(lab: Lab, name: str) -> None:
    """Ends the server of a node; returns when it is gone, its children too."""
    lab.end(name, "nsd", signal.SIGTERM)
