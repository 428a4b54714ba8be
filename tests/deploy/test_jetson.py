"""What puts the agent on a box, below another root folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "jetson"
NEEDED = ("--server", "https://convq.example", "--group", "gate", "--token", "t0ken")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "digits.pyz"
    path.write_bytes(b"a bundle")
    return path


def install(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(FOLDER / "install.sh"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DESTDIR": str(root)},
    )


def test_what_lies_where(tmp_path: Path, bundle: Path) -> None:
    root = tmp_path / "root"
    done = install(root, bundle, *NEEDED, "--input", "/data/incoming")
    assert done.returncode == 0, done.stderr
    assert (root / "opt/convq-edge/convq-edge.pyz").read_bytes() == b"a bundle"
    settings = root / "etc/convq-edge.env"
    # It holds the token.
    assert settings.stat().st_mode & 0o777 == 0o600
    assert settings.read_text().splitlines() == [
        "CONVQ_SERVER=https://convq.example",
        "CONVQ_GROUP=gate",
        "CONVQ_INPUT=/data/incoming",
        "CONVQ_TOKEN=t0ken",
    ]
    units = root / "etc/systemd/system"
    unit = (units / "convq-edge.service").read_text()
    for setting in ("MemoryMax=", "WatchdogSec=", "Restart=always", "Type=notify"):
        assert f"\n{setting}" in unit
    own = (units / "convq-edge.service.d/input.conf").read_text()
    assert own == "[Service]\nReadWritePaths=/var/lib/convq-edge /data/incoming\n"
    assert (root / "data/incoming").is_dir()


def test_again_and_away(tmp_path: Path, bundle: Path) -> None:
    root = tmp_path / "root"
    assert install(root, bundle, *NEEDED).returncode == 0
    kept = root / "var/lib/convq-edge/results"
    kept.write_text("one")
    bundle.write_bytes(b"a newer one")
    assert install(root, bundle, *NEEDED, "--input", "http:8765").returncode == 0
    assert (root / "opt/convq-edge/convq-edge.pyz").read_bytes() == b"a newer one"
    assert install(root, "--remove").returncode == 0
    assert not (root / "opt/convq-edge").exists()
    assert not (root / "etc/systemd/system/convq-edge.service").exists()
    assert kept.read_text() == "one"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "install.sh BUNDLE.pyz"),
        (("--server",), 2, "install.sh BUNDLE.pyz"),
        (("/nowhere.pyz", *NEEDED), 1, "there is no such file: /nowhere.pyz"),
        (("--group", "a b"), 1, "--group: this character is not accepted in: a b"),
        (("--token", "a\nMemoryMax=9G"), 1, "--token: this character is not accepted"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = install(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_the_unit_says_what_systemd_knows(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    text = (FOLDER / "convq-edge.service").read_text()
    # It looks for the program, which may be elsewhere here.
    unit = tmp_path / "convq-edge.service"
    unit.write_text(text.replace("/usr/bin/python3", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "convq-edge" not in done.stderr, done.stderr
