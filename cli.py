"""The command `masterplan`: wires the commands of each package, and turns errors into one line."""

from __future__ import annotations

import os
import sys
from functools import cache

import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from layers import gdal_lock
from masterplan import console
from masterplan.errors import MasterplanError


@cache
def app() -> typer.Typer:
    """The command with all its commands.

    Made on demand, since importing the packages reads the settings: a wrong one must be one line too.
    """
    import layers.commands
    import masterplan.audit_commands
    import masterplan.commands
    import masterplan.users_commands
    import proposals.commands
    import proposals.decisions_commands
    import proposals.editions_commands
    import proposals.judging_commands  # adds its commands to theirs
    import proposals.limits_commands

    made = typer.Typer(
        name="masterplan",
        help="The Iași metropolitan masterplan map: database, layers, criteria, proposals, server.\n\n"
        "`make run` does by itself what is needed to serve: db up, migrate, layers load, criteria load, worker, serve.",
        epilog="masterplan COMMAND --help says more; docs/command-line.md has examples.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    )
    made.add_typer(masterplan.commands.db, name="db")
    made.command()(masterplan.commands.migrate)
    made.add_typer(masterplan.users_commands.users, name="users")
    made.add_typer(masterplan.audit_commands.audit, name="audit")
    made.add_typer(layers.commands.layers, name="layers")
    made.add_typer(proposals.commands.criteria, name="criteria")
    made.add_typer(proposals.commands.proposals, name="proposals")
    made.add_typer(proposals.limits_commands.limits, name="limits")
    made.add_typer(proposals.decisions_commands.decisions, name="decisions")
    made.add_typer(proposals.editions_commands.editions, name="editions")
    made.add_typer(proposals.commands.demo, name="demo")
    made.command()(proposals.commands.worker)
    made.command()(serve)
    return made


def serve() -> None:
    """Serve the application until stopped.

    On MASTERPLAN_HOST (this machine only, unless told otherwise) and PORT (8501).
    """
    from app import serve as serve_app

    serve_app()


#: PostgreSQL's codes for a schema, a table, a column or a function that is not there.
_NOT_MIGRATED = {"3F000", "42P01", "42703", "42883"}


def main() -> None:
    """Run the command; errors a person can act on are one line, and the status is 1 (2 for wrong usage)."""
    gdal_lock.lock()  # no command has imported GDAL yet
    try:
        app()(prog_name="masterplan")
    except MasterplanError as error:
        console.complain(error)
    except ValidationError as invalid:
        for each in invalid.errors():
            console.remark(f"error: setting {'.'.join(map(str, each['loc']))}: {each['msg']}")
    except DBAPIError as refused:
        console.remark(f"error: {_database_words(refused)}")
    except BrokenPipeError:
        # Whoever read our output has had enough; nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        console.remark(f"error: {error.filename or 'the system'}: {error.strerror or error}")
    sys.exit(1)


def _database_words(refused: DBAPIError) -> str:
    if getattr(refused.orig, "sqlstate", None) in _NOT_MIGRATED:
        return "the database is not up to date. Bring it there: masterplan migrate"
    return "the database refused: " + console.one_line(str(refused.orig)).split(" DETAIL:")[0]


if __name__ == "__main__":
    main()
