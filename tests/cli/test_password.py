"""Passwords that are typed on a terminal."""

import os
import pty
import signal
import subprocess
import termios
import time

import pytest

from conftest import IVIP, LIMIT_SECONDS


class Typist:
    """A terminal on which `ivip user add dora` asks for a password."""

    def __init__(self, ruas):
        self.ours, self.theirs = pty.openpty()
        self.said = b""
        self.process = subprocess.Popen(
            [IVIP, "user", "add", "dora", "--control", str(ruas.control)], stdin=self.theirs,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

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
