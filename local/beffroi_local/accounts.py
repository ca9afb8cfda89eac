"""Accounts made for one run, each with a password of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field

from .process import PartFailedError
from .programs import Parts

PASSWORD_BYTES = 12
"""96 bits, 16 characters: typed off a terminal once."""


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in."""

    username: str
    role: str
    display_name: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(PASSWORD_BYTES), repr=False)


def run_accounts() -> list[Account]:
    """Return one account for each role, with new passwords."""
    return [
        Account("operateur", "operator", "Opérateur de démonstration"),
        Account("administrateur", "administrator", "Administrateur de démonstration"),
        Account("dpo", "dpo", "Déléguée de démonstration"),
    ]


def create(accounts: list[Account], parts: Parts) -> None:
    """Make the api's database and write accounts into it, each password by standard input.

    Raises:
        PartFailedError: the api's own command refused; in its words.
    """
    _command(parts, "the api's database", "migrate")
    for account in accounts:
        words = ("--username", account.username, "--display-name", account.display_name, "--role", account.role)
        _command(
            parts, f"the account {account.username}", "users", "add", "--own-password", *words, stdin=account.password
        )


def _command(parts: Parts, what: str, command: str, *words: str, stdin: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"beffroi_api.commands.{command}", *words],
        input=stdin,
        env={**os.environ, **parts.api_environment},
        cwd=parts.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PartFailedError(f"{what} could not be made:\n{done.stdout}{done.stderr}")
