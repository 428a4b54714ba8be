"""``python -m workers --name NAME``: one worker."""

from __future__ import annotations

import argparse
import sys

from core.settings import Settings
from workers.devices import by_uuid
from workers.main import run


def main() -> int:
    """Parse the arguments and run a worker."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--name", required=True, help="unique name of this worker")
    parser.add_argument("--queue", action="append", dest="queues", help="Celery queue to serve")
    parser.add_argument("--device", help="UUID of the GPU to compute on; else the processor")
    arguments = parser.parse_args()
    gpu = None if arguments.device is None else by_uuid(arguments.device)
    return run(Settings(), name=arguments.name, gpu=gpu, queues=arguments.queues)


if __name__ == "__main__":
    sys.exit(main())
