"""Log files of the children: one for each, the last few starts kept."""

from __future__ import annotations

from pathlib import Path

KEPT = 3


def fresh_log(folder: Path, name: str) -> Path:
    """Return the path of a new log and move the older ones on: ``.1`` is the latest of them.

    Parameters
    ----------
    folder : Path
        Made when missing.
    name : str
        Of the process.

    Returns
    -------
    Path
        ``folder/name.log``, which does not exist yet.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for text in ("first", "second", "third"):
    ...         _ = fresh_log(Path(folder), "api").write_text(text)
    ...     sorted((path.name, path.read_text()) for path in Path(folder).iterdir())
    [('api.log', 'third'), ('api.log.1', 'second'), ('api.log.2', 'first')]
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    for number in range(KEPT, 0, -1):
        younger = log if number == 1 else folder / f"{name}.log.{number - 1}"
        if younger.exists():
            younger.replace(folder / f"{name}.log.{number}")
    return log
