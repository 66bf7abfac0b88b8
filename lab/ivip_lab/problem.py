"""What went wrong, in a sentence for the person at the terminal."""

from __future__ import annotations


class Problem(Exception):
    """Ends a command with this text and exit status 1."""


class TopologyProblem(Problem):
    """The topology file is not right; the text begins with FILE:LINE."""
