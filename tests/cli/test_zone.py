"""`ivip zone`: the DNS zone of all MABs."""

import copy

import pytest
import yaml

from command import ivip

LIST = {
    "domain": "ivip.example",
    "servers": [{"name": "ns1", "addresses": ["192.0.2.53"]}, {"name": "ns.example.net"}],
    "dsocs": [
        {"label": "acme", "mabs": ["20.0.0.0/14", "2001:db8::/32"], "qsas": [
            {"name": "north", "addresses": ["198.18.9.2", "2001:db8:9::2"]},
            {"name": "qsa.dns.example.net", "port": 4750, "priority": 10}]},
        {"label": "beta", "mabs": ["20.8.0.0/16"], "qsas": [
            {"name": "one", "addresses": ["198.18.9.3:4747"]}]}],
    "refuse": ["198.18.0.0/24"],
}


def written(tmp_path, content, *words):
    file = tmp_path / "list.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return ivip("zone", file, *words)


def test_zone(tmp_path):
    lines = written(tmp_path, LIST, "--serial", "7").out.splitlines()
    assert lines[:5] == [
        "$ORIGIN ivip.example.",
        "@ 300 IN SOA ns1 hostmaster 7 3600 600 1209600 60",
        "@ 86400 IN NS ns1",
        "@ 86400 IN NS ns.example.net.",
        "ns1 86400 IN A 192.0.2.53"]
    page = lines[6].split("._ivip ")[0]
    assert lines[5] == f'_ivip 300 IN TXT "v=ivip1" "level=0" "page={page}"'
    assert lines[6] == (f'{page}._ivip 86400 IN TXT "20.0.0.0/14 acme" "20.8.0.0/16 beta" '
                        '"198.18.0.0/24 -" "2001:db8::/32 acme"')
    assert lines[7:] == [
        "_ivip-qsa._udp.acme 300 IN SRV 0 0 4746 north.acme",
        "_ivip-qsa._udp.acme 300 IN SRV 10 0 4750 qsa.dns.example.net.",
        "north.acme 300 IN A 198.18.9.2",
        "north.acme 300 IN AAAA 2001:db8:9::2",
        "_ivip-qsa._udp.beta 300 IN SRV 0 0 4747 one.beta",
        "one.beta 300 IN A 198.18.9.3"]


def test_one_host_at_two_ports(tmp_path):
    two = copy.deepcopy(LIST)
    two["dsocs"][0]["qsas"].append({"name": "qsa.dns.example.net"})
    lines = written(tmp_path, two).out.splitlines()
    assert [line for line in lines if "qsa.dns.example.net" in line] == [
        "_ivip-qsa._udp.acme 300 IN SRV 10 0 4750 qsa.dns.example.net.",
        "_ivip-qsa._udp.acme 300 IN SRV 0 0 4746 qsa.dns.example.net."]


def test_serial_grows_with_changes_only(tmp_path):
    first = written(tmp_path, LIST, "--serial", "4294967295").out
    before = tmp_path / "before.zone"
    before.write_text(first)
    assert written(tmp_path, LIST, "--previous", before).out == first
    other = copy.deepcopy(LIST)
    other["dsocs"][1]["mabs"].append("30.0.0.0/16")
    changed = written(tmp_path, other, "--previous", before).out
    assert " hostmaster 1 " in changed  # 0 is passed over
    assert "30.0.0.0/16 beta" in changed


def test_one_more_mab_changes_few_pages(tmp_path):
    many = copy.deepcopy(LIST)
    many["dsocs"][0]["mabs"] = [f"{30 + i // 256}.{i % 256}.0.0/16" for i in range(5000)]
    first = set(written(tmp_path, many).out.splitlines())
    many["dsocs"][0]["mabs"].append("100.0.0.0/16")
    second = set(written(tmp_path, many).out.splitlines())
    assert len(second - first) <= 8
    assert len(first) > 100


@pytest.mark.parametrize("change, words", [
    (lambda z: z["dsocs"][1]["mabs"].append("20.1.0.0/16"),
     "20.1.0.0/16 (beta) overlaps 20.0.0.0/14 (acme)"),
    (lambda z: z["dsocs"][1].update(label="acme"), "acme is listed twice"),
    (lambda z: z["dsocs"][1].update(label="a_b"), '"a_b" is no label'),
    (lambda z: z["dsocs"][1]["mabs"].append("30.0.0.0/30"), "beta: "),
    (lambda z: z["dsocs"][1]["qsas"].append({"name": "two"}), 'one label needs "addresses"'),
    (lambda z: z.update(domain="ivip.example."), '"ivip.example." is no domain'),
    (lambda z: z["dsocs"][1].update(qsas=[]), "beta: at least one QSA was expected"),
    (lambda z: z["dsocs"][0]["qsas"][0].update(port=4750), 'north: "port" is for a host elsewhere'),
    (lambda z: z["dsocs"][0]["qsas"].append({"name": "North", "addresses": ["198.18.9.9"]}),
     "the host North is listed twice"),
    (lambda z: z["dsocs"][0]["qsas"].append(dict(z["dsocs"][0]["qsas"][1])),
     "the host qsa.dns.example.net is listed twice"),
    (lambda z: z["dsocs"][0]["qsas"][0]["addresses"].append("::"), "nobody can be reached at ::"),
    (lambda z: z["servers"].append({"name": "NS1", "addresses": ["192.0.2.54"]}),
     "the host NS1 is listed twice"),
    (lambda z: z["servers"][0].update(addresses=["192.0.2.53:5353"]),
     "ns1: name servers are asked at port 53"),
    (lambda z: z["servers"][0].update(priority=1), "priority"),
])
def test_refuses(tmp_path, change, words):
    wrong = copy.deepcopy(LIST)
    change(wrong)
    result = written(tmp_path, wrong)
    assert result.status == 1
    assert words in result.err
    assert result.out == ""


def test_refuses_a_zone_of_others(tmp_path):
    before = tmp_path / "before.zone"
    before.write_text("$ORIGIN ivip.example.\n")
    result = written(tmp_path, LIST, "--previous", before)
    assert result.status == 1
    assert "no zone that `ivip zone` wrote" in result.err
