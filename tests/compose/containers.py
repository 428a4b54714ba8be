"""A service of containers: built from this checkout, under a project name of its own."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import convq

ROOT = Path(__file__).parents[2]
# Comes with the extra dev, since not every engine has it.
COMPOSE = Path(sys.executable).with_name("docker-compose")
# Seconds until what must come has come, on a slow machine.
PATIENCE = 180
# Of a base image that was not there, a build and a start.
_BUILDING = 900


def why_not() -> str | None:
    """Return why no containers can be run."""
    if "CONVQ_TEST_COMPOSE" not in os.environ:
        return "builds images and runs containers: make test-compose"
    if shutil.which("docker") is None:
        return "docker is not installed"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True)
    if answer.returncode or "Server Version" not in answer.stdout:
        return f"no container engine answers: {answer.stderr.strip()[:200]}"
    return None


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, timeout=_BUILDING
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout.decode()}\n{done.stderr.decode()}"
    return done.stdout.decode()


def revision() -> str:
    """Return the commit of this checkout."""
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        asked, cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.strip()


def build(tag: str, commit: str | None) -> None:
    """Build the image of this checkout, or of a commit with the recipe of this checkout."""
    arguments = ["build", "--quiet", "--file", "deploy/docker/Dockerfile", "--tag", tag]
    if commit is None:
        docker(*arguments, "--build-arg", f"REVISION={revision()}", str(ROOT))
        return
    archive = subprocess.run(
        [
            "git",
            "archive",
            commit,
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "core",
            "api",
            "workers",
            "convq",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    context = io.BytesIO(archive)
    with tarfile.open(fileobj=context, mode="a") as tar:
        tar.add(ROOT / "deploy" / "docker", "deploy/docker")
    docker(*arguments, "-", stdin=context.getvalue())


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Service:
    """One project of Compose."""

    def __init__(self, folder: Path) -> None:
        self.project = f"convq-test-{secrets.token_hex(3)}"
        self.version = "now"
        self.settings: dict[str, str] = {}
        self._env_file = folder / "convq.env"
        self._env_file.touch()
        self.password = secrets.token_hex(16)
        self.port = free_port()
        self.key = ""
        self.files = ["docker-compose.yml"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, settings: dict[str, str], own: dict[str, str]) -> None:
        """Set what docker-compose.yml is told, and what convq is."""
        self.settings = settings
        self._env_file.write_text("".join(f"{name}={value}\n" for name, value in own.items()))

    def compose(self, *arguments: str) -> str:
        """Run Compose and return what it prints."""
        return self.stream(*arguments).decode()

    def stream(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Do what `compose` does, with bytes."""
        given = self.settings | {
            "CONVQ_IMAGE": "convq-test",
            "CONVQ_VERSION": self.version,
            "CONVQ_REDIS_PASSWORD": self.password,
            "CONVQ_LISTEN": f"127.0.0.1:{self.port}",
            "CONVQ_ENV_FILE": str(self._env_file),
            "CONVQ_API_CPUS": "0",
            "CONVQ_DRAIN": "3",
        }
        files = [part for file in self.files for part in ("--file", file)]
        named = ["--env-file", "/dev/null", "--project-name", self.project]
        done = subprocess.run(
            [COMPOSE, *files, *named, *arguments],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("CONVQ_")} | given,
            input=stdin,
            capture_output=True,
            timeout=_BUILDING,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode()[-4000:]}"
        return done.stdout

    def up(self, *arguments: str) -> None:
        self.compose("up", "--detach", "--wait", "--no-build", *arguments)

    def containers(self, name: str) -> list[str]:
        return self.compose("ps", "--quiet", name).split()

    def client(self) -> convq.Client:
        if not self.key:
            made = self.compose(
                "run", "--rm", "-T", "cli", "keys", "create", "--tenant", "me", "--scopes", "admin"
            )
            self.key = made.strip()
        return convq.Client(self.url, api_key=self.key)


def inspected(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found
