"""`ivip usage` at a RUAS, with more traffic than one answer holds."""

import csv
import io
import sqlite3

FIRST = (20 << 24) + (1 << 16)  # 20.1.0.0
OTHER = (20 << 24) + (3 << 16)  # 20.3.0.0, which is delegated to nobody
MICRONETS = 100_002
HIGHEST_BIT = 1 << 63  # turned, in the ledger, so that signed numbers sort


def note(ruas, rows):
    """Traffic of a minute in 2026, as if an ITR had reported it."""
    ledger = sqlite3.connect(ruas.directory / "state/usage-ledger.sqlite", timeout=30)
    with ledger:
        rows = [(start - HIGHEST_BIT,) for start in rows]
        ledger.executemany("INSERT INTO usage VALUES(29500000, 4, ?, 1, zeroblob(32), 1, 100)", rows)
        ledger.executemany(f"INSERT INTO days VALUES({29500000 // 1440}, 4, ?, 1, 1, 100)", rows)
    ledger.close()


def test_users_are_charged_by_all_there_is(ruas):
    assert ruas.operator("usage", "--by", "user", "--json").json["usage"] == []
    note(ruas, [FIRST + 5, FIRST + 6, *range(OTHER, OTHER + MICRONETS)])
    users = ruas.operator("usage", "--by", "user", "--json").json
    assert users["more"] is False
    assert users["usage"] == [
        {"user": "anna", "uab": "20.1.0.0/24", "packets": 2, "octets": 200},
        {"user": None, "uab": None, "packets": MICRONETS, "octets": 100 * MICRONETS}]
    # A list that long is cut, and says so.
    by_micronet = ruas.operator("usage", "--by", "micronet", "--csv")
    lines = list(csv.DictReader(io.StringIO(by_micronet.out)))
    assert len(lines) == 100_000 and "There are more" in by_micronet.err
    assert lines[0] == {"micronet": "20.1.0.5", "user": "anna", "packets": "1", "octets": "100"}
    assert lines[2]["micronet"] == "20.3.0.0" and lines[2]["user"] == ""
    assert ruas.operator("usage", "--by", "micronet", "--json").json["more"] is True
    # Whole days are summed up by days, other times by minutes.
    part = ruas.operator("usage", "--by", "user", "--from", "2026-01-01T00:01:00Z", "--json").json
    assert part["usage"] == users["usage"]
    # Of another time there is nothing.
    assert ruas.operator("usage", "--by", "user", "--to", "2020-01-01T00:00:00Z").out == ""
