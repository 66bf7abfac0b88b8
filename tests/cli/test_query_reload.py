"""What a QSA and a QSR take over at a reload, and what they refuse; and the others that they name."""

import signal
import socket

import pytest

from command import ivip, make_key
from daemon import free_port

UDP = socket.SOCK_DGRAM


def write_qsa(directory, key, **changes):
    values = {"listen": "127.0.0.1:4746", "feed": "127.0.0.1:4749", "key": key, "threads": 2,
              "url": "http://127.0.0.1:1", "caching_time": "600s", "peers": "[192.0.2.1]",
              "told": 1000} | changes
    (directory / "node.yaml").write_text(f"""\
name: n
state: {directory}/state
control: {directory}/control
metrics: none
log: debug
qsa: {{listen: "{values['listen']}", feed: "{values['feed']}", threads: {values['threads']},
      ruas: [{{key: {values['key']}, url: "{values['url']}"}}],
      caching_time: {values['caching_time']}, peers: {values['peers']},
      told_ranges: {values['told']}}}
""")
    return directory / "node.yaml"


def write_qsr(directory, **changes):
    values = {"listen": "127.0.0.1:4746", "upstreams": '["127.0.0.1:1"]', "threads": 2,
              "peers": "[192.0.2.1]", "told": 1000, "cached": 500} | changes
    (directory / "node.yaml").write_text(f"""\
name: n
state: {directory}/state
control: {directory}/control
metrics: none
qsr: {{listen: "{values['listen']}", threads: {values['threads']},
      upstreams: {values['upstreams']}, peers: {values['peers']},
      told_ranges: {values['told']}, cached_ranges: {values['cached']}}}
""")
    return directory / "node.yaml"


def alternatives(listen):
    result = ivip("query", "--json", "20.1.0.1", f"@{listen}")
    assert result.json["status"] == "try-another"
    return sorted(result.json["alternatives"])


def test_qsa(start, tmp_path):
    key = make_key(tmp_path / "key")
    at = {"listen": f"127.0.0.1:{free_port(UDP)}", "feed": f"127.0.0.1:{free_port(UDP)}"}
    node = start(write_qsa(tmp_path, key, **at)).wait_for("ready")
    # It has loaded nothing, so it sends everyone to the others.
    assert alternatives(at["listen"]) == ["192.0.2.1:4746"]
    new = {"caching_time": "60s", "peers": '["192.0.2.2:4747", 192.0.2.3]',
           "url": "http://127.0.0.1:2"}
    write_qsa(tmp_path, key, **at, **new)
    node.signal(signal.SIGHUP)
    node.wait_for("config reloaded")
    assert alternatives(at["listen"]) == ["192.0.2.2:4747", "192.0.2.3:4746"]
    node.wait_for("http://127.0.0.1:2/v1/directory")
    refused = {
        "qsa.listen and qsa.feed cannot change": {"listen": "127.0.0.1:9"},
        "qsa.threads cannot change": {"threads": 1},
        "qsa.told_ranges cannot change": {"told": 1001},
        "qsa.ruas names other keys": {"key": make_key(tmp_path / "other")},
    }
    for words, change in refused.items():
        write_qsa(tmp_path, **({"key": key} | at | {"peers": "[]"} | change))
        node.signal(signal.SIGHUP)
        node.wait_for(words)
        assert alternatives(at["listen"]) == ["192.0.2.2:4747", "192.0.2.3:4746"]
    assert node.stop() == 0


def test_qsr(start, tmp_path):
    at = {"listen": f"127.0.0.1:{free_port(UDP)}"}
    node = start(write_qsr(tmp_path, **at)).wait_for("ready")
    assert alternatives(at["listen"]) == ["192.0.2.1:4746"]  # nobody answers it
    write_qsr(tmp_path, **at, peers="[192.0.2.3]", upstreams='["127.0.0.1:2", "127.0.0.1:3"]')
    node.signal(signal.SIGHUP)
    node.wait_for("config reloaded")
    assert alternatives(at["listen"]) == ["192.0.2.3:4746"]
    status = ivip("status", "--json", "--control", tmp_path / "control").json
    upstreams = status["roles"]["qsr"]["cache"]["upstreams"]
    assert [upstream["server"] for upstream in upstreams] == ["127.0.0.1:2", "127.0.0.1:3"]
    assert len(status["roles"]["qsr"]["load"]) == 2
    assert status["roles"]["qsr"]["queriers"]["told_max"] == 1000
    assert status["roles"]["qsr"]["cache"]["cached_max"] == 500
    kept = "qsr.told_ranges and cached_ranges cannot change"
    for words, change in [("qsr.listen cannot change", {"listen": "127.0.0.1:9"}),
                          ("qsr.threads cannot change", {"threads": 1}),
                          (kept, {"told": 1001}), (kept, {"cached": 501})]:
        write_qsr(tmp_path, **(at | {"peers": "[]"} | change))
        node.signal(signal.SIGHUP)
        node.wait_for(words)
        assert alternatives(at["listen"]) == ["192.0.2.3:4746"]
    assert node.stop() == 0


@pytest.mark.parametrize("role", ["qsa", "qsr"])
def test_a_server_is_not_its_own_peer(tmp_path, role):
    file = (write_qsa(tmp_path, make_key(tmp_path / "key"), peers="[127.0.0.1]")
            if role == "qsa" else write_qsr(tmp_path, peers="[127.0.0.1]"))
    result = ivip("check", file)
    assert result.status == 1
    assert f"{role}.peers[0]: 127.0.0.1:4746 is this server itself" in result.err
