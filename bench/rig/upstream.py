"""An upstream in the process of the script itself, for what needs no speed: one thread per connection."""

import re
import socket
import threading

from .bodies import completion, events


def response(body, status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunked():
    """The head of a stream and its chunks, one per event."""
    chunks = [event.encode() for event in [*events(), ""]]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)]


# What is written in response to a request, by the first part of its path, each item by a write of its own.
RESPONSES = {
    "chat": [response(completion().encode())],
    "stream": [b"".join(chunked())],
    "drip": chunked(),
    "fail": [response(b'{"error": {"message": "overloaded"}}', "503 Service Unavailable")],
}


class Upstream:
    """Reads each request to its end, then responds. With a `context` of ssl it speaks TLS."""

    def __init__(self, context=None):
        self.context, self.listener = context, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.respond, args=[connection], daemon=True).start()

    def respond(self, connection):
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        with connection:
            while head := message(connection):
                for part in RESPONSES[head.split(b"/")[1].decode()]:
                    connection.sendall(part)


def message(connection):
    """Reads one HTTP message; returns its head, or nothing at the end of the connection."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        part = connection.recv(1 << 20)
        if not part:
            return b""
        received += part
    head, body = bytes(received).split(b"\r\n\r\n", 1)
    length, received = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE), len(body)
    while received < int(length[1]) if length else not body.endswith(b"0\r\n\r\n"):
        body = connection.recv(1 << 20)
        received += len(body)
    return head
