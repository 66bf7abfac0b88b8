"""Traffic that flows while things happen, and what became of each packet.

Echo requests go from several hosts to end-user networks at once. They are captured where they leave,
at every ETR and where they arrive, so that it can be said afterwards of each packet whether it was
lost, and whether it came to an ETR which the mapping named at that time.

A mapping that was changed may be followed for so long as the change says: docs/query.md, "How stale a
mapping can be".
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ivip_lab import ivip
from ivip_lab.ports import PORT_REST
from ivip_lab.topology import Prefix

from . import tools
from .capture import Capture, Packet, capturing
from .demo import Demo
from .moments import acknowledged_ns, commanded_ns, first_through
from .report import NotHeld, Step

INTERVAL_US = 5000          # of each flow
PAUSE_SECONDS = 0.4         # before and after what happens, so that there is something to compare
COMMANDER = "H4"            # whence users command: any host with a token will do
PACKETS = "icmp or ip proto 4 or icmp6 or ip6 proto 41"
# How long after its acknowledgement a change may not be followed yet. Nothing is lost: about a
# second is the aim of the architecture.
PROMPT_SECONDS = 1.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Flow:
    source: str
    target: str
    family: int

    def __str__(self) -> str:
        return f"{self.source} to {self.target} over IPv{self.family}"


@dataclass(frozen=True)
class Change:
    """A micronet moved from one ETR to another by its owner's command."""

    network: str
    family: int
    before: str
    etr: str
    command: tools.Command
    stale_seconds: float


@dataclass
class FlowOutcome:
    flow: Flow
    sent: int
    lost: int
    lost_at: float              # seconds into the flow when the first was lost
    silent_ms: float            # longest time without an arrival


@dataclass
class Outcome:
    flows: list[FlowOutcome] = field(default_factory=list)
    at_etrs: int = 0            # packets that arrived at ETRs
    wrong: list[str] = field(default_factory=list)  # those that came where they should not
    stale_ms: float = 0.0       # latest arrival at the ETR before, after an acknowledgement
    refused: float = 0.0        # packets that ITRs could not hold any more while they asked

    @property
    def sent(self) -> int:
        return sum(flow.sent for flow in self.flows)

    @property
    def lost(self) -> int:
        return sum(flow.lost for flow in self.flows)

    @property
    def silent_ms(self) -> float:
        return max(flow.silent_ms for flow in self.flows)


def move(demo: Demo, network: str, family: int, stale_seconds: float = PROMPT_SECONDS) -> Change:
    """Moves a network to its other ETR."""
    before = demo.etr_of(network, family)
    spi = demo.lab.topology.networks[network].spi
    assert spi is not None
    etr = next(name for name in spi.etrs if name != before)
    command = tools.must(tools.user(demo.lab, COMMANDER, demo.owner(network), "map",
                                    demo.micronet(family, network), demo.address(etr, family)))
    demo.mapped[network, family] = etr
    return Change(network, family, before, etr, command, stale_seconds)


class Traffic:
    """What flows now. Made by `flowing`."""

    def __init__(self, demo: Demo, flows: list[Flow], got: dict[str, Capture],
                 elsewhere: tuple[str, ...]) -> None:
        self._demo = demo
        self._flows = flows
        self._got = got
        self._elsewhere = elsewhere  # nodes where no packet for an end user may arrive
        self._begin = dict(demo.mapped)
        self._refused = hold_refused(demo)
        self.changes: list[Change] = []

    # ---- while it flows

    def change(self, network: str, family: int, stale_seconds: float = PROMPT_SECONDS) -> Change:
        """Moves a network to its other ETR."""
        change = move(self._demo, network, family, stale_seconds)
        self.changes.append(change)
        return change

    def followed(self, change: Change) -> dict[str, float]:
        """Waits until all flows to that network come by its new ETR: milliseconds from the
        acknowledgement of the change to the first such packet, by source. Raises NotHeld."""
        waiting = [flow for flow in self._flows
                   if self._network(flow) == change.network and flow.family == change.family]
        deadline = time.monotonic() + change.stale_seconds + PROMPT_SECONDS
        done: dict[str, float] = {}
        while waiting:
            for flow in list(waiting):
                with contextlib.suppress(NotHeld):
                    done[flow.source] = self._followed_ms(flow, change)
                    waiting.remove(flow)
            if waiting and time.monotonic() > deadline:
                raise NotHeld(f"{waiting[0]} did not follow {change.command}")
            time.sleep(POLL_SECONDS)
        return done

    def wait(self, seconds: float) -> None:
        """Lets it flow."""
        time.sleep(seconds)

    def _followed_ms(self, flow: Flow, change: Change) -> float:
        first = first_through(self._got[change.etr].packets,
                              self._demo.address(flow.source, flow.family),
                              self._demo.address(change.etr, flow.family),
                              change.command.begin_ns,
                              self._demo.address(flow.target, flow.family))
        return (first - self._acknowledged_ns(change)) / 1e6

    def _network(self, flow: Flow) -> str:
        return self._demo.lab.topology.nodes[flow.target].network

    def _ruas(self, change: Change) -> str:
        owner = self._demo.owner(change.network)
        return self._demo.address(ivip.ruas_of(self._demo.lab, owner), 4)

    def _acknowledged_ns(self, change: Change) -> int:
        return acknowledged_ns(self._got[COMMANDER].packets, self._ruas(change), change.command)

    # ---- afterwards

    def outcome(self) -> Outcome:
        """What became of all packets; once the captures are whole."""
        outcome = Outcome(flows=[self._flow_outcome(flow) for flow in self._flows],
                          refused=hold_refused(self._demo) - self._refused)
        for network in self._demo.lab.topology.networks.values():
            for prefix in network.spi.prefixes if network.spi else ():
                self._judge(outcome, network.name, prefix.version)
        for node in {flow.target for flow in self._flows}:
            own = self._demo.lab.plan.prefixes(self._demo.lab.topology.nodes[node].network)
            outcome.wrong += [f"{packet.inner.source} to {packet.inner.target} at {node}"
                              for packet in self._got[node].packets if packet.echo is not None
                              and not any(within(packet.inner.target, prefix) for prefix in own)]
        for node in self._elsewhere:
            mabs = self._demo.lab.topology.mabs
            outcome.wrong += [f"{packet.inner.source} to {packet.inner.target} at {node}"
                              for packet in self._got[node].packets if packet.tunnelled
                              or any(within(packet.inner.target, mab) for mab in mabs)]
        return outcome

    def _flow_outcome(self, flow: Flow) -> FlowOutcome:
        demo = self._demo
        source = demo.address(flow.source, flow.family)
        target = demo.address(flow.target, flow.family)
        sent, arrived = self._got[flow.source].packets, self._got[flow.target].packets
        left = [packet for packet in sent if is_request(packet, source, target)]
        came = {packet.echo for packet in arrived if is_request(packet, source, target)}
        missing = [packet.time_ns for packet in left if packet.echo not in came]
        times = [packet.time_ns for packet in arrived if is_request(packet, source, target)]
        silent = max((after - before for before, after in zip(times, times[1:], strict=False)),
                     default=0)
        lost_at = (missing[0] - left[0].time_ns) / 1e9 if missing else 0.0
        return FlowOutcome(flow, len(left), len(missing), lost_at, silent / 1e6)

    def _judge(self, outcome: Outcome, network: str, family: int) -> None:
        """Every packet for one micronet at every ETR."""
        prefix = ipaddress.ip_network(self._demo.micronet(family, network))
        spi = self._demo.lab.topology.networks[network].spi
        assert spi is not None
        changes = [change for change in self.changes
                   if (change.network, change.family) == (network, family)]
        named = self._named(self._begin.get((network, family), spi.etrs[0]), changes)
        acknowledged = {change.command.begin_ns: self._acknowledged_ns(change) for change in changes}
        for etr in spi.etrs:
            for packet in self._got[etr].packets:
                if not packet.tunnelled or not within(packet.inner.target, prefix):
                    continue
                outcome.at_etrs += 1
                at = packet.time_ns
                if not any(name == etr and begin <= at <= end for name, begin, end in named):
                    outcome.wrong.append(f"{packet.inner.source} to {packet.inner.target} at {etr}")
                last = latest(changes, at)
                if last is not None and last.before == etr:
                    stale_ms = (at - acknowledged[last.command.begin_ns]) / 1e6
                    outcome.stale_ms = max(outcome.stale_ms, stale_ms)

    def _named(self, first: str, changes: list[Change]) -> list[tuple[str, float, float]]:
        """Which ETR may be used from when to when."""
        named: list[tuple[str, float, float]] = [(first, 0, float("inf"))]
        for change in changes:
            name, begin, _end = named[-1]
            until = self._acknowledged_ns(change) + change.stale_seconds * 1e9
            named[-1] = (name, begin, until)
            commanded = commanded_ns(self._got[COMMANDER].packets, self._ruas(change),
                                     change.command)
            named.append((change.etr, commanded, float("inf")))
        return named


@functools.lru_cache(maxsize=4096)
def within(address: str, prefix: Prefix) -> bool:
    return ipaddress.ip_address(address) in prefix


def latest(changes: list[Change], at_ns: int) -> Change | None:
    """The change that was commanded last at that time."""
    before = [change for change in changes if change.command.begin_ns <= at_ns]
    return before[-1] if before else None


def is_request(packet: Packet, source: str, target: str) -> bool:
    return packet.echo is not None and packet.inner.source == source \
        and packet.inner.target == target


def hold_refused(demo: Demo) -> float:
    """Packets that ITRs dropped since they started because they held too many for one destination."""
    return sum(tools.total(demo.lab, node.name, "ivip_itr_not_tunnelled_total", reason="hold-full")
               for node in demo.lab.topology.with_role("itr"))


def uplink(demo: Demo, node: str) -> str:
    """The device towards the rest of the Internet: to a transit network, or the only one."""
    topology = demo.lab.topology
    peers = [link.other(node) for link in topology.links_of(node)]
    transit = [peer for peer in peers if topology.networks[topology.nodes[peer].network].transit]
    return (transit or peers)[0]


@contextlib.contextmanager
def flowing(demo: Demo, title: str, flows: list[Flow],
            elsewhere: tuple[str, ...] = ()) -> Iterator[Traffic]:
    """Traffic during the block, and some before and after it. `elsewhere` are nodes where packets
    for end users have no business."""
    topology = demo.lab.topology
    etrs = {etr for _user, spi in topology.spi_uses() for etr in spi.etrs}
    nodes = {flow.source for flow in flows} | {flow.target for flow in flows} | etrs
    targets = {flow.target for flow in flows}
    places = [(node, "any" if node in targets else uplink(demo, node))
              for node in sorted(nodes | {COMMANDER} | set(elsewhere))]
    only = f"{PACKETS} or (tcp and port {PORT_REST})"
    with capturing(demo.lab, demo.folder / title, places, only) as got:
        floods = [tools.Flood(demo.lab, flow.source, flow.target, flow.family, INTERVAL_US)
                  for flow in flows]
        try:
            for flood in floods:
                flood.await_begun()
            time.sleep(PAUSE_SECONDS)
            yield Traffic(demo, flows, got, elsewhere)
            time.sleep(PAUSE_SECONDS)
        finally:
            stop_all(floods)


def stop_all(floods: list[tools.Flood]) -> None:
    for flood in floods:
        flood.interrupt()
    for flood in floods:
        flood.sum_up()


def report(step: Step, outcome: Outcome, may_lose: bool = False) -> str:
    """Shows what became of the packets and expects that none came to a wrong place and, unless some
    may be lost, that all arrived but those which an ITR had no room to hold. Returns it in a few
    words."""
    for flow in outcome.flows:
        since = f" from {flow.lost_at:.2f} s on" if flow.lost else ""
        step.show(f"{flow.flow}: {flow.sent} packets, {flow.lost} lost{since}, "
                  f"longest silence {flow.silent_ms:.0f} ms")
    step.show(f"{outcome.at_etrs} packets at the ETRs, {len(outcome.wrong)} of them where no mapping "
              f"named it; latest at the ETR before: {outcome.stale_ms:.1f} ms after the "
              "acknowledgement")
    step.expect(outcome.at_etrs > 0, "packets were captured at the ETRs")
    step.expect(not outcome.wrong, "no packet in a wrong place: " + ", ".join(outcome.wrong[:3]))
    if outcome.refused:
        step.show(f"{outcome.refused:.0f} packets were more than an ITR holds for one destination")
    step.expect(may_lose or outcome.lost <= outcome.refused, "no packet lost")
    step.measured("", sent=outcome.sent, lost=outcome.lost, wrong=len(outcome.wrong),
                  at_etrs=outcome.at_etrs, silent_ms=outcome.silent_ms, stale_ms=outcome.stale_ms)
    return (f"{len(outcome.wrong)} of {outcome.at_etrs} packets in a wrong place, "
            f"{outcome.lost} lost, longest silence {outcome.silent_ms:.0f} ms")
