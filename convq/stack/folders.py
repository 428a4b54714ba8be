"""Folders that a person names: made when missing, or a clear error."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import InvalidInput


def make_folder(folder: Path, field: str) -> Path:
    """Return the absolute path of a folder that exists and can be written to.

    Parameters
    ----------
    folder : Path
        May begin with ``~``; made when missing, with its parents.
    field : str
        Name of the option, for the error.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    InvalidInput
        When it cannot be made, or not be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     make_folder(Path(parent) / "a" / "b", "out").is_dir()
    True
    """
    absolute = folder.expanduser().absolute()
    try:
        absolute.mkdir(parents=True, exist_ok=True)
        reason = None if os.access(absolute, os.W_OK | os.X_OK) else "this user may not write to it"
    except OSError as error:
        reason = error.strerror
    if reason is not None:
        raise InvalidInput(
            f"cannot use this folder: {reason}",
            field=field,
            given=str(folder),
            accepted="a folder that this user may write to",
        )
    return absolute
