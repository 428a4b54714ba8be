"""The job kind ``convolve``, from Spec to stored results, without a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray
from pydantic import ValidationError

from core import conv
from core.conv.blocks import cores
from core.conv.device import cpu, gpu
from core.errors import Cancelled, InvalidInput, TooLarge
from core.jobs import convolve
from core.jobs.convolve import ConvolveSpec
from core.jobs.kind import Planning
from core.jobs.run import Run
from core.media import JPEG, NPY, NPZ, PNG, TIFF, WAV, WEBP, decode, encode, inspect
from core.store.artifacts import ArtifactStore

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
GREY = PICTURE[..., 0]
LAPLACIAN = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


class Bench:
    """Uploads inputs, plans and runs a job in this process."""

    def __init__(self, artifacts: ArtifactStore, scratch: Path) -> None:
        self.artifacts = artifacts
        self.scratch = scratch

    def upload(self, array: NDArray[Any], media_type: str, **extra: Any) -> str:
        data = encode(array, media_type, extra=extra)  # type: ignore[arg-type]
        info = inspect(data)
        return self.artifacts.put(data, info.media_type, info.shape, info.dtype).digest

    def spec(self, inputs: list[Any], **fields: Any) -> ConvolveSpec:
        fields = {"kernel": {"preset": "box", "size": 3}} | fields
        return ConvolveSpec.model_validate({"kind": "convolve", "inputs": inputs} | fields)

    def plan(self, spec: ConvolveSpec, memory_cap: int = 1 << 32) -> dict[str, Any]:
        inputs = {digest: self.artifacts.get(digest) for digest in convolve.references(spec)}
        return convolve.plan(spec, Planning(self.artifacts, inputs, cpu(), memory_cap))

    def run(self, spec: ConvolveSpec, memory_cap: int = 1 << 32) -> Run:
        run = Run(
            artifacts=self.artifacts,
            device=cpu(),
            memory_cap=memory_cap,
            scratch=self.scratch,
            total=convolve.items(spec),
        )
        convolve.run(spec, run)
        return run

    def result(self, run: Run, index: int = 0) -> NDArray[Any]:
        return decode(self.artifacts.read(run.results[index]["digest"])).array


@pytest.fixture
def bench(artifacts: ArtifactStore, tmp_path: Path) -> Bench:
    return Bench(artifacts, tmp_path)


def per_channel(x: NDArray[Any], filtered: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    return np.stack([filtered(x[..., c].astype(float)) for c in range(x.shape[-1])], axis=-1)


@pytest.mark.parametrize("media_type", [PNG, WEBP, TIFF])
def test_pictures_are_filtered_per_channel_and_keep_their_format(
    bench: Bench, media_type: str
) -> None:
    run = bench.run(
        bench.spec([{"artifact": bench.upload(PICTURE, media_type), "name": "cat.x"}],
                   kernel={"preset": "gaussian", "sigma": 1.5})
    )  # fmt: skip
    expected = per_channel(PICTURE, lambda c: scipy.ndimage.gaussian_filter(c, 1.5))
    np.testing.assert_allclose(bench.result(run), expected, atol=0.51)
    (result,) = run.results
    assert (result["media_type"], result["shape"], result["dtype"]) == (
        media_type, [24, 30, 3], "uint8",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("boundary", "name"),
    [("reflect", "reflect"), ("mirror", "mirror"), ("nearest", "nearest"), ("wrap", "wrap")],
)
def test_boundaries_are_those_of_ndimage(bench: Bench, boundary: str, name: str) -> None:
    run = bench.run(
        bench.spec([bench.upload(GREY, PNG)], kernel={"values": LAPLACIAN},
                   boundary=boundary, output="npy")
    )  # fmt: skip
    expected = scipy.ndimage.convolve(GREY.astype(float), np.array(LAPLACIAN, float), mode=name)
    np.testing.assert_allclose(bench.result(run), expected, atol=1e-3)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("operation", ["convolution", "correlation"])
def test_modes_and_operations_are_those_of_signal(bench: Bench, mode: str, operation: str) -> None:
    x, kernel = RNG.normal(size=(9, 11)), RNG.normal(size=(3, 4))
    run = bench.run(
        bench.spec([bench.upload(x, NPY)], kernel={"values": kernel.tolist()}, mode=mode,
                   boundary="zero", operation=operation)
    )  # fmt: skip
    reference = scipy.signal.convolve if operation == "convolution" else scipy.signal.correlate
    np.testing.assert_allclose(bench.result(run), reference(x, kernel, mode), atol=1e-12)


@pytest.mark.parametrize(
    "method", [a.name for a in conv.ALGORITHMS if a.name not in ("cudnn", "winograd")]
)
def test_every_algorithm_gives_the_same_result(bench: Bench, method: str) -> None:
    run = bench.run(
        bench.spec([bench.upload(GREY[:12, :12], PNG)], kernel={"preset": "gaussian", "sigma": 1},
                   method=method, output="npy")
    )  # fmt: skip
    expected = scipy.ndimage.gaussian_filter(GREY[:12, :12].astype(float), 1)
    np.testing.assert_allclose(bench.result(run), expected, rtol=1e-4)
    assert run.plan["groups"][0]["chosen"] == method


def test_a_bank_of_kernels_gives_feature_maps(bench: Bench) -> None:
    x, bank = RNG.normal(size=(256, 256)).astype(np.float32), RNG.normal(size=(32, 16, 16))
    run = bench.run(
        bench.spec([bench.upload(x, NPY)], kernel={"values": bank.tolist()}, mode="valid")
    )
    maps = bench.result(run)
    assert maps.shape == (32, 241, 241)
    assert maps.dtype == np.float32
    expected = scipy.signal.correlate(x, bank[5, ::-1, ::-1], "valid")
    np.testing.assert_allclose(maps[5], expected, atol=1e-3)


def test_a_bank_on_a_picture_gives_one_picture_per_map(bench: Bench) -> None:
    bank = RNG.normal(size=(11, 3, 3))
    run = bench.run(
        bench.spec([{"artifact": bench.upload(PICTURE, PNG), "name": "a.png"}],
                   kernel={"values": bank.tolist()}, range="signed")
    )  # fmt: skip
    names = [result["name"] for result in run.results]
    assert names[:2] == ["a-map00.png", "a-map01.png"]
    assert len(names) == 11
    assert all(result["shape"] == [24, 30, 3] for result in run.results)


@pytest.mark.parametrize("shape", [(90,), (90, 2)])
def test_a_bank_on_a_sound_gives_one_sound_per_map(bench: Bench, shape: tuple[int, ...]) -> None:
    sound = RNG.integers(-9000, 9000, shape).astype(np.int16)
    inputs = [{"artifact": bench.upload(sound, WAV, sample_rate=8000), "name": "a.wav"}]
    run = bench.run(bench.spec(inputs, kernel={"values": [[0, 1, 0], [0, 0, 1]]}))
    assert [result["name"] for result in run.results] == ["a-map0.wav", "a-map1.wav"]
    assert [result["shape"] for result in run.results] == [list(shape)] * 2
    np.testing.assert_array_equal(bench.result(run, 0), sound)
    np.testing.assert_array_equal(bench.result(run, 1)[1:], sound[:-1])


def test_the_magnitude_of_a_gradient_is_a_hypotenuse(bench: Bench) -> None:
    run = bench.run(
        bench.spec([bench.upload(GREY, PNG)], kernel={"preset": "sobel-magnitude"}, output="npy")
    )
    x = GREY.astype(float)
    expected = np.hypot(scipy.ndimage.sobel(x, 0), scipy.ndimage.sobel(x, 1))
    scale = bench.result(run).max() / expected.max()
    np.testing.assert_allclose(bench.result(run), expected * scale, rtol=1e-4, atol=1e-2)


def test_integer_arrays_stay_exact_integers(bench: Bench) -> None:
    run = bench.run(bench.spec([bench.upload(GREY, NPY)], kernel={"values": LAPLACIAN}))
    expected = scipy.ndimage.convolve(GREY.astype(np.int64), np.array(LAPLACIAN))
    assert bench.result(run).dtype == np.int64
    np.testing.assert_array_equal(bench.result(run), expected)


def test_taps_without_a_dtype_take_the_precision_of_the_array(bench: Bench) -> None:
    x = bench.upload(GREY.astype(np.float32), NPY)
    assert bench.result(bench.run(bench.spec([x]))).dtype == np.float32
    kernel = {"artifact": bench.upload(np.ones((3, 3)), NPY)}
    assert bench.result(bench.run(bench.spec([x], kernel=kernel))).dtype == np.float64


def test_the_size_normalisation_divides_by_nine(bench: Bench) -> None:
    run = bench.run(
        bench.spec([bench.upload(GREY, PNG)], kernel={"values": [[1, 1, 1]] * 3},
                   normalize="size", output="npy")
    )  # fmt: skip
    np.testing.assert_allclose(
        bench.result(run), scipy.ndimage.uniform_filter(GREY.astype(float), 3), rtol=1e-5
    )


def test_opacity_is_left_as_it_is(bench: Bench) -> None:
    rgba = np.dstack([PICTURE, GREY])
    digest = bench.upload(rgba, PNG)
    run = bench.run(bench.spec([digest]))
    np.testing.assert_array_equal(bench.result(run)[..., 3], GREY)
    assert bench.plan(bench.spec([digest]))["groups"][0]["problem"] is not None
    assert bench.result(bench.run(bench.spec([digest], mode="valid"))).shape == (22, 28, 3)


def test_sound_is_filtered_along_time_and_keeps_its_rate(bench: Bench) -> None:
    sound = RNG.integers(-3000, 3000, (4000, 2), dtype=np.int16)
    digest = bench.upload(sound, WAV, sample_rate=8000)
    run = bench.run(bench.spec([digest], kernel={"preset": "box", "size": 5}))
    expected = scipy.ndimage.uniform_filter1d(sound.astype(float), 5, axis=0)
    np.testing.assert_allclose(bench.result(run), expected, atol=0.51)
    assert inspect(bench.artifacts.read(run.results[0]["digest"])).extra["sample_rate"] == 8000


def test_channels_that_become_one_are_a_sound_without_an_axis_of_them(bench: Bench) -> None:
    sound = RNG.integers(-3000, 3000, (40, 2), dtype=np.int16)
    digest = bench.upload(sound, WAV, sample_rate=8000)
    spec = bench.spec([digest], kernel={"values": [0.5, 0.5]}, axes=[1], mode="valid")
    run = bench.run(spec)
    assert run.results[0]["shape"] == [40]
    np.testing.assert_allclose(bench.result(run), sound.mean(axis=1), atol=0.51)


def test_axes_choose_what_is_convolved(bench: Bench) -> None:
    x = RNG.normal(size=(5, 6, 7))
    digest = bench.upload(x, NPZ)
    run = bench.run(bench.spec([digest], kernel={"values": [1.0, 2.0]}, axes=[2], mode="full"))
    expected = scipy.signal.convolve(x, np.array([1.0, 2.0]).reshape(1, 1, 2), "full")
    assert bench.result(run).shape == expected.shape
    np.testing.assert_allclose(bench.result(run)[..., 1:-1], expected[..., 1:-1])


def test_jpeg_to_png_and_16_bits(bench: Bench) -> None:
    jpeg = bench.upload(PICTURE, JPEG)
    deep = bench.upload(GREY.astype(np.uint16) * 257, PNG)
    spec = bench.spec(
        [{"artifact": jpeg, "name": "x.jpeg"}, {"artifact": deep, "name": "x.png"}], output="png"
    )
    run = bench.run(spec)
    assert [result["name"] for result in run.results] == ["x.png", "x-2.png"]
    assert [result["dtype"] for result in run.results] == ["uint8", "uint16"]


def test_one_bad_input_fails_alone_and_by_name(bench: Bench) -> None:
    good = bench.upload(PICTURE, PNG)
    text = bench.artifacts.put(b"not a picture", "application/octet-stream").digest
    header = encode(PICTURE, PNG)[:200]
    torn = bench.artifacts.put(header, PNG, (24, 30, 3), "uint8").digest
    tiny = bench.upload(GREY[:2, :2], NPY)
    spec = bench.spec(
        [
            good,
            {"artifact": text, "name": "notes.txt"},
            {"artifact": torn, "name": "torn.png"},
            {"artifact": tiny, "name": "mask.npy"},
            {"artifact": good, "name": "last.png"},
        ],
        kernel={"values": np.ones((1, 3, 3)).tolist()},
        mode="valid",
    )
    plan = bench.plan(spec)
    assert [group["inputs"] for group in plan["groups"] if "error" not in group] == [3]
    run = bench.run(spec)
    failed = [failure["name"] for failure in run.failures]
    assert failed == ["notes.txt", "torn.png", "mask.npy"]
    assert [result["name"] for result in run.results][-1] == "last-map0.png"
    assert (run.progress.done, run.progress.failed) == (5, 3)


def test_masks_are_filtered_like_numbers(bench: Bench) -> None:
    mask = GREY > 128
    run = bench.run(bench.spec([bench.upload(mask, NPY)]))
    np.testing.assert_allclose(
        bench.result(run), scipy.ndimage.uniform_filter(mask.astype(float), 3), atol=1e-12
    )


def test_a_kernel_must_fit_into_the_input_in_mode_valid(bench: Bench) -> None:
    spec = bench.spec([bench.upload(GREY, PNG)], kernel={"preset": "box", "size": 45}, mode="valid")
    with pytest.raises(InvalidInput, match="45 × 45 on 24 × 30"):
        bench.plan(spec)


@pytest.mark.parametrize(
    ("array", "media_type", "extra", "output"),
    [
        (np.zeros(50, np.int16), WAV, {"sample_rate": 8000}, "png"),
        (np.zeros((50, 2), np.int16), WAV, {"sample_rate": 8000}, "png"),
        (np.zeros((9, 10, 11)), NPY, {}, "png"),
        (np.zeros(50), NPY, {}, "png"),
        (np.zeros((5, 6), complex), NPY, {}, "png"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_at_planning(
    bench: Bench, array: NDArray[Any], media_type: str, extra: dict[str, Any], output: str
) -> None:
    spec = bench.spec([bench.upload(array, media_type, **extra)], output=output)
    with pytest.raises(InvalidInput, match="output: a PNG holds no"):
        bench.plan(spec)


def test_a_colour_picture_is_no_kernel_but_a_grey_one_is(bench: Bench) -> None:
    x = bench.upload(GREY, PNG)
    with pytest.raises(InvalidInput, match="no colours"):
        bench.plan(bench.spec([x], kernel={"artifact": bench.upload(PICTURE[:5, :5], PNG)}))
    grey = {"artifact": bench.upload(GREY[:5, :5], PNG)}
    assert bench.plan(bench.spec([x], kernel=grey))["groups"][0]["chosen"]


def test_nothing_to_process_is_refused_at_planning(bench: Bench) -> None:
    text = bench.artifacts.put(b"not a picture", "application/octet-stream").digest
    with pytest.raises(InvalidInput, match="no picture"):
        bench.plan(bench.spec([text]))


def test_a_kernel_with_the_wrong_number_of_axes_names_what_fits(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match=r"kernel: .*shape \(3,\).*2 axes, or 3"):
        bench.plan(bench.spec([bench.upload(PICTURE, PNG)], kernel={"values": [1, 2, 1]}))


def test_too_little_memory_is_known_before_anything_runs(bench: Bench) -> None:
    with pytest.raises(TooLarge, match="memory"):
        bench.plan(bench.spec([bench.upload(PICTURE, PNG)]), memory_cap=1000)


def test_the_plan_changes_with_the_kernel_size(bench: Bench) -> None:
    """24 megapixels: the plan needs the record alone, so the picture itself need not exist."""
    record = bench.artifacts.put(b"stand-in", JPEG, (4000, 6000, 3), "uint8").digest
    chosen = {}
    for size in (3, 63):
        kernel = {"values": RNG.normal(size=(size, size)).tolist()}
        chosen[size] = bench.plan(bench.spec([record], kernel=kernel))["groups"][0]["chosen"]
    assert chosen[3] == "direct"
    assert chosen[63].startswith("fft")


def test_inputs_of_one_sort_share_a_plan(bench: Bench) -> None:
    inputs = [bench.upload(np.roll(PICTURE, n), PNG) for n in range(5)] + [bench.upload(GREY, PNG)]
    spec = bench.spec(inputs)
    assert [group["inputs"] for group in bench.plan(spec)["groups"]] == [5, 1]
    measured = bench.run(spec).plan["groups"]
    assert [group["inputs"] for group in measured] == [5, 1]
    assert all(group["measured_seconds"] > 0 for group in measured)


def test_a_gpu_rounds_what_the_job_allows_and_nothing_else(bench: Bench) -> None:
    there = gpu("with tensor cores", 99 << 10, (9, 0))
    bank = {"values": RNG.standard_normal((32, 9, 9)).tolist()}
    picture = bench.upload(np.zeros((512, 512), np.uint8), PNG)
    for allowed, on, products in [
        ({"precision": "tf32"}, "gpu", "tf32"),
        ({"precision": "tf32"}, "cpu", "float32"),
        ({}, "gpu", "float32"),
    ]:
        spec = bench.spec([picture], kernel=bank, device=on, method="direct", **allowed)
        inputs = {digest: bench.artifacts.get(digest) for digest in convolve.references(spec)}
        planning = Planning(bench.artifacts, inputs, cpu(), 1 << 32, gpu=there)
        (group,) = convolve.plan(spec, planning)["groups"]
        assert group["products"] == products
        assert group["problem"]["precision"] == allowed.get("precision", "float32")


def test_a_running_convolution_stops_when_asked(bench: Bench) -> None:
    big = bench.upload(RNG.integers(0, 256, (3000, 3000), dtype=np.uint8), NPY)
    spec = bench.spec(
        [big], kernel={"values": RNG.normal(size=(221, 221)).tolist()}, method="direct"
    )
    run = Run(artifacts=bench.artifacts, device=cpu(), memory_cap=1 << 32, scratch=bench.scratch,
              total=1)  # fmt: skip
    asked = 0.0

    def ask() -> None:
        nonlocal asked
        # The processor's time is that of this program alone, however busy the machine is.
        asked = time.process_time()
        run.ask_to_stop("cancel")

    threading.Timer(0.3, ask).start()
    with pytest.raises(Cancelled):
        convolve.run(spec, run)
    assert time.process_time() - asked < 1 * cores()
    assert run.results == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kernel": {"preset": "gausian"}}, "gausian"),
        ({"kernel": {"sigma": 2}}, "A kernel is"),
        ({"kernel": {"values": [[1, 2], [3]]}}, "same length"),
        ({"kernel": {"values": []}}, "empty"),
        ({"kernel": {"values": [["x"]]}}, "not a number"),
        ({"kernel": {"values": [[True]]}}, "not a number"),
        ({"kernel": {"values": [[float("nan")]]}}, "finite"),
        ({"kernel": {"values": [[10**400]]}}, "sensible"),
        ({"kernel": {"values": [[[[[1]]]]]}}, "deeper"),
        ({"kernel": {"values": [[0] * 65_537]}}, "65536"),
        ({"kernel": {"artifact": "sha256:abc"}}, "pattern"),
        ({"mode": "sam"}, "full"),
        ({"method": "fast"}, "direct"),
        ({"inputs": []}, "at least 1"),
        ({"cval": float("inf")}, "finite"),
        ({"axes": []}, "at least 1"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_wrong_with_a_spec_is_said(fields: dict[str, Any], message: str) -> None:
    base = {"kind": "convolve", "inputs": ["sha256:" + "0" * 64], "kernel": {"preset": "box"}}
    with pytest.raises(ValidationError, match=message):
        ConvolveSpec.model_validate(base | fields)


def test_a_kernel_of_truth_values_counts_them_as_0_and_1(works: Any) -> None:
    x, kernel = np.arange(30.0).reshape(5, 6), np.eye(3, dtype=bool)
    fields = {"mode": "valid", "boundary": "zero"}
    uploaded = {"artifact": works.upload(kernel)}
    assert works.plan("convolve", works.upload(x), kernel=uploaded, **fields)["groups"]
    run = works.run("convolve", works.named(x, "x.npy"), kernel=uploaded, **fields)
    expected = conv.convolve(x, kernel.astype(float), "valid")
    np.testing.assert_array_equal(works.array(run, "x.npy"), expected)
