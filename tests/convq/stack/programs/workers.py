"""Stands in for a worker: has a child, shows itself, and notes when it is asked to end."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import redis

DATA = Path(os.environ["CONVQ_STORE_URL"]).parent

parser = argparse.ArgumentParser()
parser.add_argument("--name")
name = parser.parse_args().name


def end(*_):
    if "WORKER_IS_STUCK" in os.environ:
        return
    server = urlsplit(os.environ["CONVQ_REDIS_URL"])
    place = server.hostname, server.port
    with socket.create_connection(place), (DATA / "journal").open("a") as journal:
        journal.write("worker\n")
    os._exit(0)


signal.signal(signal.SIGTERM, end)
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
with redis.Redis.from_url(os.environ["CONVQ_REDIS_URL"]) as records:
    about = {"pid": os.getpid(), "host": socket.gethostname()}
    records.set(f"convq:worker:{name}", json.dumps(about))
    # Later than now, so that one sign of life lasts for the whole test.
    if "WORKER_IS_SILENT" not in os.environ:
        records.zadd("convq:workers", {name: time.time() + 600})
while True:
    # Short: a signal that comes just before the sleep is handled after it.
    time.sleep(0.05)
