"""How often a password may be guessed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.errors import Throttled
from beffroi_api.modules.session import repository as sessions
from beffroi_api.process.settings import SessionSettings
from beffroi_common.runtime.clock import Clock

from . import repository

SCOPE = Scope.system("attempts to sign in are counted before anybody is known")

IPV6_SITE_BITS = 64
"""The smallest network that anybody is given: within it one machine may take any address, and another each time."""


@dataclass(frozen=True)
class Throttle:
    """Counts attempts by account and by network (`network_of`).

    Three caps: on one account from one network, on all accounts from one network, and a slower one on one account from
    everywhere, for a guesser who has many addresses. A stranger can reach that last one on purpose, so it must keep
    nobody out for ever: it ends by itself `account_window_s` after the guesses, a refused attempt does not prolong it,
    open sessions go on, and it does not hold where somebody is signed in at present (the control room while it is
    manned): there the caps of the network are enough.
    """

    database: Database
    clock: Clock
    settings: SessionSettings

    def admit(self, account: str, address: str) -> None:
        """Count an attempt before its password is looked at, so that guesses made at the same time count too.

        Raises:
            Throttled: too many attempts failed lately, or are under way. This one is not counted.
        """
        network = network_of(address)
        with self.database.read(SCOPE) as session:  # a flood ends here, without taking the writer's turn from others
            self._refuse_guesser(session, account, network)
        with self.database.write(SCOPE) as session:
            repository.lock_attempts(session)
            self._refuse_guesser(session, account, network)
            repository.add_attempt(session, account=account, network=network, at=self.clock.now())

    def forgive(self, session: ScopedSession, account: str, address: str) -> None:
        """The right password was given."""
        repository.forgive(session, account=account, network=network_of(address))

    def forget_old(self, session: ScopedSession) -> None:
        """Housekeeping: attempts that no longer count."""
        longest_s = max(self.settings.throttle_window_s, self.settings.account_window_s)
        repository.forget_attempts(session, before=self.clock.now() - timedelta(seconds=longest_s))

    def _refuse_guesser(self, session: ScopedSession, account: str, network: str) -> None:
        lately = self.clock.now() - timedelta(seconds=self.settings.throttle_window_s)
        both = repository.attempts(session, since=lately, account=account, network=network)
        of_network = repository.attempts(session, since=lately, network=network)
        if both >= self.settings.failures_per_account_and_address or of_network >= self.settings.failures_per_address:
            raise _wait(self.settings.throttle_window_s)
        long_ago = self.clock.now() - timedelta(seconds=self.settings.account_window_s)
        of_account = repository.attempts(session, since=long_ago, account=account)
        if of_account >= self.settings.failures_per_account and not self._is_manned(session, network):
            raise _wait(self.settings.account_window_s)

    def _is_manned(self, session: ScopedSession, network: str) -> bool:
        """Whether somebody is signed in from there at present."""
        now = self.clock.now()
        addresses = sessions.addresses_in_use(
            session,
            created_after=now - timedelta(seconds=self.settings.absolute_timeout_s),
            seen_after=now - timedelta(seconds=self.settings.idle_timeout_s),
        )
        return network in {network_of(address) for address in addresses}


def network_of(address: str) -> str:
    """What counts as one place: the address, or the /64 around one of IPv6 (see `IPV6_SITE_BITS`)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), IPV6_SITE_BITS), strict=False))


def _wait(seconds: float) -> Throttled:
    return Throttled(
        f"Too many wrong passwords: wait {int(seconds) // 60 or 1} minutes and try again.",
        headers={"Retry-After": str(int(seconds))},
    )
