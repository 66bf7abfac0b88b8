"""For all tests in Python: those who are told to end remove first what they made. Left to itself,
SIGTERM ends Python at once, and namespaces stay."""

import signal
import sys

sys.dont_write_bytecode = True  # nothing beside the sources


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
