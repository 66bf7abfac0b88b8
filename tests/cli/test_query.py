"""`ivip query` against a server written here from docs/protocol.md alone."""

import ipaddress
import json
import socket
import struct
import subprocess
import threading

import pytest

from command import IVIP, LIMIT_SECONDS, ivip
from daemon import free_port

HEADER = struct.Struct(">HBBHH QQIIQ")
BODY = struct.Struct(">BBBBIQQ16sQ")
MAP_REQUEST, MAP_REQUEST_ACK, MAP_REPLY, MAP_REPLY_ACK, CACHE_UPDATE = 1, 2, 3, 4, 5
ALIVE_REQUEST, ALIVE_REPLY = 7, 8


def message(kind, request, body=b""):
    _, _, _, _, _, nonce, _, sequence, _, _ = HEADER.unpack_from(request)
    return HEADER.pack(0x4976, 1, kind, HEADER.size + len(body), 0, nonce, 77, sequence, 1, 99) + body


def mapped(request, status=0, first=0x14010010, units=16, etr="198.18.3.1", family=4, load=3,
           extensions=b""):
    address = ipaddress.ip_address(etr).packed if etr else b""
    body = BODY.pack(status, family, ipaddress.ip_address(etr).version if etr else 0, load, 600000,
                     first, units, address.ljust(16, b"\0"), 17)
    return message(MAP_REPLY, request, body + extensions)


class Server:
    """Answers each datagram with what `answers` makes of it; notes what was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.name = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            request, client = self.socket.recvfrom(2048)
            if not request:
                return
            self.asked.append(request)
            for answer in self.answers(request, len(self.asked)):
                assert HEADER.unpack_from(request)[2] != MAP_REQUEST or len(answer) <= len(request)
                self.socket.sendto(answer, client)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@pytest.fixture
def serve():
    servers = []

    def begin(answers):
        servers.append(Server(answers))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


def test_mapped(serve):
    other = struct.pack(">HHBBH16s", 1, 20, 4, 0, 4746, bytes([198, 18, 9, 3]).ljust(16, b"\0"))
    server = serve(lambda request, count: [mapped(request, extensions=other)])
    result = ivip("query", "20.1.0.20", "@" + server.name)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("20.1.0.20 is in 20.1.0.16/28, mapped to 198.18.3.1\n")
    assert "caching time  600.000 s" in result.out
    assert "mab sequence  17" in result.out
    assert "alternative   198.18.9.3:4746" in result.out
    answer = ivip("query", "--json", "20.1.0.20", "@" + server.name).json
    assert answer.pop("round_trip_ms") > 0
    assert answer == {"v": 1, "address": "20.1.0.20", "status": "mapped", "server": server.name,
                      "load": 3, "micronet": "20.1.0.16/28", "etr": "198.18.3.1",
                      "caching_ms": 600000, "mab_sequence": 17,
                      "alternatives": ["198.18.9.3:4746"]}
    # One padded request each, and no acknowledgement: the server learns no address to tell.
    assert [len(request) for request in server.asked] == [192, 192]
    magic, version, kind, length, _, nonce, token, sequence, _, instance = \
        HEADER.unpack_from(server.asked[0])
    assert (magic, version, kind, length, token, sequence) == (0x4976, 1, MAP_REQUEST, 192, 0, 1)
    assert nonce != 0 and instance != 0
    assert server.asked[0][40:60] == bytes([4, 0, 0, 0, 20, 1, 0, 20]) + bytes(12)


def test_ipv6(serve):
    server = serve(lambda request, count: [
        mapped(request, first=0x20010DB800000040, units=4, family=6, etr="2001:db9::1")])
    answer = ivip("query", "2001:db8:0:41::7", "@" + server.name, "--json").json
    assert (answer["micronet"], answer["etr"]) == ("2001:db8:0:40::/62", "2001:db9::1")


@pytest.mark.parametrize("status,name,exit_status", [
    (1, "zero", 0), (2, "not-in-mab", 0), (3, "try-another", 1), (4, "busy", 1)])
def test_statuses(serve, status, name, exit_status):
    units = 16 if status == 1 else 1
    first = 0x14010010 if status == 1 else 0x14010014
    server = serve(lambda request, count: [
        mapped(request, status=status, etr="", first=first, units=units)])
    result = ivip("query", "20.1.0.20", "@" + server.name, "--json")
    assert result.status == exit_status
    assert result.json["status"] == name
    assert ivip("query", "20.1.0.20", "@" + server.name).status == exit_status


def test_what_does_not_fit_is_stepped_over(serve):
    def answers(request, count):
        if count == 1:
            return []  # lost
        wrong_nonce = bytearray(mapped(request, etr="198.18.6.6"))
        wrong_nonce[8] ^= 1
        elsewhere = mapped(request, first=0x14020000, etr="198.18.6.6")
        return [b"junk", bytes(wrong_nonce), elsewhere, mapped(request)[:50], mapped(request)]

    server = serve(answers)
    result = ivip("query", "20.1.0.20", "@" + server.name, "--json")
    assert result.json["etr"] == "198.18.3.1"
    assert len(server.asked) == 2
    nonces = {request[8:16] for request in server.asked}
    assert len(nonces) == 2


def test_a_server_under_a_flood_wants_a_proof(serve):
    def answers(request, count):
        token = HEADER.unpack_from(request)[6]
        return [mapped(request)] if token == 77 else [message(MAP_REQUEST_ACK, request)]

    server = serve(answers)
    result = ivip("query", "20.1.0.20", "@" + server.name, "--json")
    assert (result.status, result.json["etr"]) == (0, "198.18.3.1")
    assert [HEADER.unpack_from(request)[6] for request in server.asked] == [0, 77]
    server = serve(lambda request, count: [message(MAP_REQUEST_ACK, request)])  # never content
    assert ivip("query", "20.1.0.20", "@" + server.name).status == 3
    assert len(server.asked) == 3


def test_watch(serve):
    """The reply is acknowledged, and then an update comes that nobody asked for."""
    requests = []

    def answers(request, count):
        kind, token = HEADER.unpack_from(request)[2], HEADER.unpack_from(request)[6]
        if kind == MAP_REQUEST:
            requests.append(request)
            return [mapped(request)]
        if kind == MAP_REPLY_ACK:
            assert token == 77  # that of the reply
            update = bytearray(mapped(requests[-1], etr="198.18.4.1"))
            update[3] = CACHE_UPDATE
            struct.pack_into(">I", update, 28, 2)  # the server's next message to this querier
            return [bytes(update)]
        return []

    server = serve(answers)
    result = ivip("query", "--watch", "--changes", "2", "20.1.0.20", "@" + server.name, "--json")
    assert (result.status, result.err) == (0, "")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["etr"] for line in lines] == ["198.18.3.1", "198.18.4.1"]
    assert len(requests) == 1


def test_watch_ends_when_nobody_can_read_it(serve):
    server = serve(lambda request, count: [mapped(request)])
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([IVIP, "query", "--watch", "20.1.0.20", "@" + server.name], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False)
    assert (done.returncode, done.stderr) == (1, "ivip: the output could not be written\n")


def test_nobody_there():
    port = free_port(socket.SOCK_DGRAM)
    result = ivip("query", "20.1.0.20", f"@127.0.0.1:{port}")
    assert (result.status, result.out) == (3, "")
    assert "did not answer 3 requests" in result.err


def test_doctor_asks_whether_servers_live(serve, tmp_path):
    server = serve(lambda request, count: [message(ALIVE_REPLY, request)])
    config = tmp_path / "qsr.yaml"
    config.write_text(f'control: {tmp_path}/none\nqsr: {{upstreams: ["{server.name}"]}}\n')
    found = ivip("doctor", "--json", config).json["findings"]
    assert any(item["good"] and f"query server {server.name} answers" in item["text"]
               for item in found)
    assert HEADER.unpack_from(server.asked[0])[2] == ALIVE_REQUEST
