"""``convq kernels``: the kernels that have names, and their arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convq.cli import completion
from convq.cli.options import AsJson

if TYPE_CHECKING:
    from core.kernels import Preset


def kernels(
    kernel: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            show_default=False,
            autocompletion=completion.presets,
            help="One of them, as in gaussian:sigma=2.",
        ),
    ] = None,
    ndim: Annotated[int, typer.Option(min=1, max=3, help="For inputs with so many axes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """List the kernels that have names, or show the array of one."""
    from convq.cli.console import out, print_json, text
    from convq.cli.tables import table
    from core.kernels import PRESETS

    if kernel is not None:
        _show(kernel, ndim, as_json)
        return
    if as_json:
        print_json({"presets": [preset.describe() for preset in PRESETS]})
        return
    made = table("NAME", "WHAT IT DOES", wide="WHAT IT DOES")
    for preset in PRESETS:
        made.add_row(text(preset.name, "bold"), text(preset.summary))
    out.print(made)


def _show(kernel: str, ndim: int, as_json: bool) -> None:
    from convq.cli.console import out, print_json, text
    from convq.cli.taps import taps
    from convq.units import dimensions

    preset, parameters = _chosen(kernel)
    built = preset.build(parameters, ndim)
    stack = built.stack
    if as_json:
        print_json(
            {
                "name": preset.name,
                "summary": preset.summary,
                "parameters": parameters.model_dump(mode="json"),
                "combine": built.combine,
                "array": stack.tolist(),
            }
        )
        return
    out.print(text(preset.name, "bold").append(f"  {preset.summary}"))
    out.print(_parameters(preset, parameters))
    for number, array in enumerate(stack, 1):
        title = f"{number} of {len(stack)}, " if len(stack) > 1 else ""
        out.print(f"\n{title}{dimensions(array.shape)}, sum {array.sum():.4g}")
        out.print(taps(array, out.width))
    if built.combine:
        out.print("\nthe result is the root of the sum of the squares of their results")


def _chosen(kernel: str) -> tuple[Preset[Any], Any]:
    from pydantic import ValidationError

    from convq.cli.kernel import parse_kernel
    from convq.cli.presets import check_preset, of_this_version
    from convq.cli.validation import field_error
    from core.kernels import PRESETS

    spec = parse_kernel(kernel)
    named = spec if isinstance(spec, dict) and "preset" in spec else {"preset": kernel}
    check_preset(named, of_this_version)
    preset = next(preset for preset in PRESETS if preset.name == named["preset"])
    try:
        return preset, preset.parameters.model_validate(named)
    except ValidationError as error:
        raise field_error(error, named, "kernel") from None


def _parameters(preset: Preset[Any], parameters: Any) -> Any:
    from convq.cli.console import text
    from convq.cli.tables import table

    made = table("PARAMETER", "VALUE", "MEANING", wide="MEANING")
    for name, field in preset.parameters.model_fields.items():
        if name != "preset":
            value = getattr(parameters, name)
            made.add_row(
                text(name), text("-" if value is None else value), text(field.description or "")
            )
    return made if made.row_count else text("without parameters", "dim")
