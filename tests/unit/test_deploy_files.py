"""The units of `deploy/systemd`: what they start exists, and the documentation quotes them as they are."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from cli import app
from masterplan.settings import PROJECT_ROOT

UNITS = sorted((PROJECT_ROOT / "deploy" / "systemd").glob("*.service"))


def read(unit: Path) -> list[tuple[str, str]]:
    """Every line of the service, in order: names repeat."""
    _, _, service = unit.read_text().partition("[Service]\n")
    lines = service.partition("\n[")[0].splitlines()
    return [tuple(line.split("=", 1)) for line in lines if line and not line.startswith("#")]


def environment(unit: Path) -> dict[str, str]:
    return dict(value.split("=", 1) for name, value in read(unit) if name == "Environment")


def commands() -> set[str]:
    """Every command and subcommand of `masterplan`, as typed."""
    made = app()
    names = {(each.name or each.callback.__name__) for each in made.registered_commands}
    for group in made.registered_groups:
        names |= {
            f"{group.name} {each.name or each.callback.__name__}" for each in group.typer_instance.registered_commands
        }
    return names


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_commands_that_exist_as_a_user_of_its_own(unit: Path) -> None:
    configparser.ConfigParser(strict=False, interpolation=None).read_string(unit.read_text())
    started = [value.partition("/masterplan ")[2] for name, value in read(unit) if name == "ExecStart"]
    assert started and set(started) <= commands()
    given = dict(read(unit))
    assert given["User"] in ("masterplan", "masterplan-public")
    assert given["User"] == given["StateDirectory"]
    assert environment(unit)["MASTERPLAN_STATE_DIR"] == f"/var/lib/{given['User']}"
    assert (given["NoNewPrivileges"], given["ProtectSystem"]) == ("yes", "strict")
    assert "MASTERPLAN_DEMO" not in environment(unit)


def test_the_public_s_process_shares_neither_user_nor_secrets_with_the_team_s() -> None:
    public, staff = (
        PROJECT_ROOT / "deploy" / "systemd" / f"masterplan-{side}@.service" for side in ("public", "staff")
    )
    assert environment(public)["MASTERPLAN_PROCESS"] == "public"
    assert environment(staff)["MASTERPLAN_PROCESS"] == "staff"
    for name in ("User", "StateDirectory", "EnvironmentFile"):
        assert dict(read(public))[name] != dict(read(staff))[name]


def test_the_documentation_quotes_the_public_s_unit_as_it_is() -> None:
    unit = PROJECT_ROOT / "deploy" / "systemd" / "masterplan-public@.service"
    assert f"```ini\n{unit.read_text()}```" in (PROJECT_ROOT / "docs" / "deploy.md").read_text()
