"""Plans: the choice, the table, the dict, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.conv import ALGORITHMS, by_name, convolve, make_plan, plan
from core.conv.device import cpu, gpu, save
from core.errors import AlgorithmRefused, IntegrityError, InvalidInput


def test_the_choice_follows_the_kernel_size() -> None:
    photo = {"dtype": "float32", "mode": "same"}
    assert plan((4000, 6000), (3, 3), **photo).chosen == "direct"
    assert plan((4000, 6000), (63, 63), **photo).chosen == "fft-tiled"
    x = np.broadcast_to(np.float32(1), (4000, 6000))
    assert plan(x, np.ones((9, 9), np.float32), mode="same").chosen == "separable"


def test_the_reference_is_never_faster() -> None:
    for shape in [(1,), (2, 2), (1, 1, 1)]:
        assert plan(shape, shape).chosen != "reference"


def test_the_table() -> None:
    planned = plan(np.zeros((64, 64), np.float32), np.eye(5, dtype=np.float32), mode="same")
    text = str(planned)
    for algorithm in ALGORITHMS:
        assert algorithm.name in text
    assert f"* {planned.chosen}" in text
    assert text.count("\n* ") == 1
    assert "(64, 64) float32 with kernel (5, 5) float32 -> (64, 64) float32" in text
    assert "mode same, boundary zero; kernel rank 5" in text
    assert text.splitlines()[-1].startswith(f"{planned.chosen}: predicted")
    refused = str(plan((64,), (5,)))
    assert "refused: the kernel is one-dimensional already" in refused
    assert "stride (2,)" in str(plan((1, 1, 64), (1, 1, 5), "conv", stride=2))


def test_the_dict_is_json() -> None:
    planned = plan((64, 60), (5, 5), "correlate", dtype="complex64", mode="same", boundary="wrap")
    read = json.loads(json.dumps(planned.to_dict()))
    assert read["chosen"] == planned.chosen
    assert read["problem"]["x_shape"] == [64, 60]
    assert read["problem"]["mode"] == "same"
    assert read["problem"]["boundary"] == "wrap"
    assert read["problem"]["dtype"] == "complex64"
    assert [c["algorithm"] for c in read["candidates"]] == [a.name for a in ALGORITHMS]
    chosen = next(c for c in read["candidates"] if c["algorithm"] == read["chosen"])
    assert (chosen["seconds"], chosen["bytes"]) == (read["seconds"], read["bytes"])
    assert chosen["refused"] is None
    assert {k: v for k, v in read["candidates"][1].items() if k in ("seconds", "bytes")} == {
        "seconds": None,
        "bytes": None,
    }
    multi = plan((1, 2, 9), (4, 1, 3), "conv", groups=2, stride=2).to_dict()
    json.dumps(multi)
    assert multi["problem"]["stride"] == [2]
    assert multi["problem"]["out_shape"] == [1, 4, 4]


def test_the_choice_is_the_cheapest_candidate() -> None:
    planned = plan((300, 300), (11, 11), dtype="float32")
    eligible = [c.seconds for c in planned.candidates if c.refused is None]
    assert planned.candidate.seconds == min(eligible)


def test_a_plan_is_made_once() -> None:
    assert plan((30, 30), (3, 3)) is plan((30, 30), (3, 3))


def test_run_computes_with_the_choice() -> None:
    x, w = np.arange(12.0).reshape(3, 4), np.array([[1.0, 2.0]])
    planned = plan(x, w, mode="same", method="fft-tiled")
    np.testing.assert_allclose(
        planned.run(x, w), convolve(x, w, "same", method="reference"), atol=1e-12
    )


@pytest.mark.parametrize(
    ("x", "w", "field"),
    [
        (np.zeros((3, 5)), np.zeros((1, 2)), "x"),
        (np.zeros((3, 4), np.float32), np.zeros((1, 2)), "x"),
        (np.zeros((3, 4)), np.zeros((2, 2)), "kernel"),
    ],
)
def test_run_refuses_what_was_not_planned(x, w, field) -> None:
    with pytest.raises(InvalidInput, match="not what was planned") as caught:
        plan((3, 4), (1, 2)).run(x, w)
    assert caught.value.field == field


def test_an_unknown_method_lists_the_names() -> None:
    with pytest.raises(InvalidInput) as caught:
        convolve([1.0], [1.0], method="fastest")
    assert caught.value.field == "method"
    assert caught.value.accepted == ["auto", *(a.name for a in ALGORITHMS)]
    with pytest.raises(InvalidInput, match="fft-whole"):
        by_name("auto")


def test_a_refusing_method_says_why_and_what_would_do() -> None:
    with pytest.raises(AlgorithmRefused, match="one-dimensional already") as caught:
        convolve([1.0, 2.0], [1.0, 2.0], method="separable")
    assert caught.value.field == "method"
    assert caught.value.accepted == ["auto", "direct", "fft-tiled", "fft-whole", "reference"]
    with pytest.raises(AlgorithmRefused, match="only one channel per group"):
        plan((1, 2, 8, 8), (3, 2, 3, 3), "conv", method="separable")
    with pytest.raises(AlgorithmRefused, match="values are not known"):
        plan((8, 8), (3, 3), method="separable")
    with pytest.raises(AlgorithmRefused, match="no exact outer product"):
        convolve(np.ones((8, 8), int), np.array([[1, 2], [3, 4]]), method="separable")
    with pytest.raises(AlgorithmRefused, match="does not fit a tile"):
        plan((10,), (3_000_000,), method="fft-tiled")


def test_stored_constants_change_the_plan() -> None:
    assert plan((4000, 6000), (3, 3), dtype="float32").chosen == "direct"
    slow = {
        table: {name: seconds * 1e4 for name, seconds in getattr(cpu(), table).items()}
        for table in ("multiply_add", "direct")
    }
    path = save(type(cpu())(**{**vars(cpu()), **slow}))
    assert path.exists()
    assert cpu().multiply_add == slow["multiply_add"]
    assert plan((4000, 6000), (3, 3), dtype="float32").chosen.startswith("fft")


def test_a_damaged_file_of_constants_is_named() -> None:
    path = save(cpu())
    for damage in ("{", "[]", "{}", '{"kind": "cpu"}'):
        path.write_text(damage)
        cpu.cache_clear()
        with pytest.raises(IntegrityError, match="delete it") as caught:
            plan((3,), (3,))
        assert str(path) in str(caught.value)


def test_constants_that_are_newer_than_their_file_are_the_rough_ones() -> None:
    rough = gpu("a device")
    path = save(replace(rough, copy=1.0, to_host=1.0))
    stored = json.loads(path.read_text())
    del stored["to_host"]
    path.write_text(json.dumps(stored))
    gpu.cache_clear()
    assert gpu("a device") == replace(rough, copy=1.0)


def test_make_plan_takes_a_problem() -> None:
    planned = plan((30, 30), (3, 3))
    assert make_plan(planned.problem, cpu(), "fft-whole").chosen == "fft-whole"
