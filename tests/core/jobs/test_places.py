"""Jobs on a GPU beside the processor: what comes out, where it is computed, and what is told."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.ndimage

from core.arrays import is_on_gpu
from core.conv import device, fixed
from core.conv.algorithms import fft_tiled
from core.conv.cuda import channels, direct, fft, kept, separable, transfers
from core.conv.device import cpu
from core.errors import Cancelled, Unavailable
from core.jobs import places
from core.jobs.kind import Planning
from core.jobs.registry import by_name
from core.jobs.run import Run
from core.media import NPY, PNG, WAV
from tests.core.conv.cuda import standin, streams

random = np.random.default_rng(0)
GREY = random.integers(0, 256, (24, 30), np.uint8)
COLOURS = random.integers(0, 256, (20, 17, 3), np.uint8)
BLURRED = scipy.ndimage.gaussian_filter(random.integers(0, 256, (70, 64), np.uint8), 1.2)
FIELD = random.random((19, 23)).astype(np.float32)
SOUND = (random.random((400, 2)) * 2e4).astype(np.int16)
FRAMES = random.random((7, 12, 10)).astype(np.float32)
BLUR = {"preset": "gaussian", "sigma": 1.0}
RATE = {WAV: {"sample_rate": 8000}}
PROPERTIES = {"name": b"a GPU of arrays", "sharedMemPerBlockOptin": 0, "major": 7, "minor": 5}

# Kind, inputs, and what else is in the Spec.
JOBS: dict[str, tuple[str, list[tuple[Any, str]], dict[str, Any]]] = {
    "convolve": ("convolve", [(GREY, PNG), (COLOURS, PNG), (FIELD, "")], {"kernel": BLUR}),
    "convolve, a bank": (
        "convolve",
        [(FIELD, ""), (FIELD[::-1], ""), (FIELD[:, ::-1], ""), (FIELD * 2, "")],
        {"kernel": {"values": random.random((3, 4, 5)).tolist()}, "boundary": "wrap"},
    ),
    "convolve, integers": (
        "convolve", [(GREY.astype(int), "")],
        {"kernel": {"values": [[1, 2, 0], [0, -3, 1]]}, "boundary": "zero"},
    ),
    "convolve, magnitude": ("convolve", [(GREY, PNG)], {"kernel": {"preset": "sobel-magnitude"}}),
    "convolve, sound": ("convolve", [(SOUND, WAV)], {"kernel": BLUR}),
    "filter": ("frequency-filter", [(COLOURS, PNG)], {"band": "low-pass", "cutoff": 0.1}),
    "filter, largest": ("frequency-filter", [(FIELD, "")], {"keep": 0.1, "boundary": "wrap"}),
    "diffuse": ("diffuse", [(GREY, PNG)], {"time": 2.0, "frames": 3}),
    "diffuse, Perona-Malik": (
        "diffuse", [(COLOURS, PNG)], {"method": "perona-malik", "time": 1.0, "edge": 20.0},
    ),
    "diffuse, own kernel": (
        "diffuse", [(FIELD, "")], {"method": "kernel", "kernel": BLUR, "steps": 3},
    ),
    "spectrum": ("spectrum", [(COLOURS, PNG)], {"coefficients": True}),
    "deconvolve": ("deconvolve", [(BLURRED, PNG)], {}),
    "deconvolve, inverse": ("deconvolve", [(FIELD, "")], {"kernel": BLUR, "method": "inverse"}),
    "deconvolve, Richardson-Lucy": (
        "deconvolve", [(FIELD, "")],
        {"kernel": BLUR, "method": "richardson-lucy", "iterations": 2},
    ),
    "match": ("match", [(GREY, PNG)], {"template": (GREY[3:12, 5:15], PNG), "scales": [1.0, 1.5]}),
    "match, sound": ("match", [(SOUND, WAV)], {"template": (SOUND[100:150], WAV), "scores": True}),
    "match, phase": (
        "match", [(np.roll(FIELD, 2, 0), "")], {"template": (FIELD, NPY), "method": "phase"},
    ),
    # One tap, which every draw finds.
    "draws": (
        "stochastic-convolve", [(SOUND, WAV)], {"kernel": {"values": [0.5]}, "samples": 9},
    ),
    "video": ("video", [(FRAMES, "")], {"kernel": BLUR, "frames": 2}),
    "video, pictures": (
        "video", [(GREY, PNG), (GREY[::-1], PNG)],
        {"kernel": BLUR, "over": "frames", "sequence": True},
    ),
}  # fmt: skip


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A GPU whose convolutions are operations on arrays: kernels have tests of their own."""
    for name, module in standin.modules(tmp_path, PROPERTIES).items():
        monkeypatch.setitem(sys.modules, name, module)
    for family in (channels, direct, separable):
        monkeypatch.setattr(family, "supports", lambda form: False)
    monkeypatch.setattr(fft, "tilings", lambda *_: [])
    kept.drop()
    yield device.gpu("a GPU of arrays", 0)
    kept.drop()
    assert streams.MEMORY.freed_early == []
    streams.reset()
    for cached in (transfers.transfers, device.gpu, device._gpu, fft_tiled._choose):
        cached.cache_clear()


class Jobs:
    """Runs jobs where there is a GPU."""

    def __init__(self, works: Any, gpu: Any) -> None:
        self.works, self.gpu = works, gpu

    def spec(self, what: str, **fields: Any) -> Any:
        kind, inputs, others = JOBS[what]
        upload = self.works.upload
        others = {
            name: upload(*value, **RATE.get(value[1], {})) if isinstance(value, tuple) else value
            for name, value in others.items()
        }
        uploaded = [upload(x, media or NPY, **RATE.get(media, {})) for x, media in inputs]
        return self.works.spec(kind, *uploaded, **others, **fields)

    def make_run(self, spec: Any, gpu: Any = None) -> Run:
        run = self.works.make_run(spec.kind, spec)
        run.gpu = gpu
        return run

    def run(self, spec: Any, gpu: Any = None) -> Run:
        run = self.make_run(spec, gpu)
        by_name(spec.kind).run(spec, run)
        assert run.failures == []
        return run

    def plan(self, spec: Any, **options: Any) -> Any:
        kind = by_name(spec.kind)
        records = {digest: self.works.artifacts.get(digest) for digest in kind.references(spec)}
        planning = Planning(self.works.artifacts, records, cpu(), 1 << 32, **options)
        return kind.plan(spec, planning)


@pytest.fixture
def jobs(works, gpu) -> Jobs:
    return Jobs(works, gpu)


@pytest.mark.parametrize("what", JOBS)
def test_a_job_makes_there_what_it_makes_here(jobs: Jobs, what: str, monkeypatch) -> None:
    check_there(jobs, what, monkeypatch)


@pytest.mark.gpu
@pytest.mark.parametrize("what", JOBS)
def test_a_job_on_a_device(works: Any, what: str, monkeypatch, real_cupy: Any) -> None:
    check_there(Jobs(works, device.device_of(real_cupy.empty(0))), what, monkeypatch)


def check_there(jobs: Jobs, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = jobs.run(jobs.spec(what))
    computed = []

    def noted(original: Any) -> Any:
        def call(*given: Any) -> Any:
            found = original(*given)
            computed.append(is_on_gpu(found) or isinstance(found, transfers.Pending))
            return found

        return call

    for kind, name in ((transfers.Transfers, "begin"), (places.Places, "bring")):
        monkeypatch.setattr(kind, name, noted(getattr(kind, name)))
    there = jobs.run(jobs.spec(what, device="gpu"), jobs.gpu)
    assert computed
    assert all(computed)
    assert jobs.works.names(there) == jobs.works.names(here)
    for name in jobs.works.names(here):
        check_alike(jobs.works, here, there, name)
    assert there.plan["device"] == {"kind": "gpu", "name": jobs.gpu.name}
    for group in there.plan["groups"]:
        assert group["device"] == jobs.gpu.name
        assert 0 < group["transfer_seconds"] < group["seconds"]
        assert "of transfers" in group["why"]


def check_alike(works: Any, here: Run, there: Run, name: str) -> None:
    if name.endswith(".json"):
        check_document(works.json(here, name), works.json(there, name))
        return
    if name.endswith(".webp"):
        assert len(works.bytes(there, name)) == pytest.approx(
            len(works.bytes(here, name)), rel=0.05
        )
        return
    expected, found = works.array(here, name), works.array(there, name)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    levels = found.dtype.kind in "iu" and name.endswith((".png", ".wav"))
    np.testing.assert_allclose(
        found.astype(complex), expected.astype(complex), rtol=1e-4, atol=1 if levels else 1e-4
    )


def check_document(expected: Any, found: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            check_document(expected[name], found[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(expected, found, strict=True):
            check_document(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    else:
        assert found == expected


@pytest.mark.parametrize("what", ["convolve", "filter", "video"])
def test_work_goes_where_it_is_done_first_with_the_way_there_and_back(jobs: Jobs, what) -> None:
    nothing = {
        name: dict.fromkeys(getattr(jobs.gpu, name), 0.0)
        for name in ("multiply_add", "gemm", "fft", "direct", "fft_tile")
    }
    quick = replace(jobs.gpu, call=0.0, copy=0.0, to_device=1e-12, to_host=1e-12, **nothing)
    far = replace(quick, to_device=1.0)
    for gpu, kind in ((quick, "gpu"), (far, "cpu")):
        for plan in (jobs.plan(jobs.spec(what), gpu=gpu), jobs.run(jobs.spec(what), gpu).plan):
            assert plan["device"]["kind"] == kind
            for group in plan["groups"]:
                assert "on the GPU: 0 ms + " in group["why"]
                assert "on the processor: " in group["why"]
                if kind == "gpu":
                    assert 0 < group["transfer_seconds"] == pytest.approx(group["seconds"])
    here = jobs.spec(what, device="cpu")
    assert jobs.plan(here, gpu=quick) == jobs.plan(here)


def test_seeds_repeat_beside_a_gpu_and_draws_on_it_are_as_good(jobs: Jobs) -> None:
    fields = {"kernel": {"preset": "box", "size": 3}, "samples": 500}
    digest = jobs.works.upload(FIELD, NPY)

    def drawn(device: str, gpu: Any = None) -> tuple[Any, Any]:
        spec = jobs.works.spec("stochastic-convolve", digest, device=device, **fields)
        run = jobs.run(spec, gpu)
        (told,) = [name for name in jobs.works.names(run) if name.endswith(".json")]
        return run.results[0]["digest"], jobs.works.json(run, told)

    here, there = drawn("auto"), drawn("gpu", jobs.gpu)
    assert drawn("auto", jobs.gpu) == here
    assert there[0] != here[0]
    assert there[1]["variance"] == pytest.approx(here[1]["variance"])
    assert there[1]["error"] == pytest.approx(there[1]["expected_error"], rel=0.15)


def test_who_wants_a_gpu_is_told_that_there_is_none(jobs: Jobs) -> None:
    for what in ("convolve", "filter"):
        with pytest.raises(Unavailable):
            jobs.plan(jobs.spec(what, device="gpu"))
    run = jobs.make_run(spec := jobs.spec("convolve", device="gpu"))
    by_name("convolve").run(spec, run)
    assert {failure["code"] for failure in run.failures} == {"unavailable"}


@pytest.mark.parametrize(
    "what",
    ["convolve, a bank", "convolve, magnitude", "diffuse, own kernel", "video",
     "deconvolve, Richardson-Lucy"],
)  # fmt: skip
def test_what_a_kernel_needs_there_is_made_once(jobs: Jobs, what: str, monkeypatch) -> None:
    asked, made = Counter(), Counter()

    def counted(x: Any, name: Any, make: Any) -> Any:
        def count() -> Any:
            made[name] += 1
            return make()

        asked[name] += 1
        return kept.kept(x, name, count)

    monkeypatch.setattr(fixed, "kept", counted)
    spec = jobs.spec(what, device="gpu")
    for _ in range(2):
        # The second time as the next tile of an array: another job with an equal kernel.
        jobs.run(spec, jobs.gpu)
    assert set(made.values()) == {1}
    assert min(asked.values()) >= 2


def test_inputs_are_begun_before_others_are_ended(jobs: Jobs, monkeypatch) -> None:
    course = []
    begin, result = transfers.Transfers.begin, transfers.Pending.result
    monkeypatch.setattr(
        transfers.Transfers, "begin", lambda *given: course.append("begin") or begin(*given)
    )
    monkeypatch.setattr(
        transfers.Pending, "result", lambda *given: course.append("end") or result(*given)
    )
    run = jobs.run(jobs.spec("convolve, a bank", device="gpu"), jobs.gpu)
    assert course == ["begin", "begin", "begin", "end", "begin", "end", "end", "end"]
    (group,) = run.plan["groups"]
    assert group["inputs"] == 4
    assert group["measured_seconds"] > 0


def test_a_job_that_is_cancelled_lets_go_of_what_is_on_its_way(jobs: Jobs, monkeypatch) -> None:
    spec = jobs.spec("convolve, a bank", device="gpu")
    run = jobs.make_run(spec, jobs.gpu)
    begin = transfers.Transfers.begin
    begun = []

    def cancel_at_the_third(*given):
        begun.append(1)
        if len(begun) == 3:
            run.ask_to_stop("cancel")
        return begin(*given)

    monkeypatch.setattr(transfers.Transfers, "begin", cancel_at_the_third)
    with pytest.raises(Cancelled):
        by_name("convolve").run(spec, run)
    monkeypatch.undo()
    gc.collect()


@pytest.mark.parametrize("what", ["convolve", "filter", "diffuse", "deconvolve, inverse", "match"])
def test_what_does_not_fit_there_is_computed_here_unless_the_job_says_gpu(
    jobs: Jobs, what: str, monkeypatch
) -> None:
    expected = jobs.run(jobs.spec(what))
    near = replace(jobs.gpu, call=-1.0)  # where everything is done first
    for room in (0, 3000, 9000):
        streams.MEMORY.reset()
        streams.MEMORY.watched = True
        streams.MEMORY.set_limit(room)
        found = jobs.run(jobs.spec(what), near)
        for name in jobs.works.names(expected):
            check_alike(jobs.works, expected, found, name)
        told = [group["why"] for group in found.plan["groups"]]
        kinds = found.plan["device"]["kind"]
        if room == 0:
            assert kinds == "cpu"
            assert all("not on the GPU: memory: the device has too little" in why for why in told)
        run = jobs.make_run(spec := jobs.spec(what, device="gpu"), near)
        by_name(spec.kind).run(spec, run)
        if room == 0:
            assert {failure["code"] for failure in run.failures} == {"too_large"}
            assert all("bytes free of" in failure["given"] for failure in run.failures)
