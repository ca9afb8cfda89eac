"""`python -m beffroi_api.commands.users`: add, list and disable people. Passwords come on standard input."""

from __future__ import annotations

import argparse
import getpass
import sys

from pydantic import ValidationError

from beffroi_api.authz.roles import Role
from beffroi_api.commands.database import invoked_by, open_trail
from beffroi_api.modules.session import repository as sessions
from beffroi_api.modules.users.credentials.passwords import MIN_LENGTH, Passwords
from beffroi_api.modules.users.schemas import NewPassword, NewUser
from beffroi_api.modules.users.service import UserError, Users
from beffroi_common.contracts.base import explain
from beffroi_common.runtime.clock import SystemClock


def main() -> None:
    """Run one command; end with status 1 and a reason where it cannot be done."""
    arguments = _parser().parse_args()
    with open_trail("users") as (database, trail):
        trail.require_key()
        users = Users(database, trail, Passwords(parallel=1), SystemClock(), invoked_by(), sessions.end_all_of)
        try:
            _COMMANDS[arguments.command](users, arguments)
        except ValidationError as error:
            sys.exit(f"users: {explain(error)}")
        except UserError as error:
            sys.exit(f"users: {error}")


def _add(users: Users, arguments: argparse.Namespace) -> None:
    fields = {name: getattr(arguments, name) for name in ("username", "display_name", "role", "language")}
    fields |= {"is_own_password": arguments.own_password, "password": _password()}
    new = NewUser.model_validate(fields)
    users.add(new)
    print(f"user {new.username} added as {new.role}")


def _set_password(users: Users, arguments: argparse.Namespace) -> None:
    users.set_password(NewPassword.model_validate({"username": arguments.username, "password": _password()}))
    print(f"password of {arguments.username} set")


def _disable(users: Users, arguments: argparse.Namespace) -> None:
    users.disable(arguments.username)
    print(f"user {arguments.username} disabled")


def _list(users: Users, _arguments: argparse.Namespace) -> None:
    for user in users.every():
        state = "disabled" if user.disabled_at else "active"
        print(f"{user.username}\t{user.role}\t{state}\t{user.display_name}")


def _remove_second_factor(users: Users, arguments: argparse.Namespace) -> None:
    users.remove_second_factor(arguments.username)
    print(f"second factor of {arguments.username} removed")


_COMMANDS = {
    "add": _add,
    "set-password": _set_password,
    "disable": _disable,
    "remove-second-factor": _remove_second_factor,
    "list": _list,
}


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Password (at least {MIN_LENGTH} characters): ")
    return sys.stdin.readline().rstrip("\r\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m beffroi_api.commands.users", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add a person; the password comes on standard input")
    add.add_argument("--username", required=True)
    add.add_argument("--display-name", required=True)
    add.add_argument("--role", required=True, choices=[role.value for role in Role])
    add.add_argument("--language", default="fr", choices=["fr", "en"])
    add.add_argument(
        "--own-password",
        action="store_true",
        help="its owner types it here: it need not be changed at the first sign-in",
    )
    for name, text in (
        ("set-password", "set a password from standard input"),
        ("disable", "keep a person out"),
        ("remove-second-factor", "for who lost it"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--username", required=True)
    commands.add_parser("list", help="everybody with role and state")
    return parser


if __name__ == "__main__":
    main()
