"""Network namespaces by the `ip` command: making, entering, removing, and nothing outside them.

All namespaces of a lab are called ivip-LAB-NODE, so they can be found and removed by name even
when every record is lost. Devices are made inside namespaces and end with them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from .problem import Problem

RUN = Path("/run/netns")
PREFIX = "ivip-"


def namespace_name(lab: str, node: str) -> str:
    return f"{PREFIX}{lab}.{node}"


def run_ip(arguments: list[str], batch: str | None = None) -> str:
    """Runs ip; with `batch`, its commands from text, all or none useful. Raises Problem."""
    command = ["ip", *arguments] + (["-batch", "-"] if batch is not None else [])
    done = subprocess.run(command, input=batch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"{' '.join(command)} failed: {explain(done.stderr, batch)}")
    return done.stdout


def explain(errors: str, batch: str | None) -> str:
    """ip's complaint, with the command of the batch that it is about."""
    found = re.search(r"Command failed -:(\d+)", errors)
    if found and batch is not None:
        line = batch.splitlines()[int(found.group(1)) - 1]
        return f"{errors.strip()} [{line}]"
    return errors.strip()


def namespaces_of(lab: str) -> list[str]:
    """The namespaces of a lab that exist now."""
    if not RUN.is_dir():
        return []
    return sorted(path.name for path in RUN.glob(f"{PREFIX}{lab}.*"))


def processes_in(namespace: str) -> list[int]:
    done = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True,
                          check=False)
    return [int(word) for word in done.stdout.split()]


def enter(namespace: str, hosts: Path | None = None) -> list[str]:
    """The beginning of a command line that runs the rest in a namespace. With `hosts`, that file
    stands at /etc/hosts for it, so that nodes can be called by name."""
    command = ["nsenter", f"--net={RUN / namespace}"]
    if hosts is not None:
        command += ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                    'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    return command


SYSCTLS_ALWAYS = {
    # Addresses are usable at once: no duplicate detection, no router advertisements.
    "net.ipv6.conf.all.accept_dad": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    # Addresses stay while a link is down.
    "net.ipv6.conf.all.keep_addr_on_down": 1,
    "net.ipv6.conf.default.keep_addr_on_down": 1,
    # A route over a link that went down does not count.
    "net.ipv4.conf.all.ignore_routes_with_linkdown": 1,
    "net.ipv4.conf.default.ignore_routes_with_linkdown": 1,
    "net.ipv6.conf.all.ignore_routes_with_linkdown": 1,
    "net.ipv6.conf.default.ignore_routes_with_linkdown": 1,
    # Packets may come in by another way than answers go out, and traceroute asks often.
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv6.icmp.ratelimit": 0,
    "net.ipv4.ping_group_range": "0 2147483647",
}
SYSCTLS_FORWARDING = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    # A tunnelled packet keeps its sender as outer source. What a router itself sends to SPI space
    # (an ICMP error, say) may come back to it that way, addressed to an ETR behind it, and must be
    # forwarded although its source is the router.
    "net.ipv4.conf.all.accept_local": 1,
    "net.ipv4.conf.default.accept_local": 1,
}


def set_sysctls(namespace: str, forwards: bool) -> None:
    settings = SYSCTLS_ALWAYS | (SYSCTLS_FORWARDING if forwards else {})
    script = "".join(f"echo {value} >/proc/sys/{key.replace('.', '/')}\n"
                     for key, value in settings.items())
    done = subprocess.run([*enter(namespace), "sh", "-e"], input=script, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"kernel settings in {namespace} failed: {done.stderr.strip()}")


def remove_namespaces(names: list[str]) -> None:
    if names:
        run_ip(["-force"], "".join(f"netns delete {name}\n" for name in names))
