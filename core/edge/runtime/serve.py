"""Predict what is posted to this machine, over HTTP."""

import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable, Dict

from core.edge.runtime.errors import EdgeError

MOST_BYTES = 64 << 20
# A client that says nothing must not keep others waiting for ever: one is served at a time.
_PATIENCE = 10
# Of what is not the image's fault: it may be posted again.
_STATUS = {"unavailable": 503, "storage_full": 507}


def server(
    port: int,
    predict: "Callable[[bytes], Dict[str, Any]]",
    about: "Callable[[], Dict[str, Any]]",
) -> HTTPServer:
    """Return a server on 127.0.0.1 that answers ``POST /predict`` and ``GET /health``.

    Parameters
    ----------
    port : int
        Where it listens; 0 for any that is free.
    predict : callable
        From the bytes of an image to a result.
    about : callable
        What ``/health`` says.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE

        def do_GET(self) -> None:
            if self.path == "/health":
                self._answer(200, about())
            else:
                self._answer(404, {"error": "there are GET /health and POST /predict"})

        def do_POST(self) -> None:
            if self.path != "/predict":
                self._answer(404, {"error": "there are GET /health and POST /predict"})
                return
            length = self.headers.get("Content-Length", "")
            if not length.isdigit():
                self._answer(411, {"error": "say how long the image is: Content-Length"})
                return
            if int(length) > MOST_BYTES:
                self._answer(413, {"error": "at most {} bytes".format(MOST_BYTES)})
                return
            started = time.monotonic()
            data = self.rfile.read(int(length))
            try:
                result = predict(data)
            except EdgeError as error:
                self._answer(_STATUS.get(error.code, 422), {"error": str(error)})
                return
            except OSError as error:
                self._answer(507, {"error": str(error)})
                return
            self._answer(200, dict(result, seconds=round(time.monotonic() - started, 6)))

        def _answer(self, status: int, document: "Dict[str, Any]") -> None:
            body = json.dumps(document, sort_keys=True).encode("ascii") + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing: results are what is to be read."""

    return HTTPServer(("127.0.0.1", port), Handler)
