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
    """Write accounts into the api's database, each password by standard input.

    Raises:
        PartFailedError: the api's own command refused; in its words.
    """
    for account in accounts:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "beffroi_api.commands.users", "add", "--username", account.username),
                *("--display-name", account.display_name, "--role", account.role),
            ],
            input=account.password,
            env={**os.environ, "BEFFROI_API_DATABASE_URL": parts.database_url},
            cwd=parts.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PartFailedError(f"the account {account.username} could not be made:\n{done.stdout}{done.stderr}")
