"""The lightest Task Runner: an epoll loop that answers at once, or after a job's duration.

`python runner.py [DURATIONS.json]` prints its port. It knows the two documented requests and
nothing else; a job's duration is looked up by its name, 0 where there is none. `GET /counts`
gives the requests so far as JSON: [posts, looks, names posted more than once].
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from pathlib import Path

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_READ = 262_144


class Runner:
    """All jobs, and the counts of what was asked."""

    def __init__(self, durations_s: dict[str, float]) -> None:
        self._durations_s = durations_s
        self._ends: list[float] = []
        self._names: set[bytes] = set()
        self.posts = self.looks = self.twice = 0

    def answer(self, data: bytes) -> tuple[bytes, bytes]:
        """The answers to all whole requests in `data`, and what is left of it."""
        answers = []
        while (end := data.find(b"\r\n\r\n")) >= 0:
            if data.startswith(b"GET /j"):
                answers.append(self._look(data))
                data = data[end + 4 :]
            elif data.startswith(b"POST"):
                head = data[:end].lower()
                at = head.index(b"content-length:") + 15
                stop = head.find(b"\r", at)
                size = int(head[at:] if stop < 0 else head[at:stop])
                if len(data) < end + 4 + size:
                    break
                answers.append(self._post(data[end + 4 : end + 4 + size]))
                data = data[end + 4 + size :]
            else:
                answers.append(self._other(data))
                data = data[end + 4 :]
        return b"".join(answers), data

    def _look(self, data: bytes) -> bytes:
        self.looks += 1
        at = data.index(b"job_id=") + 7
        number = data[at : data.index(b" ", at)]
        done = self._ends[int(number)] <= time.monotonic()
        body = b'{"job": {"jobId": "%s", "state": "%s"}}'
        body %= (number, b"SUCCEEDED" if done else b"LOADING")
        return _HEAD % (len(body), body)

    def _post(self, body: bytes) -> bytes:
        at = body.index(b'"', body.index(b'"job_name"') + 10) + 1
        name = body[at : body.index(b'"', at)]
        self.posts += 1
        self.twice += name in self._names
        self._names.add(name)
        duration_s = self._durations_s.get(name.decode(), 0.0) if self._durations_s else 0.0
        self._ends.append(time.monotonic() + duration_s)
        answer = b'{"job": {"jobId": "%d", "state": "QUEUED"}}' % (len(self._ends) - 1)
        return _HEAD % (len(answer), answer)

    def _other(self, data: bytes) -> bytes:
        if data.startswith(b"GET /counts"):
            body = json.dumps([self.posts, self.looks, self.twice]).encode()
            return _HEAD % (len(body), body)
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def serve(runner: Runner) -> None:
    """Answer until the process is ended."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listening.setblocking(False)  # noqa: FBT003 - the module's own
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    poll = select.epoll()
    poll.register(listening, select.EPOLLIN)
    peers: dict[int, socket.socket] = {}
    rests: dict[int, bytes] = {}
    while True:
        for number, _ in poll.poll():
            if number == listening.fileno():
                peer, _ = listening.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[peer.fileno()] = peer
                rests[peer.fileno()] = b""
                poll.register(peer, select.EPOLLIN)
                continue
            try:
                data = peers[number].recv(_READ)
            except ConnectionError:
                data = b""
            if not data:
                poll.unregister(number)
                peers.pop(number).close()
                continue
            answers, rests[number] = runner.answer(rests[number] + data)
            if answers:
                peers[number].sendall(answers)


if __name__ == "__main__":
    serve(Runner(json.loads(Path(sys.argv[1]).read_text()) if sys.argv[1:] else {}))
