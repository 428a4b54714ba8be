"""``python -m bench.tiles``: one giant image over several hosts, and the size of its tiles.

Hosts are network namespaces with a worker each, held to one core; Redis, the API and the store of
artifacts, which is S3-compatible, are on another one. Needs root, and more cores than hosts to
scale. Writes bench/results/tiles.{json,md}.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import zarr

import convq
from bench.hosts import Far
from bench.measure import machine, publish
from bench.s3 import S3Server
from convq.stack import LocalStack
from core.conv.blocks import cores

_HOSTS = 3
_CHUNK = 512
_SIZES = (512, 1024, 2048, 4096)
_KERNEL = {"preset": "gaussian", "sigma": 4}
_WAIT = 600


def main() -> int:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiles", description=__doc__)
    parser.add_argument("--side", type=int, default=4096, help="of the image, in pixels")
    parser.add_argument("--out", type=Path, default=Path("bench/results/tiles"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convq-tiles-") as folder:
        report = run(Path(folder), asked.side)
    publish(report, markdown(report), asked.out)
    print(markdown(report))
    return 0


def run(folder: Path, side: int) -> dict[str, Any]:
    """Return the figures of all sizes on one host, and of the chosen one on more."""
    image = folder / "image.zarr"
    x = np.random.default_rng(0).random((side, side), np.float32)
    chunks = (_CHUNK, _CHUNK)
    zarr.create_array(image, shape=x.shape, chunks=chunks, dtype=x.dtype, compressors=None)[...] = x
    with ExitStack() as undo:
        store = S3Server(folder / "s3")
        store.start()
        undo.callback(store.stop)
        os.environ.update(store.environment())
        stack = undo.enter_context(LocalStack(folder / "data", settings={"store_url": store.url}))
        client = undo.enter_context(convq.Client(stack.url))
        client.drain_worker(stack.workers[0])
        array = client.upload(image)
        hosts: list[Far] = []
        scaling, sizes = [], []
        for number in range(_HOSTS):
            host = Far(f"host-{number + 1}", number, stack, store, folder)
            undo.callback(host.close)
            core = str(number % cores())
            host.process.command = ["taskset", "-c", core, *host.process.command]
            host.process.start()
            hosts.append(host)
            _wait_for(client, [host.name for host in hosts])
            if number == 0:
                _seconds(client, array, 1024)  # compiled and connected
                sizes = [_seconds(client, array, size) for size in _SIZES if size <= side]
            scaling.append({"hosts": number + 1, **_seconds(client, array, 1024)})
        chosen = _seconds(client, array, None)
        alone = _alone(x)
    return {
        "machine": machine(),
        "side": side,
        "kernel": _KERNEL,
        "alone": alone,
        "sizes": sizes,
        "scaling": scaling,
        "chosen": chosen,
    }


def _seconds(client: convq.Client, array: Any, size: int | None) -> dict[str, Any]:
    """Return how long the image takes in tiles of a size, the best of two."""
    best: dict[str, Any] = {}
    fields = {} if size is None else {"tile_shape": [size, size]}
    for _ in range(2):
        begun = time.perf_counter()
        job = client.submit(inputs=[array], kernel=_KERNEL, method="direct", **fields)
        done = client.wait(job, timeout=_WAIT)
        seconds = time.perf_counter() - begun
        assert done.state == "succeeded", done.error
        assert done.plan is not None
        tiles = done.plan.groups[0].tiles
        assert tiles is not None
        if not best or seconds < best["seconds"]:
            best = {
                "tile": tiles["shape"],
                "tiles": done.progress.total,
                "seconds": seconds,
                "predicted": tiles["predicted_seconds"],
            }
        client.delete(done)
    return best


def _alone(x: Any) -> float:
    """Return the seconds of the same convolution in one call of the engine."""
    from core import conv

    profile = np.exp(-((np.arange(-16, 17) / 4) ** 2) / 2).astype(x.dtype)
    taps = np.outer(profile, profile) / profile.sum() ** 2
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        conv.convolve(x, taps, mode="same", boundary="reflect", method="direct")
        best = min(best, time.perf_counter() - begun)
    return best


def _wait_for(client: convq.Client, names: list[str]) -> None:
    deadline = time.monotonic() + _WAIT
    while not set(names) <= {w.name for w in client.workers() if w.state in ("up", "busy")}:
        if time.monotonic() > deadline:
            raise SystemExit(f"no signs of life of {names}")
        time.sleep(0.1)


def markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    made = report["machine"]
    sizes, scaling, chosen = report["sizes"], report["scaling"], report["chosen"]
    first = scaling[0]["seconds"]
    most, least = sizes[0], sizes[-1]
    overhead = (most["seconds"] - least["seconds"]) / (most["tiles"] - least["tiles"])
    lines = [
        "# One giant image over several hosts",
        "",
        f"{report['side']} x {report['side']} float32 in chunks of {_CHUNK} x {_CHUNK}, Gaussian "
        "of sigma 4, `direct`; artifacts in an S3-compatible store. Each host is a network "
        f"namespace with one worker held to one core. {made['cpu']}; {made['cores']} cores for all "
        "hosts, the API, Redis and the store together, so three hosts share two cores. Commit "
        f"{made['commit']}, {made['date']}. The best of two runs each.",
        "",
        "| tile | tiles | one host, s | predicted, s |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['tile'][0]} | {row['tiles']} | {row['seconds']:.2f} | {row['predicted']:.2f} |"
        for row in sizes
    ]
    lines += ["", "| hosts | seconds | times as fast |", "|---|---|---|"]
    lines += [
        f"| {row['hosts']} | {row['seconds']:.2f} | {first / row['seconds']:.2f} |"
        for row in scaling
    ]
    fastest = min(sizes, key=lambda row: row["seconds"])
    lines += [
        "",
        f"A tile costs {overhead * 1e3:.0f} ms by itself: the difference between "
        f"{most['tiles']} and {least['tiles']} tiles. Chosen for {_HOSTS} hosts: tiles of "
        f"{chosen['tile'][0]} x {chosen['tile'][1]} ({chosen['tiles']} of them), "
        f"{chosen['seconds']:.2f} s; on one host the fastest were "
        f"{fastest['tile'][0]}. The convolution alone, in one call on "
        f"all cores and without a service, takes {report['alone']:.2f} s.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
