"""Stands in for the API: readiness, and a way to crash."""

import argparse
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = Path(os.environ["CONVQ_STORE_URL"]).parent


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            sys.stderr.write("a bug in the API\n")
            os._exit(3)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def end(*_):
    with (DATA / "journal").open("a") as journal:
        journal.write("api\n")
    os._exit(0)


if "API_FAILS" in os.environ:
    sys.exit("the API does not want to start")
signal.signal(signal.SIGTERM, end)
parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.add_argument("--port", type=int)
arguments = parser.parse_args()
ThreadingHTTPServer((arguments.host, arguments.port), Handler).serve_forever()
