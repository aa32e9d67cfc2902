"""What job and server say to each other on their socket."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

VARIABLE = "WSOL_WARM"
"""Environment variable of jobs: path of the server's socket; `0`, set by a user, keeps a run from starting one."""

STREAMS = (0, 1, 2)
DO_IT_YOURSELF, ACCEPTED = b"n", b"y"

_LENGTH = struct.Struct("!I")
_STATUS = struct.Struct("!i")


class GoneError(Exception):
    """The other side closed the connection, or said what it should not."""


def send_request(connection: socket.socket, request: dict[str, Any]) -> None:
    """Send the job's request and its open standard streams."""
    payload = json.dumps(request).encode("utf-8", "surrogateescape")
    socket.send_fds(connection, [_LENGTH.pack(len(payload))], list(STREAMS))
    connection.sendall(payload)


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The request and new descriptors of the job's streams, which the caller closes."""
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, len(STREAMS))
    if len(streams) != len(STREAMS):
        raise GoneError("a job that sends no streams")
    head += _exactly(connection, _LENGTH.size - len(head))
    request = json.loads(_exactly(connection, _LENGTH.unpack(head)[0]).decode("utf-8", "surrogateescape"))
    return dict(request), list(streams)


def send_status(connection: socket.socket, status: int) -> None:
    """Exit code of the child, or minus the number of the signal that ended it."""
    connection.sendall(_STATUS.pack(status))


def receive_status(connection: socket.socket) -> int:
    return int(_STATUS.unpack(_exactly(connection, _STATUS.size))[0])


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = connection.recv(size - len(received))
        if not more:
            raise GoneError(f"{len(received)} of {size} bytes came")
        received += more
    return received
