"""A chunked array over the whole service, whose worker is killed in the middle."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import zarr

import convq
from convq.stack import LocalStack
from core.settings import Settings
from core.store.connection import connect
from core.store.jobs import Job, JobStore

pytestmark = pytest.mark.stack


def test_a_killed_worker_costs_one_tile(
    own_stack: LocalStack, own_client: convq.Client, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).integers(0, 255, (240, 120), dtype=np.uint8)
    folder = tmp_path / "image.zarr"
    zarr.create_array(folder, shape=x.shape, chunks=(60, 60), dtype=x.dtype)[...] = x
    kernel: Any = np.random.default_rng(1).integers(-3, 4, (5, 5)).astype(np.int16)
    job = own_client.submit(inputs=[folder], kernel=kernel, method="reference", tile_shape=[60, 60])
    jobs = JobStore(connect(Settings(redis_url=own_stack.redis_url)))

    def at_work() -> list[Job]:
        return [tile for tile in jobs.page(state="running").jobs if tile.parent == job.id]

    deadline = time.monotonic() + 60
    running: list[Job] = []
    while not running:
        assert time.monotonic() < deadline
        if begun := at_work():
            assert begun[0].pid is not None
            # It would go on to the next tile meanwhile.
            os.kill(begun[0].pid, signal.SIGSTOP)
            running = at_work()
            os.kill(begun[0].pid, signal.SIGKILL if running else signal.SIGCONT)
    done = own_client.wait(job, timeout=120)
    assert (done.state, done.error) == ("succeeded", None)
    assert (done.progress.done, done.progress.total) == (8, 8)
    tiles = [found for found in jobs.page(limit=200).jobs if found.parent == job.id]
    assert len(tiles) == 8
    again = [tile.id for tile in tiles if tile.attempt > 1]
    assert again == [running[0].id]
    (path,) = own_client.download(done, tmp_path / "out")
    assert path.name == "image.zarr"
    y = np.asarray(zarr.open_array(path, mode="r")[...])
    expected = scipy.ndimage.convolve(x.astype(np.int64), kernel.astype(np.int64), mode="reflect")
    np.testing.assert_array_equal(y, expected.astype(y.dtype))
