"""The self-test of a bundle in a process of its own: one that hangs or dies hurts nobody."""

import subprocess
import sys
from typing import List, Optional

from core.edge.runtime.board import identity, mismatch
from core.edge.runtime.container import Container
from core.edge.runtime.errors import Damaged, EdgeError, WrongBoard

SELF_TEST = "self-test"

# The last line of what it says is why it failed.
_MOST_TEXT = 2000


def checked(
    path: str, key: bytes, digest: str, any_board: bool = False, root: str = "/"
) -> "dict[str, object]":
    """Return what a bundle says of itself, if it is whole, signed, and for this board.

    Parameters
    ----------
    path : str
        The file.
    key : bytes
        The public key that must have signed it.
    digest : str
        Of the file.
    any_board : bool
        Whether to take one that is for another board.
    root : str
        Where the board's files are found.

    Returns
    -------
    dict
        A version, as `core.edge.agent.installed.Installed` keeps it.

    Raises
    ------
    Damaged
        It is no bundle, is cut short, or is signed by another key.
    WrongBoard
        It is for another board.
    """
    container = Container(path, key)
    manifest = container.manifest
    container.close()
    why = mismatch(manifest["profile"], identity(root))
    if why is not None and not any_board:
        raise WrongBoard("the bundle is for another board: " + why, "bundle", given=digest)
    about = manifest["model"]
    return {
        "digest": digest,
        "sequence": about["sequence"],
        "name": about["name"],
    }


def self_test(program: "List[str]", path: str, key: bytes, patience: float) -> None:
    """Predict the samples of a bundle in another process.

    Parameters
    ----------
    program : list of str
        What runs this agent; it is given ``self-test``, the path and the key.
    path, key
        As in `checked`.
    patience : float
        Seconds after which it counts as hanging.

    Raises
    ------
    Damaged
        It failed, died or hung.
    """
    process = subprocess.Popen(  # noqa: S603 - this program
        program + [SELF_TEST, path, key.hex()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, text = process.communicate(timeout=patience)
        why = _why(process.returncode, text)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        why = "it took longer than {:g} s".format(patience)
    if why is not None:
        raise Damaged("the self-test failed: " + why, "bundle", given=path)


def run_self_test(path: str, key: str) -> None:
    """Do the test, in the process that `self_test` starts, and leave it."""
    from core.edge.runtime.model import EdgeModel

    try:
        EdgeModel(path, bytes.fromhex(key)).self_test()
    except (EdgeError, OSError) as error:
        sys.stderr.write(str(error) + "\n")
        sys.exit(1)


def _why(code: int, text: bytes) -> "Optional[str]":
    if code == 0:
        return None
    if code < 0:
        return "it died by signal {}".format(-code)
    lines = text[-_MOST_TEXT:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it ended with the code {}".format(code)
