from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.edge.accuracy import change
from core.edge.archive import archive
from core.edge.bundle import build
from core.edge.inspection import inspect
from core.edge.precision import stored
from core.edge.profiles import Profile, profile
from core.edge.runtime.container import Container
from core.edge.runtime.errors import Damaged, EdgeError
from core.edge.runtime.model import EdgeModel
from core.edge.runtime.weights import decoded
from core.edge.signing import SigningKey
from core.edge.standalone import standalone
from core.errors import Conflict, IntegrityError, InvalidInput
from core.nets.data import load
from core.nets.model import Model


@pytest.fixture
def small(
    signing: SigningKey, make_model: Callable[..., Model], small_net: dict[str, Any]
) -> Callable[..., bytes]:
    """Return what makes the bundle of a small net."""

    def make(board: str = "x86", **options: Any) -> bytes:
        return build(make_model(small_net), profile(board), signing, name="small", **options)

    return make


def test_the_same_bytes_every_time(small: Callable[..., bytes], signing: SigningKey) -> None:
    first, second = (small(precision="int8") for _ in range(2))
    assert first == second
    assert standalone(first, signing.public) == standalone(second, signing.public)


@pytest.mark.parametrize("wrapped", [False, True])
def test_every_byte_is_guarded(
    small: Callable[..., bytes], wrapped: bool, signing: SigningKey, tmp_path: Path
) -> None:
    content = small("arm64", precision="int8")
    if wrapped:
        content = standalone(content, signing.public)
    path = tmp_path / "bundle"
    random = np.random.default_rng(0)
    path.write_bytes(content)
    whole = Container(str(path), signing.public)
    whole.close()
    for at in random.integers(0, len(content), 60):
        changed = bytearray(content)
        changed[at] ^= 1 + int(random.integers(255))
        path.write_bytes(changed)
        try:
            found = Container(str(path), signing.public)
        except EdgeError:
            continue
        found.close()
        # What is beside the members (dates, padding, the program) may be anything.
        assert found.manifest == whole.manifest


def test_every_length_is_refused(small: Callable[..., bytes], tmp_path: Path) -> None:
    content = small()
    path = tmp_path / "bundle"
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(Damaged):
            Container(str(path))


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    with pytest.raises(Damaged):
        Container(str(path))


def test_another_key(small: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(small())
    with pytest.raises(Damaged, match="another key"):
        Container(str(path), SigningKey.new().public)


def test_a_manifest_that_was_not_signed(small: Callable[..., bytes], tmp_path: Path) -> None:
    content = zipfile.ZipFile(io.BytesIO(small()))
    members = {name: content.read(name) for name in content.namelist()}
    members["manifest.json"] = members["manifest.json"].replace(b'"small"', b'"other"')
    path = tmp_path / "bundle"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    with pytest.raises(Damaged, match="signature"):
        Container(str(path))


def test_no_such_file() -> None:
    with pytest.raises(EdgeError, match="no such file"):
        Container("/nowhere/bundle")


def test_machine_code_lies_as_it_is(
    small: Callable[..., bytes], signing: SigningKey, tmp_path: Path
) -> None:
    path = tmp_path / "bundle"
    for content in (small(), standalone(small(), signing.public)):
        path.write_bytes(content)
        found = Container(str(path))
        place, code = found.place("code.bin"), found.read("code.bin")
        found.close()
        assert place % 64 == 0
        assert content[place : place + len(code)] == code


def test_the_self_test_finds_what_computes_differently(
    signing: SigningKey, here: Profile, small_bundle: Callable[..., Path]
) -> None:
    box = EdgeModel(str(small_bundle(here)), signing.public)
    assert box.self_test() <= 1
    box._packed *= 1.01
    with pytest.raises(Damaged, match="self-test"):
        box.self_test()


def test_samples_that_are_no_images(
    small: Callable[..., bytes],
) -> None:
    with pytest.raises(InvalidInput, match="no images"):
        small(samples=np.zeros((4, 3)))


@settings(max_examples=50)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 1000), st.floats(1e-6, 1e3))
def test_precisions(rows: int, columns: int, seed: int, size: float) -> None:
    matrix = (np.random.default_rng(seed).normal(size=(rows, columns)) * size).astype(np.float32)
    bounds = {
        "fp32": np.zeros(columns),
        # Half a step of the last bit, or of the smallest number.
        "fp16": np.abs(matrix).max(axis=0) * 2.0**-11 + 2.0**-25,
        "int8": np.abs(matrix).max(axis=0) / 127 * 0.5001,
    }
    for precision, bound in bounds.items():
        data, entries = stored([matrix[0], matrix], precision)  # type: ignore[arg-type]
        vector, found = (decoded(data, entry) for entry in entries)
        assert (vector == matrix[0]).all()
        assert (np.abs(found - matrix) <= bound).all()


def test_too_large_for_fp16() -> None:
    with pytest.raises(InvalidInput, match="fp16"):
        stored([np.full((2, 2), 1e6, np.float32)], "fp16")


def test_what_a_precision_costs(
    signing: SigningKey, make_model: Callable[..., Model], small_net: dict[str, Any]
) -> None:
    random = np.random.default_rng(0)
    file = io.BytesIO()
    np.savez(file, x=random.normal(size=(40, 2, 9, 8)), y=np.arange(40) % 3)
    data, model = load(file.getvalue()), make_model(small_net)
    exact, coarse = (
        change(model, build(model, profile("x86"), signing, name="n", precision=p), data)
        for p in ("fp32", "int8")
    )
    x, y = data.batch(np.arange(40))
    assert exact.exact == float((model.run(x).argmax(axis=1) == y).mean())
    assert exact.images == 40
    assert exact.stored == exact.exact
    assert exact.difference < 1e-5 < coarse.difference < 0.1


def test_keys(tmp_path: Path) -> None:
    key = SigningKey.new()
    key.write(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert SigningKey.read(tmp_path / "key").public == key.public
    with pytest.raises(Conflict, match="already"):
        key.write(tmp_path / "key")
    (tmp_path / "other").write_text("no key")
    with pytest.raises(InvalidInput, match="no key"):
        SigningKey.read(tmp_path / "other")


def test_inspecting(small: Callable[..., bytes], signing: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(small(precision="fp16"))
    found = inspect(path)
    assert found["key"] == signing.public.hex()
    assert {step["by"] for step in found["steps"]} == {"machine code"}
    path.write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match="no bundle"):
        inspect(path)
    with pytest.raises(InvalidInput, match="no such file"):
        inspect(tmp_path / "nothing")


def test_archives_are_read_by_others() -> None:
    assert zipfile.ZipFile(io.BytesIO(archive([]))).namelist() == []
