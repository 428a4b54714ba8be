"""The job kinds that convq knows; a new kind is one file and one line here."""

from __future__ import annotations

from typing import Any

from core.errors import NotFound
from core.jobs import (
    convolve,
    deconvolve,
    diffuse,
    embed,
    explain,
    frequency_filter,
    irregular_convolve,
    match,
    predict,
    search,
    series,
    spectrum,
    stochastic_convolve,
    sweep,
    train,
    video,
)
from core.jobs.kind import Kind

KINDS: tuple[Kind[Any], ...] = (
    convolve.KIND,
    train.KIND,
    sweep.KIND,
    predict.KIND,
    embed.KIND,
    search.KIND,
    spectrum.KIND,
    frequency_filter.KIND,
    diffuse.KIND,
    match.KIND,
    stochastic_convolve.KIND,
    series.KIND,
    deconvolve.KIND,
    irregular_convolve.KIND,
    video.KIND,
    explain.KIND,
)


def by_name(name: str) -> Kind[Any]:
    """Return the kind called ``name``, or raise `NotFound` with the names that exist."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise NotFound(
        "there is no such kind of job",
        field="kind",
        given=name,
        accepted=[kind.name for kind in KINDS],
    )
