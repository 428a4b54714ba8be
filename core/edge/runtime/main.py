"""The command of a box: predict files, a folder, or what is posted."""

import argparse
import json
import math
import os
import signal
import sys
import time
from typing import Any, Dict, List, Optional

from core.edge.runtime.errors import EdgeError, WrongBoard

HTTP, PREFIX = "http", "camera:"
_PORT = 8765
_USAGE, _FAILED = 2, 1


def main(standalone: "Optional[str]" = None, arguments: "Optional[List[str]]" = None) -> None:
    """Run the command and leave the process.

    Parameters
    ----------
    standalone : str, optional
        The public key, in hexadecimal, of the bundle that this program is a part of.
    arguments : list of str, optional
        By default those of the process.
    """
    options = _parser(standalone).parse_args(arguments)
    bundle = sys.argv[0] if standalone else options.bundle
    try:
        run(
            bundle,
            options.input,
            output=options.output,
            key=options.key or standalone,
            once=options.once,
            any_board=options.any_board,
            machine_code=not options.numpy,
            interval=options.interval,
        )
    except EdgeError as error:
        _say("error: {}".format(error))
        sys.exit(_USAGE if type(error) is EdgeError else _FAILED)
    except OSError as error:
        _say("error: {}".format(error))
        sys.exit(_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def run(
    bundle: str,
    source: str,
    output: "Optional[str]" = None,
    key: "Optional[str]" = None,
    once: bool = False,
    any_board: bool = False,
    machine_code: bool = True,
    interval: float = 0.5,
) -> None:
    """Verify a bundle, test it, and predict.

    Parameters
    ----------
    bundle : str
        The file.
    source : str
        A file, a folder to watch, ``http`` or ``http:PORT`` to serve, or ``camera:/dev/video0``.
    output : str, optional
        The file of results of a folder; by default ``results.jsonl`` in it.
    key : str, optional
        The public key that must have signed the bundle, in hexadecimal.
    once : bool
        Work through a folder, or predict one image of a camera, and return.
    any_board : bool
        Run although the bundle is for another board.
    machine_code : bool
        Whether to use it.
    interval : float
        Seconds between two looks at a folder, or two images of a camera.

    Raises
    ------
    EdgeError
        The bundle or an argument is not acceptable.
    """
    # Threads that wait for small products cost memory and take the cores from others.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from core.edge.runtime.board import identity, mismatch
    from core.edge.runtime.model import EdgeModel

    model = EdgeModel(bundle, public_key(key), machine_code)
    about = model.manifest["model"]
    why = mismatch(model.manifest["profile"], identity())
    if why and not any_board:
        raise WrongBoard("the bundle is for another board: " + why, "bundle", bundle, "--any-board")
    model.self_test()
    _say("{} {}, signed by {}".format(about["name"], about["sequence"], model.key.hex()))
    if key is None:
        _say("note: no --key was given, so anybody may have signed it")
    for note in model.notes:
        _say("note: " + note)

    def predict(data: bytes) -> "Dict[str, Any]":
        from core.edge.runtime.pictures import read_image

        return answer(model.predict(read_image(data, model.input_shape)), about["classes"])

    if source == HTTP or source.startswith(HTTP + ":"):
        _serve(source, predict, about, model.notes)
    elif source.startswith(PREFIX):
        _watch_camera(source, model, interval, once)
    elif os.path.isdir(source):
        _folder(source, output, predict, once, interval)
    else:
        with open(source, "rb") as file:
            line = json.dumps(dict(predict(file.read()), input=source), sort_keys=True)
        sys.stdout.write(line + "\n")


def answer(y: "Any", classes: "Optional[List[str]]") -> "Dict[str, Any]":
    """Return what a net said as a result, JSON-ready.

    Examples
    --------
    >>> import numpy as np
    >>> answer(np.float32([0.5, 2]), ["cat", "dog"]) == {
    ...     "output": [0.5, 2.0], "class": 1, "label": "dog"
    ... }
    True
    """
    result = {"output": _finite(y.tolist())}  # type: Dict[str, Any]
    if classes is not None and y.ndim == 1:
        result["class"] = int(y.argmax())
        result["label"] = classes[result["class"]]
    return result


def _finite(value: "Any") -> "Any":
    """Return numbers as JSON has them: null for those that are not finite."""
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return value if math.isfinite(value) else None


def _folder(
    folder: str, output: "Optional[str]", predict: "Any", once: bool, interval: float
) -> None:
    from core.edge.runtime import folder as folders
    from core.edge.runtime.results import Results

    results = Results(output or os.path.join(folder, "results.jsonl"))
    try:
        if once:
            folders.once(folder, results, predict)
            return
        stopped = []  # type: List[int]
        # What is being predicted is finished first.
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
        folders.watch(folder, results, predict, interval, lambda: bool(stopped))
    finally:
        results.close()


def _watch_camera(source: str, model: "Any", interval: float, once: bool) -> None:
    """Write a line for each image, until asked to stop or the camera goes."""
    from core.edge.runtime.camera import Camera

    classes = model.manifest["model"]["classes"]
    stopped = []  # type: List[int]
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    camera = Camera(source)
    try:
        while not stopped:
            begin = time.monotonic()
            taken = time.time()
            result = answer(model.predict(camera.read(model.input_shape)), classes)
            line = json.dumps(dict(result, input=source, time=taken), sort_keys=True)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            if once:
                return
            time.sleep(max(0.0, begin + interval - time.monotonic()))
    finally:
        camera.close()


def _serve(source: str, predict: "Any", about: "Dict[str, Any]", notes: "List[str]") -> None:
    from core.edge.runtime.board import health
    from core.edge.runtime.serve import server

    def state() -> "Dict[str, Any]":
        known = {"model": about["name"], "sequence": about["sequence"], "notes": notes}
        return dict(health(), **known)

    made = server(port_of(source), predict, state)
    _say("POST /predict on http://127.0.0.1:{}".format(made.server_address[1]))
    made.serve_forever()


def port_of(source: str) -> int:
    """Return the port that ``http`` or ``http:PORT`` names.

    Raises
    ------
    EdgeError
        It is none.
    """
    port = source[len(HTTP) + 1 :] or str(_PORT)
    if not port.isdigit() or int(port) > 65535:
        raise EdgeError("this is no port", "--input", given=source, accepted="http or http:8765")
    return int(port)


def public_key(text: "Optional[str]") -> "Optional[bytes]":
    """Return the key that 64 hexadecimal digits stand for; None for None.

    Raises
    ------
    EdgeError
        They stand for none.
    """
    if text is None:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise EdgeError("this is no public key", "--key", given=text, accepted="64 hexadecimals")
    return key


def _parser(standalone: "Optional[str]") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Predict with a bundle of convq.",
        epilog="With agent as its first argument it also keeps itself up to date from a service: "
        "see agent --help."
        if standalone
        else None,
    )
    if not standalone:
        parser.add_argument("bundle", help="the bundle")
    parser.add_argument(
        "--input", required=True, help="a file, a folder to watch, http[:PORT], or camera:DEVICE"
    )
    parser.add_argument("--output", help="file of results of a folder; by default results.jsonl")
    parser.add_argument(
        "--once", action="store_true", help="work through the folder, or take one image, and end"
    )
    parser.add_argument("--key", help="public key that must have signed the bundle")
    parser.add_argument("--any-board", action="store_true", help="run on another board, too")
    parser.add_argument("--numpy", action="store_true", help="do not use machine code")
    parser.add_argument(
        "--interval", type=float, default=0.5, help="seconds between looks or images"
    )
    return parser


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
