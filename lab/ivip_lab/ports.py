"""Ports of Ivip nodes: the defaults of docs/protocol.md."""

from __future__ import annotations

PORT_QUERY = 4746
PORT_PUBLIC = 4747
PORT_REST = 4748
PORT_FEED = 4749
PORT_METRICS = 9746
