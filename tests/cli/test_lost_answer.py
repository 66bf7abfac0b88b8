"""A change whose answer is lost on the way."""

import contextlib
import select
import socket
import threading

from command import LIMIT_SECONDS, ivip

FINISHED_OCTETS = 150  # what a client sends to end the handshake is less, any request more


@contextlib.contextmanager
def relay(to_port):
    """A way to the RUAS that breaks when the client sends its request, behind the handshake."""
    def pass_on(near, far):
        far.sendall(near.recv(65536))
        after = 0
        while after < FINISHED_OCTETS:
            for ready in select.select([near, far], [], [])[0]:
                some = ready.recv(65536)
                after += len(some) if ready is near else 0
                if not some:
                    return
                if after < FINISHED_OCTETS:
                    (far if ready is near else near).sendall(some)

    def serve(listener):
        near, _ = listener.accept()
        with near, socket.create_connection(("127.0.0.1", to_port)) as far:
            pass_on(near, far)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(LIMIT_SECONDS)


def test_an_answer_that_is_lost(ruas, tmp_path):
    """Whoever asked for a change learns that it may have been made."""
    for words, says in [(["define", "20.1.0.230"], "whether it was done is not known"),
                        (["show"], "is the RUAS running")]:
        with relay(ruas.ports["rest"]) as port:
            client = tmp_path / "client.yaml"
            client.write_text(ruas.client.read_text().replace(str(ruas.ports["rest"]), str(port)))
            result = ivip(*words, "--client", client)
        assert result.status == 3 and says in result.err
