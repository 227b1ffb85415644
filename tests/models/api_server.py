"""Real HTTP servers on loopback that speak the OpenAI protocol, well or badly, as a script tells them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What goes over the wire. `hang` sends nothing until the server stops, `drip` a byte now and then,
    `drop` closes the connection half-way through the body, `die` sends nothing and ends the server."""

    body: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "whole"


@dataclass
class Request:
    number: int
    body: dict[str, Any]
    headers: dict[str, str]
    arrived: float

    @property
    def prompt(self) -> str:
        return self.body["messages"][-1]["content"]


def chat(text: str | None, *, prompt_tokens: int = 10, completion_tokens: int = 3, **more: Any) -> Answer:
    """A well-formed completion; `more` goes into the choice (finish_reason, logprobs) or replaces `usage`."""
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    body: dict[str, Any] = {"id": "x", "object": "chat.completion", "created": 0, "model": "tiny"}
    body["usage"] = more.pop("usage", usage)
    message = {"role": "assistant", "content": text} | more.pop("message", {})
    body["choices"] = [{"index": 0, "finish_reason": "stop", "message": message} | more]
    return Answer(json.dumps(body))


def legal(request: Request) -> Answer:
    """A legal reply that depends on the prompt and the seed alone: an option where there are some, else a word."""
    seed = request.body.get("seed", 0)
    for line in request.prompt.splitlines():
        cue, _, options = line.partition(": ")
        if cue in {"Choose", "Say one of"}:
            names = options.split(", ")
            return chat(f" {names[seed % len(names)].title()}.\n", completion_tokens=2)
    return chat(f"word\n {seed % 7}", completion_tokens=2)


class Server:
    """Answers request number n (from 0) with `script(request)`; keeps all `requests`, and the most at one time."""

    def __init__(self, script: Callable[[Request], Answer]) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.stopped = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = server._enter(self)
                try:
                    self._send(Answer(how="die") if server.stopped.is_set() else server.script(request))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    server._leave()

            def _send(self, answer: Answer) -> None:
                data = answer.body.encode()
                if answer.how == "die":
                    self.close_connection = True
                    return server.die()
                if answer.how == "hang":
                    server.stopped.wait(30)
                self.send_response(answer.status)
                for name, value in ({"content-type": "application/json"} | answer.headers).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if answer.how == "drip":
                    for byte in data:
                        self.wfile.write(bytes([byte]))
                        if server.stopped.wait(0.05):
                            break
                elif answer.how == "drop":
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                else:
                    self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512  # the default of 5 resets the connections of a client that opens many at once

        self._http = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def die(self) -> None:
        """Give no further answer; soon nobody can connect any more."""
        self.stopped.set()
        threading.Thread(target=self.stop, daemon=True).start()

    def stop(self) -> None:
        """End the server's thread too."""
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def _enter(self, handler: BaseHTTPRequestHandler) -> Request:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            request = Request(len(self.requests), body, headers, time.monotonic())
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        return request

    def _leave(self) -> None:
        with self._lock:
            self._at_once -= 1


@contextmanager
def serving(script: Callable[[Request], Answer] | Answer | list[Answer]) -> Iterator[Server]:
    """A server for the block. A list gives an answer a request, the last one again and again."""
    if isinstance(script, Answer):
        script = [script]
    if isinstance(script, list):
        answers = script
        script = lambda request: answers[min(request.number, len(answers) - 1)]  # noqa: E731
    server = Server(script)
    try:
        yield server
    finally:
        server.stop()
