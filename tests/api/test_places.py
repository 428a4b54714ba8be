"""Paths of validation errors, against the documents that they are about."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from api.places import find


class Cat(BaseModel):
    sort: Literal["cat"]
    lives: int


class Dog(BaseModel):
    sort: Literal["dog"]
    tricks: list[int | list[int] | Annotated[str, Field(min_length=2)]] | None = None


Animal = Annotated[Cat | Dog, Field(discriminator="sort")]


class Box(BaseModel):
    # Fields that are called as the tags and models beside them.
    box: Annotated[
        Annotated[Animal, Tag("cat")] | Annotated[dict[str, int], Tag("box")],
        Discriminator(lambda value: "cat" if "sort" in value else "box"),
    ]
    Cat: tuple[Animal | None, ...] = ()


GOOD = {"box": {"a": 1}}


@pytest.mark.parametrize(
    ("document", "names", "wanted"),
    [
        ({}, ["box"], None),
        ({"box": {"a": "x"}}, ["box", "a"], int),
        ({"box": {"sort": "cat", "lives": "x"}}, ["box", "lives"], int),
        ({"box": {"sort": "dog", "tricks": 1}}, ["box", "tricks"], None),
        ({"box": {"sort": "dog", "tricks": [1, ["x"]]}}, ["box", "tricks", "1", "0"], int),
        (GOOD | {"Cat": [None, {"sort": "cat", "lives": "x"}]}, ["Cat", "1", "lives"], int),
        (GOOD | {"Cat": [{"sort": "cat"}]}, ["Cat", "0", "lives"], int),
    ],
)
def test_every_error_has_its_place(document: Any, names: list[str], wanted: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Box).validate_python(document, strict=False)
    root = FieldInfo(annotation=Box)
    places = [find(root, error["loc"]) for error in caught.value.errors()]
    longest = max(places, key=lambda place: len(place.names))
    assert list(longest.names) == names
    assert wanted is None or longest.wanted is wanted


def test_members_of_a_union_that_are_no_models() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Box).validate_python({"box": {"sort": "dog", "tricks": ["x"]}})
    root = FieldInfo(annotation=Box)
    places = [find(root, error["loc"]) for error in caught.value.errors()]
    assert [place.wanted for place in places] == [int, list[int], str]
    assert {place.names for place in places} == {("box", "tricks", "0")}
