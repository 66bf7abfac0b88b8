"""HTTPS for browsers: certificates of the kinds that they know, beside the node's own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from network import Namespace, Network, Node, await_that

# What browsers say they know: no Ed25519.
BROWSER = ("-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256")
WEB, REST = "192.0.2.1:443", "192.0.2.1:4748"
DAY = 24 * 3600


class Authority:
    """A certificate authority of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.openssl("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
                     "-subj", "/CN=test authority")
        self.issue()

    def openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def issue(self, days: int = 10) -> None:
        """Another certificate for the address, with another key; both files replaced."""
        (self.folder / "names").write_text("subjectAltName=IP:192.0.2.1\n")
        self.openssl("req", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-keyout", "web.key", "-out", "web.csr", "-subj", "/CN=ruas")
        self.openssl("x509", "-req", "-in", "web.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                     "-CAcreateserial", "-days", str(days), "-extfile", "names", "-out", "web.pem")


def handshake(place: Namespace, at: str, trusted: Path, *words: str) -> str:
    """The certificate that is shown to a client who trusts that file; "" where it refuses it."""
    done = place.run("openssl", "s_client", "-connect", at, "-CAfile", trusted, "-verify_ip",
                     "192.0.2.1", "-verify_return_error", *words, text="", check=False)
    if done.returncode != 0:
        return ""
    return done.stdout.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].strip()


def make_ruas(network: Network, **more: str) -> Node:
    place = network.namespace("ruas")
    place.ip("address add 192.0.2.1/32 dev lo")
    node = network.node(place, {"name": "ruas", "ruas": {
        "listen": REST, "public": "192.0.2.1:4747", "mabs": ["20.0.0.0/14"], "web": WEB} | more})
    node.await_healthy()
    return node


def certificate_left(node: Node) -> float:
    """How long the certificate for browsers is good, in seconds, as the node's metrics say."""
    return node.metrics()["ivip_ruas_web_certificate_end_seconds"] - time.time()


def test_a_certificate_of_its_own(network: Network) -> None:
    node = make_ruas(network)
    kept = node.folder / "state" / "web.pem"
    assert kept.stat().st_mode & 0o777 == 0o600
    shown = handshake(node.place, WEB, kept, *BROWSER)
    assert shown != "" and shown in kept.read_text()
    assert handshake(node.place, REST, kept, *BROWSER) == ""  # Ed25519, for those who pin it
    # The same after a restart: a browser's user agrees to it once.
    node.stop()
    node.start()
    node.await_healthy()
    assert handshake(node.place, WEB, kept, *BROWSER) == shown
    # Both serve the same; and the program pins the node's key, as ever.
    assert "error" not in node.ask(command="ruas.user-add", user="anna", password="for the test 1")
    for at in (WEB, REST):
        answer = node.place.run("curl", "-sk", "-u", "anna:for the test 1", f"https://{at}/v1/me")
        assert '"user":"anna"' in answer.stdout
    client = node.folder / "client.yaml"
    token = node.ask(command="ruas.token-add", user="anna")["token"]
    (node.folder / "token").write_text(token)
    (node.folder / "token").chmod(0o600)
    client.write_text(f"uas: https://{REST}\nkey: {node.public_key}\n"
                      f"token_file: {node.folder}/token\n")
    assert node.ivip("show", "--client", client).returncode == 0
    client.write_text(client.read_text().replace(REST, WEB))
    assert node.ivip("show", "--client", client, check=False).returncode != 0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    return Authority(tmp_path / "authority")


def test_a_certificate_of_an_authority(network: Network, authority: Authority) -> None:
    folder = authority.folder
    node = make_ruas(network, certificate=f"{folder}/web.pem", certificate_key=f"{folder}/web.key")
    trusted = folder / "ca.pem"
    first = handshake(node.place, WEB, trusted, *BROWSER)
    assert first != ""
    assert 9 * DAY < certificate_left(node) < 11 * DAY
    # Renewed: a reload takes it over.
    authority.issue(days=20)
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)
    await_that("the new certificate is shown",
               lambda: handshake(node.place, WEB, trusted, *BROWSER) not in ("", first))
    second = handshake(node.place, WEB, trusted, *BROWSER)
    assert 19 * DAY < certificate_left(node) < 21 * DAY
    # One that is no good changes nothing.
    (folder / "web.key").write_text((folder / "ca.key").read_text())
    answer = node.ask(command="reload")
    assert answer["error"]["reason"] == "no-certificate", answer
    assert "fits its key" in answer["error"]["text"]
    assert handshake(node.place, WEB, trusted, *BROWSER) == second
    assert node.healthy()
