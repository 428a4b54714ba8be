"""``python -m api``: serve the HTTP API, configured by ``CONVQ_*`` environment variables."""

from __future__ import annotations

import argparse
import os
import sys

from api.server import serve
from core.errors import ConvqError
from core.settings import Settings


def main() -> None:
    """Read the address from the command line or the environment, and serve."""
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve convq's HTTP API.")
    parser.add_argument("--host", default=os.environ.get("CONVQ_API_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("CONVQ_API_PORT", "8000"))
    arguments = parser.parse_args()
    try:
        serve(Settings(), arguments.host, arguments.port)
    except ConvqError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
