"""A command of the command line, and how its help is shown."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption


def _without_flag_types(parameters: list[Any]) -> list[Any]:
    """Return a command's parameters such that help shows no type for those that take no value."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command whose flags are shown plainly: ``--json``, not ``--json <bool>``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was given, and say what is wrong with it in plain words."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # Pydantic, with which Typer checks values, names the class of its error first.
            error.message = error.message.removeprefix("Value error, ")
            raise

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options, ``--help`` included."""
        return _without_flag_types(super().get_params(ctx))


class Group(TyperGroup):
    """Commands under one name, with flags shown plainly."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, ``--help`` included."""
        return _without_flag_types(super().get_params(ctx))
