"""The steps on mapping: moved under traffic, split, zeroed, commanded wrongly, and broken."""

from __future__ import annotations

import ipaddress
import json
import statistics
import time
from dataclasses import dataclass

from ivip_lab import ivip
from ivip_lab.namespace import run_ip
from ivip_lab.ports import PORT_REST
from ivip_lab.up_down import restore_routes

from . import tools
from .capture import capturing
from .demo import Demo
from .moments import acknowledged_ns, commanded_ns, first_through, lost_requests
from .report import NotHeld, Step
from .steps import pcap_filter

COMMANDER = "H2"             # whence the owner of N5 commands: any host with a token will do
USER = "n5"
PAUSE_SECONDS = 0.4          # between moves, for packets in flight to arrive
MEDIAN_MS_MAX = 50.0         # what the demo is to reach


def map_to(demo: Demo, family: int, etr: str) -> tools.Command:
    target = etr if etr == "zero" else demo.address(etr, family)
    return tools.must(tools.user(demo.lab, COMMANDER, USER, "map", demo.micronet(family), target))


# ---- moving under traffic


@dataclass(frozen=True)
class Move:
    """What one move did to one flood; milliseconds."""

    from_ack: float      # from the acknowledgement at the commander to the first packet
    from_command: float  # from the command's first packet


def moves(demo: Demo, step: Step, family: int, count: int,
          median_ms_max: float = MEDIAN_MS_MAX) -> None:
    """Moves N5 between its ETRs while H1 (by the DITR) and H3 (by its own caching ITR) flood it."""
    ruas = demo.address("RUAS", 4)
    senders = {"H1": "the DITR with its full database", "H3": "its own caching ITR"}
    places = [("H1", "BR1"), ("H3", "ITR2"), ("ETR1", "BR3"), ("ETR2", "BR4"), ("IH9", "CE1"),
              (COMMANDER, "BR1")]
    only = f"{pcap_filter(family)} or (tcp and port {PORT_REST})"
    step.command("H1, H3", f"ping -{family} IH9      (each a packet every millisecond, both at once)")
    commands: list[tuple[str, tools.Command]] = []
    with capturing(demo.lab, demo.folder / f"moves{family}", places, only) as got:
        with tools.flooding(demo.lab, list(senders), "IH9", family) as floods:
            time.sleep(PAUSE_SECONDS)
            for number in range(count):
                etr = ("ETR2", "ETR1")[number % 2]
                commands.append((etr, map_to(demo, family, etr)))
                time.sleep(PAUSE_SECONDS)
            pings = {flood.node: flood.stop() for flood in floods}
    step.command(COMMANDER, f"{commands[0][1]}      (and back, {count} moves)")

    at_commander = got[COMMANDER].packets
    lost_in_all = 0
    medians, worsts = {}, {}
    for node, what in senders.items():
        source = demo.address(node, family)
        done = [Move((first - acknowledged_ns(at_commander, ruas, command)) / 1e6,
                     (first - commanded_ns(at_commander, ruas, command)) / 1e6)
                for etr, command in commands
                for first in [first_through(got[etr].packets, source, demo.address(etr, family),
                                            commanded_ns(at_commander, ruas, command))]]
        lost = lost_requests(got[node].packets, got["IH9"].packets, source,
                             demo.address("IH9", family))
        lost_in_all += lost
        medians[node] = statistics.median(move.from_ack for move in done)
        worsts[node] = max(move.from_ack for move in done)
        whole = statistics.median(move.from_command for move in done)
        step.show(f"{node}, by {what}: {pings[node].sent} packets sent, {lost} lost")
        step.show(f"    acknowledgement to first packet through the new ETR: median "
                  f"{medians[node]:.1f} ms, worst {worsts[node]:.1f} ms")
        step.show(f"    from the command's first packet on: median {whole:.1f} ms")
        step.expect(medians[node] < median_ms_max, f"median under {median_ms_max:g} ms for {node}")
        step.expect(lost == 0, f"no packet from {node} lost, both ETRs working")
        step.measured("", **{f"{node}_ack_ms": [move.from_ack for move in done],
                             f"{node}_command_ms": [move.from_command for move in done],
                             f"{node}_sent": pings[node].sent, f"{node}_lost": lost})
    step.measured(f"median {medians['H1']:.1f} ms (DITR), {medians['H3']:.1f} ms (caching ITR), "
                  f"worst {max(worsts.values()):.1f} ms; {lost_in_all} packets lost")


# ---- traffic engineering


def apply(demo: Demo, commands: list[dict]) -> tools.Command:
    return tools.must(tools.user(demo.lab, COMMANDER, USER, "apply", "-",
                                 text=json.dumps(commands)))


def parts_of(demo: Demo) -> list[str]:
    """N5's IPv4 micronet in two: up to IH9, and from IH10 on; not on a binary boundary."""
    whole = ipaddress.IPv4Network(demo.micronet(4))
    return [f"{whole[0]}-{demo.address('IH9', 4)}", f"{demo.address('IH10', 4)}-{whole[-1]}"]


def engineering(demo: Demo, step: Step) -> None:
    """Splits N5's micronet in one atomic set under traffic: IH9 stays on ETR1, IH10 goes by ETR2."""
    whole = demo.micronet(4)
    parts = parts_of(demo)
    etr1, etr2 = demo.address("ETR1", 4), demo.address("ETR2", 4)
    split: list[dict] = [
        {"do": "map", "micronet": whole, "etr": "zero"},
        {"do": "split", "micronet": whole, "into": parts},
        {"do": "map", "micronet": parts[0], "etr": etr1},
        {"do": "map", "micronet": parts[1], "etr": etr2}]
    join: list[dict] = [
        *({"do": "map", "micronet": part, "etr": "zero"} for part in parts),
        {"do": "join", "micronets": parts},
        {"do": "map", "micronet": whole, "etr": etr1}]

    with tools.flooding(demo.lab, ["H1"], "IH9", 4) as floods:
        step.command(COMMANDER, "ivip apply -      (map to zero, split, map each part: one set)")
        apply(demo, split)
        step.show(tools.must(tools.user(demo.lab, COMMANDER, USER, "show")).output)
        time.sleep(PAUSE_SECONDS)
        places = [("ETR1", "BR3"), ("ETR2", "BR4")]
        with capturing(demo.lab, demo.folder / "split", places, pcap_filter(4)) as got:
            to_nine = tools.ping(demo.lab, "H3", "IH9", 4, count=20)
            to_ten = tools.ping(demo.lab, "H3", "IH10", 4, count=20)
        flood = floods[0].stop()
    counts = {}
    for host, etr, other in (("IH9", "ETR1", "ETR2"), ("IH10", "ETR2", "ETR1")):
        address = demo.address(host, 4)
        counts[host] = [sum(packet.tunnelled and packet.inner.target == address
                            and packet.inner.source == demo.address("H3", 4)
                            for packet in got[name].packets) for name in (etr, other)]
        step.show(f"H3 to {host}: {counts[host][0]} packets by {etr}, {counts[host][1]} by {other}")
        step.expect(counts[host] == [20, 0], f"all packets to {host} by {etr}")
    step.expect(to_nine.lost + to_ten.lost == 0, "every packet answered")
    step.expect(flood.lost == 0, "no packet of the flood lost: the set was seen whole")
    apply(demo, join)
    shown = tools.must(tools.user(demo.lab, COMMANDER, USER, "show")).output
    step.expect(whole in shown and parts[1] not in shown, "joined again")
    step.measured(f"IH9 {counts['IH9'][0]} of 20 by ETR1, IH10 {counts['IH10'][0]} of 20 by ETR2; "
                  f"{flood.lost} of {flood.sent} lost in the split")


# ---- zero and back


def zero_and_back(demo: Demo, step: Step) -> None:
    step.command(COMMANDER, f"ivip map {demo.micronet(4)} zero")
    map_to(demo, 4, "zero")
    time.sleep(PAUSE_SECONDS)
    answers = {node: tools.ping(demo.lab, node, "IH9", 4, count=10, interval=0.02)
               for node in ("H1", "H3")}
    for node, answer in answers.items():
        step.expect(answer.received == 0, f"nothing from {node} arrives while mapped to zero")
    step.command(COMMANDER, f"ivip map {demo.micronet(4)} {demo.address('ETR1', 4)}")
    map_to(demo, 4, "ETR1")
    time.sleep(PAUSE_SECONDS)
    back = {node: tools.ping(demo.lab, node, "IH9", 4, count=10, interval=0.02)
            for node in ("H1", "H3")}
    for node, answer in back.items():
        step.expect(answer.lost == 0, f"everything from {node} arrives again")
    step.measured(f"zero: {sum(answer.received for answer in answers.values())} of 20 arrived; "
                  f"back: {sum(answer.received for answer in back.values())} of 20")


# ---- wrong commands


def wrong_commands(demo: Demo, step: Step) -> None:
    before = tools.must(tools.user(demo.lab, COMMANDER, USER, "show", "--json")).output
    mine = demo.micronet(4)
    halves = [str(half) for half in ipaddress.IPv4Network(mine).subnets()]
    theirs = demo.address("IH5", 4)
    tries: list[tuple[str, list[str]]] = [
        ("space of someone else", ["map", theirs, demo.address("ETR2", 4)]),
        ("an ETR inside a MAB", ["map", mine, demo.address("IH8", 4)]),
        ("an ETR where none may be", ["map", mine, "127.0.0.1"]),
        ("a split of a micronet that carries traffic",
         ["split", mine, *halves]),
        ("a micronet over another one", ["define", halves[1], demo.address("ETR2", 4)]),
    ]
    reasons = []
    for what, words in tries:
        command = tools.user(demo.lab, COMMANDER, USER, *words)
        step.command(COMMANDER, f"{command}      ({what})")
        step.show(command.error or command.output)
        step.expect(command.status == 1, f"refused: {what}")
        reasons.append(reason_of(tools.user(demo.lab, COMMANDER, USER, *words, "--json")))
    stranger = tools.user(demo.lab, COMMANDER, ivip.STRANGER, "map", mine, demo.address("ETR2", 4))
    step.command(COMMANDER, f"{stranger}      (with a token that nobody was given)")
    step.show(stranger.error or stranger.output)
    step.expect(stranger.status == 1, "refused: a token that nobody was given")
    after = tools.must(tools.user(demo.lab, COMMANDER, USER, "show", "--json")).output
    step.expect(before == after, "nothing changed")
    step.expect(all(reasons) and len(set(reasons)) == len(reasons), "a reason of its own for each")
    step.measured(f"{len(tries) + 1} refused, nothing changed: {', '.join(reasons)}",
                  reasons=reasons)


def reason_of(command: tools.Command) -> str:
    for text in (command.output, command.error):
        try:
            return json.loads(text)["error"]["reason"]
        except (ValueError, KeyError, TypeError):
            continue
    return ""


# ---- faults


def ruas_killed(demo: Demo, step: Step) -> None:
    before = tools.must(tools.user(demo.lab, COMMANDER, USER, "show", "--json")).output
    with tools.flooding(demo.lab, ["H1", "H3"], "IH9", 4) as floods:
        time.sleep(PAUSE_SECONDS)
        step.command("RUAS", "kill -9 (its process)")
        down_ns = time.time_ns()
        ivip.kill_node(demo.lab, "RUAS")
        without = tools.user(demo.lab, COMMANDER, USER, "map", demo.micronet(4),
                             demo.address("ETR2", 4))
        step.show(f"a command meanwhile: {without.error or without.output}")
        step.expect(without.status == 3, "a command meanwhile is told that the RUAS is unreachable")
        time.sleep(1)
        ivip.start_node(demo.lab, "RUAS")
        ivip.await_nodes(demo.lab, ["RUAS"])
        up_ns = time.time_ns()
        time.sleep(PAUSE_SECONDS)
        pings = {flood.node: flood.stop() for flood in floods}
    after = tools.must(tools.user(demo.lab, COMMANDER, USER, "show", "--json")).output
    step.expect(before == after, "what was acknowledged is all there")
    for node, flood in pings.items():
        step.expect(flood.lost == 0, f"no packet from {node} lost")
    with capturing(demo.lab, demo.folder / "restarted", [("ETR2", "BR4")], pcap_filter(4)) as got:
        map_to(demo, 4, "ETR2")
        time.sleep(PAUSE_SECONDS)
        moved = tools.ping(demo.lab, "H3", "IH9", 4)
    through = sum(packet.tunnelled for packet in got["ETR2"].packets)
    step.expect(moved.lost == 0 and through >= moved.sent, "and the next command works")
    map_to(demo, 4, "ETR1")
    sent = sum(flood.sent for flood in pings.values())
    step.measured(f"down for {(up_ns - down_ns) / 1e9:.1f} s; {sum(p.lost for p in pings.values())} "
                  f"of {sent} packets lost; the next command moves N5")


def link_cut(demo: Demo, step: Step) -> None:
    """The reason for all this: N5's link to N3 breaks, and one command brings N5 back by N4."""
    lab = demo.lab
    try:
        with capturing(lab, demo.folder / "cut", [("IH9", "CE1"), (COMMANDER, "BR1")],
                       f"{pcap_filter(4)} or (tcp and port {PORT_REST})") as got:
            with tools.flooding(lab, ["H1"], "IH9", 4):
                time.sleep(PAUSE_SECONDS)
                step.command("PE1", "ip link set CE1 down")
                cut_ns = time.time_ns()
                run_ip(["-n", lab.namespace("PE1"), "link", "set", "CE1", "down"])
                command = map_to(demo, 4, "ETR2")
                step.command(COMMANDER, f"{command}")
                time.sleep(PAUSE_SECONDS)
        ruas = demo.address("RUAS", 4)
        acknowledged = acknowledged_ns(got[COMMANDER].packets, ruas, command)
        commanded = commanded_ns(got[COMMANDER].packets, ruas, command)
        source, target = demo.address("H1", 4), demo.address("IH9", 4)
        arrived = [packet.time_ns for packet in got["IH9"].packets if packet.echo is not None
                   and packet.inner.source == source and packet.inner.target == target]
        silent, again = max(zip(arrived, arrived[1:], strict=False),
                            key=lambda pair: pair[1] - pair[0])
        if again < commanded:
            raise NotHeld("no packet arrived by the other link")
        gap_ms = (again - silent) / 1e6
        answer = tools.ping(lab, "H1", "IH9", 4)
        step.expect(answer.lost == 0, "IH9 answers again, by CE1's other link")
        path = tools.trace(lab, "IH9", "H1", 4)
        step.show(f"IH9 to H1: {' > '.join(path)}")
        step.expect("ETR2" in path, "and its own packets leave by ETR2")
        parts = [(commanded - cut_ns) / 1e6, (acknowledged - commanded) / 1e6,
                 (again - acknowledged) / 1e6]
        step.show(f"cut to command {parts[0]:.0f} ms, command to acknowledgement {parts[1]:.0f} ms, "
                  f"acknowledgement to first packet {parts[2]:.1f} ms")
        step.measured(f"silent for {gap_ms:.0f} ms: {parts[0]:.0f} until the command was sent, "
                      f"{parts[1]:.0f} until it was acknowledged, {parts[2]:.1f} more",
                      gap_ms=gap_ms, parts_ms=parts)
    finally:
        run_ip(["-n", lab.namespace("PE1"), "link", "set", "CE1", "up"])
        for node in ("PE1", "CE1"):
            restore_routes(lab, node)
        map_to(demo, 4, "ETR1")
