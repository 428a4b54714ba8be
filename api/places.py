"""Where in a request a validation error happened, and what the models want there.

Pydantic's paths also name the members of unions that it tried. A client knows nothing of those; the
types tell them from the names of fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Place:
    """One place in a document.

    Attributes
    ----------
    names : tuple of str
        The way there as a client writes it: names of fields, places in lists.
    wanted : Any
        The type that belongs there; Any where nothing does.
    info : FieldInfo or None
        Its description and examples.
    model : type or None
        The model whose field this is, or would be.
    """

    names: tuple[str, ...]
    wanted: Any
    info: FieldInfo | None = None
    model: type[BaseModel] | None = None


def find(root: FieldInfo, path: Sequence[str | int]) -> Place:
    """Follow the path of a validation error from ``root``.

    Examples
    --------
    >>> from pydantic import create_model
    >>> Cat = create_model("Cat", name=(str, ...))
    >>> place = find(FieldInfo(annotation=list[int | Cat]), [3, "Cat", "name"])
    >>> place.names, place.wanted
    (('3', 'name'), <class 'str'>)
    """
    place = _place((), root.annotation, root)
    for part in path:
        place = _below(place, part)
    return place


def members(wanted: Any) -> tuple[Any, ...]:
    """Return the members of a union; none if ``wanted`` is none."""
    return get_args(wanted) if get_origin(wanted) in (Union, UnionType) else ()


def is_model(wanted: Any) -> bool:
    """Tell whether ``wanted`` is a model."""
    return isinstance(wanted, type) and issubclass(wanted, BaseModel)


def constants(model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields of ``model`` that have one possible value, by which unions choose."""
    return {
        name: get_args(field.annotation)[0]
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1
    }


def bare(annotation: Any, info: FieldInfo | None = None) -> tuple[Any, FieldInfo | None]:
    """Return a type without its metadata and without "or null", and what describes it."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        own = next((entry for entry in metadata if isinstance(entry, FieldInfo)), None)
        return bare(inner, info or own)
    present = [member for member in members(annotation) if member is not type(None)]
    return bare(present[0], info) if len(present) == 1 else (annotation, info)


def _place(
    names: tuple[str, ...],
    annotation: Any,
    info: FieldInfo | None,
    model: type[BaseModel] | None = None,
) -> Place:
    return Place(names, *bare(annotation, info), model)


def _below(place: Place, part: str | int) -> Place:
    union = members(place.wanted)
    if union:
        chosen = next((member for member in union if _is_called(member, str(part))), union[-1])
        return _place(place.names, chosen, None)
    names = (*place.names, str(part))
    if is_model(place.wanted):
        field = place.wanted.model_fields.get(part)
        return _place(names, field.annotation if field else Any, field, place.wanted)
    inner = [argument for argument in get_args(place.wanted) if argument is not Ellipsis]
    return _place(names, inner[-1] if inner else Any, None)


def _is_called(member: Any, label: str) -> bool:
    """Tell whether pydantic's paths have ``label`` for this member of a union."""
    tags = [entry.tag for entry in get_args(member)[1:] if isinstance(entry, Tag)]
    if tags:
        return label in tags
    wanted, _ = bare(member)
    if is_model(wanted):
        return label in (wanted.__name__, *constants(wanted).values())
    name: str = getattr(get_origin(wanted) or wanted, "__name__", "")
    return label.removeprefix("constrained-").startswith(name)
