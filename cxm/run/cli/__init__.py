"""The command line: ``cxm``. Each file holds the commands of one matter."""

from __future__ import annotations

import gc
import os
import sys

import typer

from cxm.kernel.errors import BadInput, CxmError
from cxm.run.cli import accounts, addresses, backups, channels, data, events, installation, serving, sources, stops, tokens

app = typer.Typer(
    name="cxm",
    help="OpenCXM: hear every voice about a company, understand it, answer it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
for part in (installation, serving, tokens, data, channels, accounts, sources, stops, events, addresses, backups):
    part.register(app)


def main() -> None:
    """Run one command: exit 0 done, 1 failed, 2 wrong usage (a query that cannot be understood included)."""
    gc.set_threshold(50_000, 20, 20)  # what a start loads stays: looking through it again and again is a tenth of its time
    try:
        app()
    except CxmError as error:
        print(f"cxm: {error.text}", file=sys.stderr)
        if "position" in error.extra:
            print(
                f"     at character {error.extra['position']}"
                + (f"; try: {error.extra['suggestion']}" if error.extra.get("suggestion") else ""),
                file=sys.stderr,
            )
        if error.hint:
            print(f"     {error.hint}", file=sys.stderr)
        sys.exit(2 if isinstance(error, BadInput) and error.code == "query_invalid" else 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("cxm: interrupted; what was done stays done.", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if not _database_went_away(error):
            raise
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"cxm: PostgreSQL went away: {said}", file=sys.stderr)
        print("     What was done stays done. Run it again; “cxm doctor” looks for the cause where that does not help.", file=sys.stderr)
        sys.exit(1)


def _database_went_away(error: BaseException | None) -> bool:
    """Also where the driver's own error stands behind another, as in a group of tasks."""
    from django.db.utils import InterfaceError, OperationalError
    from psycopg import errors

    if isinstance(error, BaseExceptionGroup):
        return all(_database_went_away(one) for one in error.exceptions)
    return isinstance(error, InterfaceError | OperationalError | errors.OperationalError | errors.InterfaceError)
