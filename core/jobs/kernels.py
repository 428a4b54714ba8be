"""The kernel of a job: a preset, values written into the job, or an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from core.errors import InvalidInput
from core.jobs.inputs import Digest
from core.kernels import (
    MAX_SIDE,
    MAX_TAPS,
    Combine,
    Normalization,
    PresetKernel,
    build,
    normalize,
)
from core.media import PICTURES, decode
from core.store.artifacts import ArtifactStore

_MAX_INLINE = 65_536
_MAX_DEPTH = 4


class ValuesKernel(BaseModel):
    """A kernel written into the job: nested lists of numbers."""

    model_config = ConfigDict(extra="forbid")

    values: list[Any] = Field(
        description="Nested lists of numbers, one level per axis; one level more is a bank of "
        f"kernels. At most {_MAX_INLINE} numbers: upload larger kernels.",
        examples=[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]],
    )

    @field_validator("values")
    @classmethod
    def _rectangular(cls, values: list[Any]) -> list[Any]:
        shape = _shape(values)
        if prod(shape) > _MAX_INLINE:
            raise ValueError(f"at most {_MAX_INLINE} numbers can be written into a job")
        return values


class ArtifactKernel(BaseModel):
    """A kernel that was uploaded, as .npy, .npz or a picture."""

    model_config = ConfigDict(extra="forbid")

    artifact: Digest


def _form(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    for form in ("preset", "values", "artifact"):
        if form in keys:
            return form
    return None


KernelSpec = Annotated[
    Annotated[PresetKernel, Tag("preset")]
    | Annotated[ValuesKernel, Tag("values")]
    | Annotated[ArtifactKernel, Tag("artifact")],
    Discriminator(
        _form,
        custom_error_type="kernel_form",
        custom_error_message='A kernel is {"preset": name, ...parameters}, '
        '{"values": nested lists} or {"artifact": digest}',
    ),
]


@dataclass(frozen=True, eq=False)
class Bank:
    """Kernels to apply together.

    Attributes
    ----------
    stack : ndarray, shape (M, *K)
        The kernels, normalized.
    combine : {"magnitude"} or None
        How the M results become one.
    single : bool
        Whether the user gave one kernel, so that the result has no axis of maps.
    """

    stack: NDArray[Any]
    combine: Combine | None
    single: bool


@dataclass(frozen=True, eq=False)
class Loaded:
    """A kernel with its values at hand, whose number of axes the inputs may still decide.

    Attributes
    ----------
    spec : KernelSpec
        As in the job.
    array : ndarray or None
        The values; None for a preset.
    """

    spec: PresetKernel | ValuesKernel | ArtifactKernel
    array: NDArray[Any] | None

    @property
    def has_dtype(self) -> bool:
        """Whether the taps have a precision of their own: only those of an artifact do."""
        return isinstance(self.spec, ArtifactKernel)


def load(spec: PresetKernel | ValuesKernel | ArtifactKernel, artifacts: ArtifactStore) -> Loaded:
    """Read the values of a kernel that has some.

    Raises
    ------
    InvalidInput
        If the artifact holds no numbers, none at all, or too many.
    """
    if isinstance(spec, ValuesKernel):
        return Loaded(spec, _array(spec.values))
    if isinstance(spec, ArtifactKernel):
        artifact = artifacts.get(spec.artifact)
        shape = artifact.shape
        if not shape or not 0 < prod(shape) <= MAX_TAPS or max(shape) > MAX_SIDE:
            raise InvalidInput(
                "this artifact cannot be a kernel",
                field="kernel.artifact",
                given=f"{artifact.media_type}, shape {shape}",
                accepted=f"an array with 1 to {MAX_SIDE} values a side, {MAX_TAPS} in all",
            )
        values = decode(artifacts.read(spec.artifact), artifact.media_type).array
        if artifact.media_type in PICTURES and values.ndim != 2:
            raise InvalidInput(
                "a kernel has no colours",
                field="kernel.artifact",
                given=f"{artifact.media_type}, shape {values.shape}",
                accepted="a grey picture, or an array with the axes in the order that is meant",
            )
        return Loaded(spec, values)
    return Loaded(spec, None)


def references(spec: PresetKernel | ValuesKernel | ArtifactKernel | None) -> tuple[str, ...]:
    """Return the digest of the artifact that a kernel is in, if it is in one."""
    return (spec.artifact,) if isinstance(spec, ArtifactKernel) else ()


def bank(loaded: Loaded, ndim: int, how: Normalization) -> Bank:
    """Return the kernels for inputs with ``ndim`` spatial axes.

    Parameters
    ----------
    loaded : Loaded
        From `load`.
    ndim : int
        Spatial axes of the input.
    how : {"none", "sum", "size", "l2", "softmax"}
        Normalization of each kernel.

    Raises
    ------
    InvalidInput
        If an array has neither ``ndim`` axes nor, as a bank, one more.
    """
    kernel = loaded.array
    if kernel is None:
        built = build(loaded.spec, ndim)  # type: ignore[arg-type]
        return Bank(normalize(built.stack, how), built.combine, single=True)
    if kernel.ndim not in (ndim, ndim + 1):
        raise InvalidInput(
            "the kernel has the wrong number of axes for this input",
            field="kernel",
            given=f"shape {kernel.shape}",
            accepted=f"{ndim} axes, or {ndim + 1} for a bank of kernels",
        )
    single = kernel.ndim == ndim
    return Bank(normalize(kernel[None] if single else kernel, how), None, single)


def single(loaded: Loaded, ndim: int, how: Normalization = "none") -> NDArray[np.float64]:
    """Return the one kernel for inputs with ``ndim`` spatial axes.

    Raises
    ------
    InvalidInput
        As `bank`; or there are several kernels, or complex ones.
    """
    found = bank(loaded, ndim, how)
    if not found.single or found.combine is not None or found.stack.dtype.kind == "c":
        raise InvalidInput(
            "several kernels, or a complex one, have no meaning here",
            field="kernel",
            given=f"{len(found.stack)} of dtype {found.stack.dtype}",
            accepted="one kernel of real values",
        )
    kernel: NDArray[np.float64] = found.stack[0].astype(np.float64)
    return kernel


def _array(values: list[Any]) -> NDArray[Any]:
    array = np.array(values)
    # Whole numbers beyond 64 bits, and bool, are no kernels.
    if array.dtype.kind not in "if":
        raise InvalidInput(
            "a whole number does not fit 64 bits",
            field="kernel.values",
            given=_shown(max(array.ravel().tolist(), key=abs)),
            accepted="whole numbers between -2**63 and 2**63, and any with a decimal point",
        )
    return array


def _shown(value: Any) -> str:
    # As JSON writes it, and short: it may be megabytes long, or a number of any size.
    text = "a very large number" if isinstance(value, int) and abs(value) > 10**40 else repr(value)
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _shape(values: Any, depth: int = 0) -> tuple[int, ...]:
    """Return the shape of nested lists, or raise ValueError where they are ragged."""
    if not isinstance(values, list):
        if isinstance(values, bool) or not isinstance(values, int | float):
            raise ValueError(f"{_shown(values)} is not a number")
        if abs(values) > 1e300 or values != values:
            raise ValueError(f"{_shown(values)} is not a finite number of sensible size")
        return ()
    if not values:
        raise ValueError("an empty list is no kernel")
    if depth == _MAX_DEPTH:
        raise ValueError(f"lists are nested deeper than {_MAX_DEPTH} levels")
    shapes = {_shape(value, depth + 1) for value in values}
    if len(shapes) > 1:
        raise ValueError("the lists of one level must have the same length")
    return (len(values), *shapes.pop())
