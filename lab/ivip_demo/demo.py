"""What the steps of a demo work on: the lab, and what they know about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ivip_lab.lab import Lab


@dataclass
class Demo:
    lab: Lab
    folder: Path  # for captures and files of the demo
    # Where each network's space is mapped to, by network and family, once it was changed.
    mapped: dict[tuple[str, int], str] = field(default_factory=dict)
    # Destinations that nobody asked for yet, once they were made (fresh.py).
    unasked: Iterator[str] | None = None

    def address(self, node: str, family: int) -> str:
        return str(self.lab.plan.address(node, family))

    def micronet(self, family: int, network: str = "N5") -> str:
        """The micronet of an end-user network; in figure 3 there is one."""
        spi = self.lab.topology.networks[network].spi
        assert spi is not None
        return next(str(prefix) for prefix in spi.prefixes if prefix.version == family)

    def etr_of(self, network: str, family: int) -> str:
        """The ETR that its space is mapped to: the first one at start."""
        spi = self.lab.topology.networks[network].spi
        assert spi is not None
        return self.mapped.get((network, family), spi.etrs[0])

    def owner(self, network: str) -> str:
        spi = self.lab.topology.networks[network].spi
        assert spi is not None
        return spi.owner
