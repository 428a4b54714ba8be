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

DATA = Path(os.environ["CONVQ_STORE_URL"]).parent

parser = argparse.ArgumentParser()
parser.add_argument("--name")
name = parser.parse_args().name


def end(*_):
    if "WORKER_IS_STUCK" in os.environ:
        return
    redis = urlsplit(os.environ["CONVQ_REDIS_URL"])
    with socket.create_connection((redis.hostname, redis.port)), (DATA / "journal").open("a") as it:
        it.write("worker\n")
    os._exit(0)


signal.signal(signal.SIGTERM, end)
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
shown = {"name": name, "pid": os.getpid(), "host": socket.gethostname(), "state": "up"}
part = DATA / f"{name}.part"
part.write_text(json.dumps(shown))
part.replace(DATA / f"{name}.worker")
while True:
    time.sleep(600)
