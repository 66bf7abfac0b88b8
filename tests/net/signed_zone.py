"""A DNS zone signed by ldns-signzone and served by NSD in a namespace."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from network import Namespace


class SignedZone:
    """`publish` makes, signs and serves the zone of whatever `text` returns."""

    def __init__(self, place: Namespace, folder: Path, domain: str, address: str) -> None:
        self.place, self.folder, self.domain = place, folder, domain
        self.server: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.key = self.make_key()
        (folder / "nsd.conf").write_text(f"""
server:
    ip-address: {address}
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    database: ""
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: {domain}
    zonefile: signed.zone
""")

    @property
    def trust_anchor(self) -> str:
        return str(self.folder / f"{self.key}.key")

    def run(self, *words: str | Path) -> str:
        return subprocess.run([str(word) for word in words], cwd=self.folder, check=True,
                              capture_output=True, text=True).stdout

    def make_key(self) -> str:
        return self.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", self.domain).strip()

    def text(self) -> str:
        """The zone file, unsigned."""
        raise NotImplementedError

    def sign(self, key: str | None = None) -> None:
        (self.folder / "zone").write_text(self.text())
        self.run("ldns-signzone", "-n", "-f", "signed.zone", "zone", key or self.key)

    def serve_unsigned(self) -> None:
        (self.folder / "signed.zone").write_text(self.text())
        self.stop()
        self.start()

    def start(self) -> None:
        self.server = subprocess.Popen(
            self.place.command(shutil.which("nsd") or "/usr/sbin/nsd", "-d", "-c",
                               self.folder / "nsd.conf"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def publish(self, key: str | None = None) -> None:
        """Another zone, served at once."""
        self.sign(key)
        self.stop()
        self.start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait()
            self.server = None
