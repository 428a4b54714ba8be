"""What the command line makes of errors: a readable block on stderr and an exit code."""

from __future__ import annotations

from typing import Any

import typer

from convq.cli.command import Group
from core.errors import (
    AlgorithmRefused,
    ConvqError,
    InvalidInput,
    NotFound,
    QueueFull,
    StorageFull,
    Unauthenticated,
    Unavailable,
)

FAILED, USAGE, AWAY, INTERRUPTED = 1, 2, 3, 130


class Commands(Group):
    """Runs a command and turns its errors into an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List the commands as the application names them, ``submit`` and ``plan`` first."""
        # Typer lists groups last, whatever the order in which they were added.
        return sorted(self.commands, key=lambda name: name not in ("submit", "plan"))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConvqError as error:
            tell(error)
            raise typer.Exit(exit_code(error)) from None
        except ValueError as error:
            if (refused := _refused_setting(error)) is None:
                raise
            tell(refused)
            raise typer.Exit(USAGE) from None
        except BrokenPipeError:
            raise  # whoever reads has read enough; Typer ends quietly
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            typer.echo(f"error: {what}", err=True)
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None


def exit_code(error: ConvqError) -> int:
    """Return the exit code that stands for an error.

    Examples
    --------
    >>> exit_code(NotFound("no such job")), exit_code(AlgorithmRefused("winograd refuses"))
    (1, 2)
    """
    if isinstance(error, InvalidInput | AlgorithmRefused):
        return USAGE
    return AWAY if isinstance(error, Unavailable) else FAILED


def tell(error: ConvqError) -> None:
    """Write an error to stderr: what is wrong, what was given, what is accepted, what to try."""
    facts = error.to_dict()
    field = f"{error.field}: " if error.field else ""
    lines = [f"error: {field}{error.message}"]
    lines += [f"  {name}: {facts[name]}" for name in ("given", "accepted") if name in facts]
    lines += [f"  try: {advice}" for advice in _advice(error)]
    typer.echo("\n".join(lines), err=True)


def _refused_setting(error: ValueError) -> InvalidInput | None:
    """Return what is wrong with a ``CONVQ_*`` variable, if that is what the error says."""
    from pydantic import ValidationError

    from convq.cli.validation import setting_error

    if isinstance(error, ValidationError) and error.title == "Settings":
        return setting_error(error)
    return None


def _advice(error: ConvqError) -> list[str]:
    if notes := getattr(error, "__notes__", []):
        return list(notes)
    if isinstance(error, Unavailable):
        return ["convq doctor"]
    if isinstance(error, Unauthenticated):
        return ["CONVQ_API_KEY=KEY convq ..., with a key of whoever runs the service"]
    if isinstance(error, QueueFull):
        return ["convq top"]
    if isinstance(error, StorageFull):
        return ["convq delete ID, convq gc"]
    if error.field in ("kernel.preset", "kernel"):
        return ["convq kernels"]
    if isinstance(error, NotFound) and error.field == "id":
        return ["convq jobs"]
    return []
