"""The bound: the same requests with nothing around them. `python raw.py PORT STEPS`.

64 connections, one POST and one look a step, sent as constant bytes and read by searching for
one mark; no order, no parsing, no journal. What any client must do, and no more.
"""

from __future__ import annotations

import select
import socket
import sys

_CONNECTIONS = 64
_MARK = b'"jobId": "'


def _post(step: int) -> bytes:
    body = b'{"job_name": "step-%d", "imageUri": "img", "args": ["run", "--number", "%d"]}' % (
        step,
        step,
    )
    head = b"POST /job HTTP/1.1\r\nHost: runner\r\nContent-Type: application/json\r\n"
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def run(port: int, steps: int) -> None:
    """Submit `steps` jobs and look at each once."""
    poll = select.epoll()
    peers: dict[int, socket.socket] = {}
    looking: dict[int, bool] = {}
    sent = done = 0
    for _ in range(min(_CONNECTIONS, steps)):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peers[peer.fileno()], looking[peer.fileno()] = peer, False
        poll.register(peer, select.EPOLLIN)
        peer.send(_post(sent))
        sent += 1
    while done < steps:
        for number, _ in poll.poll():
            peer = peers[number]
            data = peer.recv(65_536)
            if looking[number]:
                done += 1
                looking[number] = False
                if sent < steps:
                    peer.send(_post(sent))
                    sent += 1
            else:
                at = data.index(_MARK) + len(_MARK)
                job = data[at : data.index(b'"', at)]
                peer.send(b"GET /jobstatus?job_id=%s HTTP/1.1\r\nHost: runner\r\n\r\n" % job)
                looking[number] = True


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
