"""What the images are made of: pinned, and what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = re.findall(
    r"--extra (\S+)", (ROOT / "Makefile").read_text().split("IN_IMAGE :=")[1].split("\n")[0]
)


def locked(name: str) -> dict[str, list[str]]:
    """Return the versions of each package of a lock file: several where Pythons differ."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "deploy" / "docker" / name).read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("requirements.txt", EXTRAS), ("requirements-gpu.txt", [*EXTRAS, "gpu-cuda12"])],
)
def test_what_convq_needs_is_pinned(lock: str, extras: list[str]) -> None:
    pins = locked(lock)
    asked = [*PROJECT["dependencies"]]
    for extra in extras:
        asked += PROJECT["optional-dependencies"][extra]
    for text in asked:
        need = Requirement(text)
        versions = pins.get(canonicalize_name(need.name))
        assert versions, f"{need} is not in {lock}: make lock"
        assert all(version in need.specifier for version in versions), f"{need}: make lock"


@pytest.mark.parametrize(
    "lock", ["requirements.txt", "requirements-gpu.txt", "requirements-build.txt"]
)
def test_every_pin_has_the_digest_of_its_file(lock: str) -> None:
    text = (ROOT / "deploy" / "docker" / lock).read_text()
    pins = re.findall(r"^\S+==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text


def test_images_are_pinned_to_a_version() -> None:
    files = [
        *ROOT.glob("deploy/docker/Dockerfile"),
        ROOT / "docker-compose.yml",
        *ROOT.glob("deploy/k8s/*.yaml"),
    ]
    images = [
        image
        for file in files
        for image in re.findall(r"(?:image: |_IMAGE=)([a-z/]+:\S+)", file.read_text())
    ]
    assert len(images) >= 6
    assert all(re.search(r":v?\d+\.\d+", image) for image in images), images
