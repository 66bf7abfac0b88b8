"""Secrets: passwords that are typed on a terminal, and changed; files of tokens."""

import base64
import os
import pty
import signal
import ssl
import subprocess
import termios
import time
import urllib.error
import urllib.request

import pytest

from command import IVIP, LIMIT_SECONDS


class Typist:
    """A terminal on which `ivip user add dora` asks for a password.

    What is to be ignored is so before it starts; nothing else is, whoever runs this test."""

    def __init__(self, ruas, ignored=None):
        def set_signals():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

        self.ours, self.theirs = pty.openpty()
        self.said = b""
        self.process = subprocess.Popen(
            [IVIP, "user", "add", "dora", "--control", str(ruas.control)], stdin=self.theirs,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=set_signals)

    def echoes(self):
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def await_question(self, number):
        """The echo is off once the question is there."""
        while self.said.count(b"dora: ") < number:
            self.said += os.read(self.process.stderr.fileno(), 256)
            end = time.monotonic() + LIMIT_SECONDS
            while self.echoes():
                assert time.monotonic() < end

    def end(self):
        """Exit status, what the program said and what the terminal showed."""
        try:
            _, rest = self.process.communicate(timeout=LIMIT_SECONDS)
        finally:
            self.process.kill()
        os.set_blocking(self.ours, False)
        try:
            shown = os.read(self.ours, 4096)
        except BlockingIOError:
            shown = b""
        assert self.echoes()
        os.close(self.ours)
        os.close(self.theirs)
        return self.process.returncode, (self.said + rest).decode(), shown


def test_a_password_on_a_terminal(ruas):
    def type_in(*lines):
        typist = Typist(ruas)
        for count, line in enumerate(lines, 1):
            typist.await_question(count)
            os.write(typist.ours, line)
        return typist.end()

    status, said, shown = type_in(b"battery staple\n", b"another staple\n")
    assert status == 1 and "were not the same" in said
    assert b"staple" not in shown
    status, said, shown = type_in(b"battery staple\n", b"battery staple\n")
    assert status == 0
    assert b"staple" not in shown
    assert ruas.operator("user", "remove", "dora").status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_password_that_is_given_up(ruas, number):
    """Whoever interrupts the question has a terminal with its echo back."""
    typist = Typist(ruas)
    typist.await_question(1)
    typist.process.send_signal(number)
    status, said, _ = typist.end()
    assert status == -number and "no password" not in said


def test_a_signal_that_was_ignored(ruas):
    """As under nohup: the question stays."""
    typist = Typist(ruas, signal.SIGINT)
    typist.await_question(1)
    typist.process.send_signal(signal.SIGINT)
    os.write(typist.ours, b"battery staple\n")
    typist.await_question(2)
    os.write(typist.ours, b"other\n")
    status, said, _ = typist.end()
    assert status == 1 and "were not the same" in said


def test_a_line_too_long(ruas):
    typist = Typist(ruas)
    typist.await_question(1)
    os.write(typist.ours, b"x" * 2000 + b"\n")
    status, said, _ = typist.end()
    assert status == 1 and "no password" in said


def log_in(ruas, password):
    """The HTTP status that anna gets with a password."""
    nobody = ssl.create_default_context()
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    credentials = base64.b64encode(f"anna:{password}".encode()).decode()
    request = urllib.request.Request(f"https://127.0.0.1:{ruas.ports['rest']}/v1/me",
                                     headers={"Authorization": f"Basic {credentials}"})
    try:
        with urllib.request.urlopen(request, context=nobody, timeout=LIMIT_SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_another_password(ruas):
    """The old one is worth nothing from then on; UABs and tokens are as they were."""
    assert log_in(ruas, "correct horse") == 200
    changed = ruas.operator("user", "password", "anna", stdin="wrong horse\n")
    assert (changed.status, changed.err) == (0, "")
    assert log_in(ruas, "correct horse") == 401
    assert log_in(ruas, "wrong horse") == 200
    assert ruas.user("show").status == 0
    assert "20.1.0.0/24" in ruas.operator("uab", "list", "anna").out
    assert "user-password" in ruas.operator("audit", "--limit", "3").out
    assert "horse" not in ruas.operator("audit", "--json").out
    unknown = ruas.operator("user", "password", "zoe", stdin="wrong horse\n")
    assert unknown.status == 1 and 'there is no user "zoe"' in unknown.err
    assert ruas.operator("user", "password", "anna", stdin="short\n").status == 1
    assert ruas.operator("user", "password").status == 2
    assert log_in(ruas, "wrong horse") == 200


def test_token_file_is_its_owners(ruas, tmp_path):
    file = tmp_path / "token"
    with open(file, "w", encoding="ascii") as out:
        os.fchmod(out.fileno(), 0o644)
        subprocess.run([IVIP, "token", "add", "anna", "--control", ruas.control], stdout=out,
                       check=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("ivip_")
