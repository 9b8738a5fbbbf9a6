"""Messages a second through the trigger function, against a function that only answers 200.

Both run under functions-framework as processes of their own; the Cloud Run API is a process too.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.trigger_cold_start import function_environment
from workflows.functions import staging

if TYPE_CHECKING:
    from collections.abc import Iterator

_MESSAGES, _SENDERS, _ROUNDS, _START_S = 600, 8, 3, 60
_EMPTY = """\
import functions_framework
@functions_framework.http
def trigger(request):
    request.get_data(cache=False)
    return "", 200
"""
_API = """\
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = "projects/p/locations/r/jobs/j/executions/e"
        body = json.dumps({"metadata": {"name": name}, "executions": []}).encode()
        head = f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
        self.wfile.write(head.encode() + body)
    do_GET = do_POST
    def log_message(self, *_): pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def measure() -> dict[str, Any]:
    """Messages a second of both, and the median of the ratios, round by round."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        staging.stage(folder)
        (folder / "empty").mkdir()
        (folder / "empty" / "main.py").write_text(_EMPTY)
        api = stack.enter_context(_process(["-c", _API], folder, {}))
        env = function_environment({"CLOUD_RUN_API": f"http://127.0.0.1:{api}"})
        framework = ["-m", "functions_framework", "--target", "trigger", "--host", "127.0.0.1"]
        args = [*framework, "--port"]
        ours = stack.enter_context(_process(args, folder / "workflow_trigger", env))
        theirs = stack.enter_context(_process(args, folder / "empty", env))
        _rate(ours, "warm"), _rate(theirs, "warm")
        pairs = [(_rate(ours, str(n)), _rate(theirs, str(n))) for n in range(_ROUNDS)]
    return {
        "name": "trigger_throughput",
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
        "messages_per_s": round(statistics.median(a for a, _ in pairs)),
        "empty_function_per_s": round(statistics.median(b for _, b in pairs)),
    }


def _rate(port: int, tag: str) -> float:
    """Messages a second, from several connections at once."""
    numbers = iter(range(_MESSAGES))
    lock = threading.Lock()
    failures: list[int] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                connection.close()
                return
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/", _push(f"{tag}-{number}"), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)

    threads = [threading.Thread(target=send) for _ in range(_SENDERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    return _MESSAGES / (time.perf_counter() - started)


def _push(number: str) -> bytes:
    parameters = {"git_url": "https://git.example.com/a.git"}
    data = json.dumps({"workflow": "hello_world", "parameters": parameters}).encode()
    message = {"data": base64.b64encode(data).decode(), "messageId": number}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


@contextmanager
def _process(args: list[str], cwd: Path, env: dict[str, str]) -> Iterator[int]:
    """A server that takes its port as the last argument; yields the port once it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    whole = {"PATH": os.environ["PATH"], **env}
    child = subprocess.Popen(
        [sys.executable, *args, str(port)], cwd=cwd, env=whole, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _START_S
        while not _listens(port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{args} did not start")
            time.sleep(0.05)
        yield port
    finally:
        child.terminate()
        child.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
