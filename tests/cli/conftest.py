"""A RUAS on loopback with one user, and other nodes that a test starts."""

import contextlib

import pytest
from command import make_key
from daemon import Node, Ruas, free_port


@pytest.fixture
def start():
    """Starts nodes that are stopped when the test ends."""
    with contextlib.ExitStack() as stack:  # stops each, also when another does not
        def begin(config, **options):
            node = Node(config, **options)
            stack.callback(node.stop)
            return node

        yield begin


@pytest.fixture(scope="module")
def ruas(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ruas")
    key = make_key(directory / "key")
    ports = {name: free_port() for name in ("rest", "public", "metrics")}
    config = directory / "ruas.yaml"
    config.write_text(f"""\
name: ruas
key: {directory}/key
state: {directory}/state
control: {directory}/control.sock
metrics: "127.0.0.1:{ports['metrics']}"
ruas:
  listen: "127.0.0.1:{ports['rest']}"
  public: "127.0.0.1:{ports['public']}"
  mabs: [20.0.0.0/14, "2001:db8::/32"]
""")
    node = Node(config)
    try:
        node.wait_for(r"^info node: ready")
        (directory / "client.yaml").write_text(
            f"uas: https://127.0.0.1:{ports['rest']}\nkey: {key}\ntoken_file: {directory}/token\n")
        made = Ruas(directory, directory / "control.sock", directory / "client.yaml", key,
                    ports["metrics"], node, ports)
        assert made.operator("user", "add", "anna", stdin="correct horse\n").status == 0
        assert made.operator("uab", "add", "20.1.0.0/24", "anna").status == 0
        assert made.operator("uab", "add", "2001:db8::/48", "anna").status == 0
        (directory / "token").write_text(made.operator("token", "add", "anna").out)
        yield made
    finally:
        assert node.stop() == 0
