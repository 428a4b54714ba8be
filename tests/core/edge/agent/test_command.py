"""The command of an agent: what is wrong with it is said at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.edge.agent.inbox import Inbox
from core.edge.agent.main import main
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import EdgeError
from tests.core.edge.agent.power import Quick


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "who signs its bundles"),
        (["--key", "beef"], "no public key"),
    ],
)
def test_options(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--server", "http://x", "--group", "g", "--input", "in", "--state", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(arguments=given + options)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_what_is_no_inbox(tmp_path: Path) -> None:
    spool = Spool(Quick(), str(tmp_path / "spool"))
    with pytest.raises(EdgeError, match="cannot be taken"):
        Inbox(Quick(), str(tmp_path / "nothing"), spool, lambda data: {})


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Path(os.fsdecode(bytes(folder) + b"/a\xff.npy")).write_bytes(b"x")
    spool = Spool(Quick(), str(tmp_path / "spool"))
    inbox = Inbox(Quick(), str(folder), spool, lambda data: {"class": 1})
    while any(folder.iterdir()):
        inbox.step()
    (result,) = spool.waiting(9)
    assert result["input"] == "a\ufffd.npy"
