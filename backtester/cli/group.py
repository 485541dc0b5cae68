"""How every command ends: errors of the package as one message, what was typed wrong with what was meant."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from backtester.errors import BacktesterError


class Commands(TyperGroup):
    """Prints the package's own errors as one message, and understands ``--debug`` anywhere on the line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--debug`` out of the arguments."""
        ctx.obj = "--debug" in args
        return super().parse_args(ctx, [argument for argument in args if argument != "--debug"])

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BacktesterError as error:
            if ctx.obj:
                raise
            typer.secho("Error: ", fg="red", bold=True, err=True, nl=False)
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
        except Exception as error:
            _suggest(error)
            raise


def _suggest(error: Exception) -> None:
    """Word the names that the parser found near an unknown option as everything else here does."""
    near = getattr(error, "possibilities", None)
    if near and hasattr(error, "message"):
        error.message = f"{error.message}. Did you mean {near[0]!r}?"
        error.possibilities = None  # type: ignore[attr-defined]
