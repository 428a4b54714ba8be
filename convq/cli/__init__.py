"""The command ``convq``.

What a command needs is imported when it runs: ``convq --help`` and shell completion must not
wait for NumPy.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from convq.cli.app import app

    app(prog_name="convq")
