"""Asking daemons over their control sockets: BIRD's, and that of an Ivip node."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

TIMEOUT_SECONDS = 5.0
END_OF_ANSWER = re.compile(rb"^(0|8|9)\d{3} .*\n\Z", re.MULTILINE)


def ask_bird(path: Path, command: str) -> str:
    """BIRD's whole answer to one command. Raises OSError while BIRD does not answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(str(path))
        read_answer(connection)  # "0001 BIRD ... ready."
        connection.sendall(command.encode() + b"\n")
        return read_answer(connection).decode()


def read_answer(connection: socket.socket) -> bytes:
    answer = b""
    while not END_OF_ANSWER.search(answer):
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("BIRD closed its control socket")
        answer += more
    return answer


def bgp_sessions(path: Path) -> dict[str, str]:
    """State of each BGP session by its name: "Established" and others; empty without BIRD."""
    try:
        answer = ask_bird(path, "show protocols")
    except OSError:
        return {}
    sessions = {}
    for line in answer.splitlines():
        words = re.sub(r"^(\d{4}-| )", "", line).split()
        if len(words) >= 5 and words[1] == "BGP":
            sessions[words[0]] = words[5] if len(words) > 5 else words[3]
    return sessions


def bgp_established(path: Path) -> bool:
    sessions = bgp_sessions(path)
    return bool(sessions) and all(state == "Established" for state in sessions.values())


def routes(path: Path) -> list[str]:
    """Every route that BIRD has, chosen or not, as "PREFIX VIA"; empty without BIRD."""
    try:
        answer = ask_bird(path, "show route")
    except OSError:
        return []
    found = []
    prefix = ""
    for line in answer.splitlines():
        text = re.sub(r"^(\d{4}-| )", "", line)
        if text[:1].isalnum():  # otherwise another way to the prefix before
            prefix = text.split()[0]
        if "via" in text or "unicast" in text or "unreachable" in text:
            found.append(f"{prefix} {' '.join(text.split()[-4:])}")
    return found


def bgp_knows(path: Path, prefixes: set[str]) -> bool:
    """True when BIRD has a route for each prefix."""
    return prefixes <= {route.split()[0] for route in routes(path)}


def ask_ivip(path: Path, request: dict) -> dict:
    """An Ivip node's answer to one command. Raises OSError or ValueError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as answer:
            return json.loads(answer.readline())
