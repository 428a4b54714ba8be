"""Names of presets and of their parameters, checked before anything is uploaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput

if TYPE_CHECKING:
    from convq.client import Client

ParameterNames = Mapping[str, list[str]]
"""For each preset by name, the names of its parameters."""


def of_service(client: Client) -> ParameterNames:
    """Return the presets that a service has."""
    return {
        preset.name: _parameters(preset.parameters.get("properties", ()))
        for preset in client.kinds().presets
    }


def of_this_version() -> ParameterNames:
    """Return the presets that this installation has."""
    from core.kernels import PRESETS

    return {preset.name: _parameters(preset.parameters.model_fields) for preset in PRESETS}


def check_preset(kernel: Any, known: Callable[[], ParameterNames]) -> None:
    """Check the names in a kernel ``{"preset": name, parameter: value, ...}``.

    Parameters
    ----------
    kernel : dict or object
        Kernels of other forms hold no names.
    known : callable
        Returns the presets that there are; called only where it matters.

    Raises
    ------
    InvalidInput
        If there is no such preset, or it has no such parameter; with the names that there are,
        the nearest one, and the command that says more as a note.

    Examples
    --------
    >>> check_preset({"preset": "gausian"}, lambda: {"gaussian": ["sigma"]})
    Traceback (most recent call last):
    core.errors.InvalidInput: kernel.preset: there is no such preset; did you mean gaussian? ...
    """
    if not isinstance(kernel, dict) or "preset" not in kernel:
        return
    presets = known()
    name = kernel["preset"]
    if name not in presets:
        raise _unknown("there is no such preset", "kernel.preset", name, presets, "convq kernels")
    for parameter in kernel:
        if parameter != "preset" and parameter not in presets[name]:
            what = f"{name} has no such parameter"
            field, more = f"kernel.{parameter}", f"convq kernels {name}"
            raise _unknown(what, field, parameter, presets[name], more)


def _unknown(what: str, field: str, given: str, known: Iterable[str], command: str) -> InvalidInput:
    names = list(known)
    nearest = get_close_matches(given, names, n=1)
    message = f"{what}; did you mean {nearest[0]}?" if nearest else what
    error = InvalidInput(message, field=field, given=given, accepted=names or "none")
    error.add_note(command)
    return error


def _parameters(fields: Iterable[str]) -> list[str]:
    return [name for name in fields if name != "preset"]
