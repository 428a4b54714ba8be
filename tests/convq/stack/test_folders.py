import os
from pathlib import Path

import pytest

from convq.stack.folders import make_folder
from core.errors import InvalidInput


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_folder(Path("~/data"), "data") == tmp_path / "data"
    assert (tmp_path / "data").is_dir()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidInput, match=rf"data: cannot use this folder.*{folder}"):
            make_folder(folder, "data")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InvalidInput, match="may not write"):
        make_folder(tmp_path, "data")
