"""The job kind ``irregular-convolve``: functions that are known at uneven points."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core.errors import InvalidInput, TooLarge
from core.irregular import Sampled, chart, error_bound, exact, nonuniform, sums
from core.irregular.nonuniform import LEAST_TOLERANCE
from core.jobs import kernels
from core.jobs.each import deliver_array, deliver_json, deliver_picture, each, read
from core.jobs.inputs import Digest, Input, count, describe, distinct, renamed
from core.jobs.kernels import ArtifactKernel, ValuesKernel
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Run
from core.jobs.subjects import Subject, of_record, plan_each, work
from core.media import JSON, NPY, decode

_MOST_POINTS = 1 << 22
_MOST_LISTED = 10_000
_MOST_COLUMNS = 64
# Measured on one core of an AMD EPYC (Zen 5): a knot of an exact integral, and a node of a
# transform.
_SECONDS_A_KNOT, _SECONDS_A_NODE = 3e-8, 2e-7
# Above so many knots transforms are quicker.
_EXACT_KNOTS = 1 << 27


class IrregularConvolveSpec(Spec):
    """Convolve functions whose values are known at uneven points.

    An input is a table: a column of abscissae, in any order, and one for each function. Functions
    are taken as linear between two points, and as 0 before the first and after the last.
    """

    kind: Literal["irregular-convolve"]
    inputs: list[Digest | Input] = Field(
        min_length=1,
        description="Artifacts: .npy or .npz of shape (N, 1 + C), abscissae and C functions; each "
        "becomes one item of the job.",
        examples=[["sha256:" + "0" * 64]],
    )
    kernel: ValuesKernel | ArtifactKernel = Field(
        description="The other function, as such a table of two columns.",
        examples=[{"values": [[0, 0], [0.5, 1], [2, 0]]}],
    )
    at: Literal["sums", "even"] | Annotated[list[float], Field(min_length=1)] = Field(
        default="sums",
        description="Where the result is wanted: at the sums of two abscissae, between which it is "
        "a cubic, at even steps, or at a list of places.",
    )
    points: int = Field(
        default=1000, ge=2, le=_MOST_POINTS, description="For even: how many places."
    )
    method: Literal["auto", "exact", "nonuniform"] = Field(
        default="auto",
        description="exact: integrals without error but rounding; nonuniform: by transforms of "
        "uneven points, for large tables, within a tolerance; auto: exact up to 2**27 steps.",
    )
    tolerance: Annotated[float, Field(ge=LEAST_TOLERANCE, le=0.1)] = Field(
        default=1e-6,
        description="For nonuniform: the largest error, as a share of the largest value that there "
        "can be.",
    )
    curvature: Annotated[list[Annotated[float, Field(ge=0, allow_inf_nan=False)]],
                         Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="The largest second derivatives of the functions behind the inputs and behind "
        "the kernel, for a bound of the error of interpolation; by default it is estimated.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _finite(self) -> IrregularConvolveSpec:
        if isinstance(self.at, list):
            if len(self.at) > _MOST_LISTED:
                raise ValueError(f"at most {_MOST_LISTED} places can be listed; use even")
            if not all(map(math.isfinite, self.at)):
                raise ValueError("places are finite numbers")
        return self


def references(spec: IrregularConvolveSpec) -> tuple[str, ...]:
    """Return the digests of the inputs and of the kernel, each once."""
    return distinct(spec.inputs, *kernels.references(spec.kernel))


def plan(spec: IrregularConvolveSpec, planning: Planning) -> dict[str, Any]:
    """Count the steps of the integrals or transforms, from the records of the inputs."""
    if isinstance(spec.kernel, ArtifactKernel):
        record = of_record(planning.inputs[spec.kernel.artifact])
        kernel = None if record is None else record.shape
    else:
        kernel = np.shape(spec.kernel.values)
    if kernel is None or len(kernel) != 2 or kernel[1] != 2 or kernel[0] < 2:
        raise _no_kernel(kernel)
    m = kernel[0]

    def plan_one(subject: Subject) -> dict[str, Any]:
        _check(subject)
        n, functions = subject.shape[0], subject.shape[1] - 1
        wanted = _count(spec, n, m)
        if _method(spec, wanted, n, m) == "exact":
            seconds = wanted * (n + m) * functions * _SECONDS_A_KNOT
            why = f"{wanted} integrals over {n + m} knots"
            return work("exact", why, seconds, 24.0 * wanted * (1 + functions) + 1e7, planning)
        nodes = 8 * (n + m) + wanted
        why = f"transforms of {n} and {m} points, within {spec.tolerance:g}"
        seconds, needed = nodes * functions * _SECONDS_A_NODE, 400.0 * nodes * functions
        return work("nonuniform", why, seconds, needed, planning)

    return plan_each(spec.inputs, planning, plan_one)


def run(spec: IrregularConvolveSpec, run: Run) -> None:
    """Convolve one input after another; one that cannot be processed fails alone."""
    with run.stage("load"):
        if isinstance(spec.kernel, ArtifactKernel):
            table = decode(run.fetch(spec.kernel.artifact)).array
        else:
            table = np.array(spec.kernel.values, np.float64)
        kernel = Sampled.of(table, "kernel")
        if kernel.y.shape[1] != 1:
            raise _no_kernel(table.shape)
    each(spec.inputs, run, lambda name, digest: _one(spec, run, kernel, name, digest))


def _one(spec: IrregularConvolveSpec, run: Run, kernel: Sampled, name: str, digest: str) -> None:
    with run.stage("load"):
        item = read(run, name, digest)
        _check(item.subject)
        f = Sampled.of(item.values, "inputs")
        at = _places(spec, f, kernel)
    method = _method(spec, len(at), len(f.t), len(kernel.t))
    found: dict[str, Any] = {"method": method, "points": len(at)}
    with run.stage("convolve"):
        if method == "exact":
            y = exact(f, kernel, at, check=run.check)
        else:
            cap = run.memory_cap
            y, waves = nonuniform(f, kernel, at, spec.tolerance, memory_cap=cap, check=run.check)
            found |= {"waves": waves, "tolerance": spec.tolerance}
        curvature = None if spec.curvature is None else (spec.curvature[0], spec.curvature[1])
        found |= {
            "support": [float(f.t[0] + kernel.t[0]), float(f.t[-1] + kernel.t[-1])],
            "integral": (f.integral() * kernel.integral()).tolist(),
            "error_bound": error_bound(f, kernel, curvature).tolist(),
            "error_is": "estimated" if curvature is None else "bounded",
        }
    with run.stage("store"):
        table = np.concatenate([at[:, None], y], axis=1)
        deliver_array(run, item, renamed(name, NPY, "-convolved"), table, NPY)
        deliver_json(run, renamed(name, JSON, "-convolved"), found, digest)
        if y.shape[1] == 1 and len(at) > 1:
            order = np.argsort(at)
            drawn = [(f.t, f.y[:, 0]), (kernel.t, kernel.y[:, 0]), (at[order], y[order, 0])]
            deliver_picture(run, item, "-convolved", chart(drawn))


def _places(spec: IrregularConvolveSpec, f: Sampled, g: Sampled) -> NDArray[np.float64]:
    if isinstance(spec.at, list):
        return np.array(spec.at)
    _count(spec, len(f.t), len(g.t))
    if spec.at == "sums":
        found: NDArray[np.float64] = sums(f, g)
        return found
    return np.linspace(f.t[0] + g.t[0], f.t[-1] + g.t[-1], spec.points)


def _count(spec: IrregularConvolveSpec, n: int, m: int) -> int:
    """Return at how many places the result is wanted."""
    if isinstance(spec.at, list):
        return len(spec.at)
    if spec.at == "even":
        return spec.points
    if n * m > _MOST_POINTS:
        raise TooLarge(
            "there are too many sums of two abscissae",
            field="at",
            given=f"{n} × {m}",
            accepted=f"at most {_MOST_POINTS}, or even",
        )
    return n * m


def _method(
    spec: IrregularConvolveSpec, wanted: int, n: int, m: int
) -> Literal["exact", "nonuniform"]:
    if spec.method != "auto":
        return spec.method
    return "exact" if wanted * (n + m) <= _EXACT_KNOTS else "nonuniform"


def _check(subject: Subject) -> None:
    shape = subject.shape
    if (
        not subject.is_array
        or len(shape) != 2
        or shape[0] < 2
        or not 2 <= shape[1] <= (1 + _MOST_COLUMNS)
    ):
        raise InvalidInput(
            "no table of a function",
            field="inputs",
            given=describe(shape, subject.dtype),
            accepted=f"(N, 1 + C): abscissae and up to {_MOST_COLUMNS} functions",
        )


def _no_kernel(shape: tuple[int, ...] | None) -> InvalidInput:
    return InvalidInput(
        "the other function is a table of two columns",
        field="kernel",
        given=None if shape is None else " × ".join(map(str, shape)),
        accepted="abscissae and values, in two or more rows",
    )


KIND = Kind(
    name="irregular-convolve",
    summary="Convolve functions that are known at uneven points, by exact integrals.",
    spec=IrregularConvolveSpec,
    references=references,
    items=count,
    plan=plan,
    run=run,
)
