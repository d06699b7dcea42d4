"""A small RTSP server, as cameras have one: for tests of what reads their addresses."""

import contextlib
import socket
import threading
import time

_DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 33\r\na=control:track\r\n"
)
_CHUNK = 7 * 188  # bytes of a transport stream in a packet


class RtspServer:
    """Sends a transport stream over the connection of each client (RFC 2326, 10.12; RFC 2250).

    A context manager.

    Args:
        content: the transport stream.
        seconds: how long it takes.

    Attributes:
        address: where it is.
        requests: methods that clients have asked for.
    """

    def __init__(self, content, seconds):
        self._content, self._seconds, self.requests = content, seconds, []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/camera"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._socket.close()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            asked = connection.makefile("rb")
            while line := asked.readline():
                method = line.decode().split(" ")[0]
                self.requests.append(method)
                fields = dict(iter(lambda: _field(asked), None))
                more, body = {
                    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
                    "DESCRIBE": ("Content-Type: application/sdp\r\n", _DESCRIPTION),
                    "SETUP": ("Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n", ""),
                }.get(method, ("Session: 1\r\n", ""))
                head = f"RTSP/1.0 200 OK\r\nCSeq: {fields['cseq']}\r\n{more}"
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
                if method == "PLAY":
                    self._play(connection)
                    return

    def _play(self, connection):
        starts = range(0, len(self._content), _CHUNK)
        for number, start in enumerate(starts):
            part = self._content[start : start + _CHUNK]
            stamp = round(90_000 * self._seconds * number / len(starts))
            packet = b"\x80\x21" + number.to_bytes(2) + stamp.to_bytes(4) + bytes(4) + part
            connection.sendall(b"$\0" + len(packet).to_bytes(2) + packet)
            time.sleep(self._seconds / len(starts))


def _field(file):
    """The next field of a request; None at the end of its head."""
    name, _, value = file.readline().decode().strip().partition(":")
    return (name.lower(), value.strip()) if name else None
