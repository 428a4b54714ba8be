"""Models as tables and lines that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from convq.cli.console import text
from convq.cli.tables import facts, table
from convq.client import ModelVersion, RegisteredModel
from convq.units import age, counted, dimensions

_SHOWN_CLASSES = 12


def models_table(models: Iterable[RegisteredModel]) -> Table:
    """Return a line for each model."""
    made = table("MODEL", "VERSIONS", "LATEST", "AGE", "ALIASES",
                 right=("VERSIONS", "LATEST", "AGE"), wide="ALIASES")  # fmt: skip
    for model in models:
        pointing = (f"{alias}={number}" for alias, number in model.aliases.items())
        made.add_row(
            text(model.name, "bold"),
            str(model.count),
            str(model.latest),
            age(model.created),
            text(" ".join(pointing)),
        )
    return made


def model_view(model: RegisteredModel) -> RenderableType:
    """Return a model and a line for each of its versions."""
    made = table("VERSION", "AGE", "ALIASES", "METRICS", right=("VERSION", "AGE"), wide="METRICS")
    for version in model.versions:
        made.add_row(
            str(version.version),
            age(version.created),
            text(" ".join(version.aliases), "green"),
            _metrics(version.metrics),
        )
    return Group(text(model.name, "bold"), "", made)


def version_view(version: ModelVersion) -> RenderableType:
    """Return everything about one version."""
    classes = version.classes or []
    more = f" and {len(classes) - _SHOWN_CLASSES} more" if len(classes) > _SHOWN_CLASSES else ""
    shapes = f"{dimensions(version.input_shape)} to {dimensions(version.output_shape)}"
    pairs: list[tuple[str, RenderableType]] = [
        ("model", text(version.reference, "bold")),
        ("aliases", text(", ".join(version.aliases) or "none", "green")),
        ("metrics", _metrics(version.metrics)),
        ("shapes", text(shapes)),
        ("size", text(f"{counted(version.parameters or 0, 'parameter')}, "
                      f"{version.multiply_adds or 0:,} multiply-adds")),
        ("layers", text(", ".join(layer["layer"] for layer in version.spec.get("layers", ())))),
        ("file", text(version.digest)),
    ]  # fmt: skip
    if classes:
        pairs.insert(4, ("classes", text(", ".join(classes[:_SHOWN_CLASSES]) + more)))
    origins = (name for name in ("job", "data", "convq") if version.lineage.get(name))
    pairs += [(name, text(version.lineage[name])) for name in origins]
    if version.created is not None:
        created = version.created.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        pairs.append(("registered", text(f"{created} ({age(version.created)} ago)")))
    pairs += [("note", text(warning, "yellow")) for warning in version.warnings]
    return facts(pairs)


def _metrics(metrics: Mapping[str, float]) -> Text:
    return text(", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
