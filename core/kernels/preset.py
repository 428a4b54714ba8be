"""The parts that every preset has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from core.errors import InvalidInput
from core.kernels.kernel import Kernel


class PresetParameters(BaseModel):
    """Base of the parameters of all presets; each adds ``preset: Literal[<its name>]``.

    Strict, so that what is accepted is what the JSON schema says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    preset: str


P = TypeVar("P", bound=PresetParameters)


@dataclass(frozen=True)
class Preset(Generic[P]):
    """A named kernel with parameters.

    Attributes
    ----------
    name : str
        The value of ``"preset"`` in a job's kernel.
    summary : str
        What the kernel does, in one sentence.
    parameters : type
        The pydantic model of the parameters, defaults and ranges included.
    dimensions : tuple of int
        The numbers of spatial axes that the kernel is defined for.
    make : callable
        ``make(parameters, ndim) -> Kernel``; :meth:`build` checks ``ndim`` first.
    """

    name: str
    summary: str
    parameters: type[P]
    dimensions: tuple[int, ...]
    make: Callable[[P, int], Kernel]

    def build(self, parameters: P, ndim: int) -> Kernel:
        """Build the kernel for inputs of ``ndim`` spatial axes.

        Parameters
        ----------
        parameters : PresetParameters
            Validated parameters of this preset.
        ndim : int
            Number of spatial axes.

        Returns
        -------
        Kernel
            With a stack of shape (M, *K), ``len(K) == ndim``.

        Raises
        ------
        InvalidInput
            If the preset is not defined for ``ndim`` axes, or the kernel would be too large.
        """
        if ndim not in self.dimensions:
            raise InvalidInput(
                f"{self.name} is not defined for {ndim}-D inputs",
                field="kernel.preset",
                given=self.name,
                accepted=f"inputs with {_either(self.dimensions)} spatial axes",
            )
        return self.make(parameters, ndim)

    def default(self) -> Kernel:
        """Build the kernel for the default parameters, in 2-D (every preset has a 2-D form)."""
        return self.build(self.parameters.model_validate({"preset": self.name}), 2)

    def describe(self) -> dict[str, Any]:
        """Return the preset as JSON-ready facts.

        Returns
        -------
        dict
            ``name``, ``summary``, ``dimensions`` (list of int), ``parameters`` (JSON schema),
            ``combine`` and ``array``: the 2-D stack for the defaults as nested lists (M, *K).
        """
        kernel = self.default()
        return {
            "name": self.name,
            "summary": self.summary,
            "dimensions": list(self.dimensions),
            "parameters": self.parameters.model_json_schema(),
            "combine": kernel.combine,
            "array": kernel.stack.tolist(),
        }


def _either(numbers: tuple[int, ...]) -> str:
    *head, last = map(str, numbers)
    return f"{', '.join(head)} or {last}" if head else last
