"""Settings that every process has which people reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from beffroi_api.authz.roles import Role
from beffroi_api.modules.audit.chain.seal import Seal
from beffroi_common.runtime.settings import Port, ServiceSettings

MIB = 1024 * 1024

DatabaseUrl = Annotated[str, StringConstraints(pattern=r"^(sqlite|postgresql\+psycopg)://")]
"""The two databases that everything is tested on."""

KEY_DIGITS = 64
FEW_DIFFERENT = 8
"""Of 64 random digits fewer than 8 are never all there are: such a key was typed, not drawn."""


def _is_drawn(key: SecretStr) -> SecretStr:
    digits = key.get_secret_value()
    if len(digits) != KEY_DIGITS or set(digits) - set("0123456789abcdef") or len(set(digits)) < FEW_DIFFERENT:
        raise ValueError("a key is 32 random bytes as 64 hexadecimal digits: make one with `openssl rand -hex 32`")
    return key


WIDEST_IPV4, WIDEST_IPV6 = 16, 48
"""Bits of the widest network whose proxies are believed: the pods of a cluster. In a wider one are people, too."""


def _networks(proxies: str) -> Iterator[IPv4Network | IPv6Network]:
    return (ip_network(each) for each in (part.strip() for part in proxies.split(",")) if each)


def _are_proxies(proxies: str) -> str:
    for each in _networks(proxies):
        if each.prefixlen < (WIDEST_IPV4 if isinstance(each, IPv4Network) else WIDEST_IPV6):
            raise ValueError(
                f"{each} is too wide: whoever sends from it could be anybody. Name the proxies, or a network of theirs "
                f"of /{WIDEST_IPV4} (IPv6: /{WIDEST_IPV6}) at most"
            )
        if isinstance(each, IPv6Network) and each.network_address.ipv4_mapped is not None:
            raise ValueError(f"{each} means addresses of IPv4: write it as one of these")
    return proxies


Key = Annotated[SecretStr, AfterValidator(_is_drawn)]
"""A key that the database must not hold."""


def key_bytes(key: Key) -> bytes:
    """The key itself."""
    return bytes.fromhex(key.get_secret_value())


def seal_of(key: Key, former: Iterable[Key]) -> Seal:
    """The seal of the trail, as settings say it."""
    return Seal(key_bytes(key), [key_bytes(each) for each in former])


class SessionSettings(BaseModel):
    """How long a person stays signed in, and how often a password may be guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    idle_timeout_s: float = Field(default=3600.0, ge=60.0)
    """Without a request made by hand or an open live view for so long, a session ends: an operator who left the room.
    What a console reads again by itself does not count (see `http.access.Requires`)."""
    absolute_timeout_s: float = Field(default=13 * 3600.0, ge=300.0)
    """A shift of twelve hours and the hand-over; then the password again, whatever happens."""
    most_per_person: int = Field(default=6, ge=1)
    """Sessions of one person: a console, a second screen, a telephone. One more ends the one used longest ago."""
    throttle_window_s: float = Field(default=300.0, ge=1.0)
    """Failed sign-ins are counted over this time."""
    failures_per_account_and_address: int = Field(default=5, ge=1)
    """A person mistypes a few times; a guesser goes on."""
    failures_per_address: int = Field(default=50, ge=1)
    """A whole room can sit behind one address; a list of stolen names is longer. Of IPv6 a /64 counts as one."""
    account_window_s: float = Field(default=3600.0, ge=1.0)
    """Failed sign-ins to one account, from all addresses together, are counted over this time."""
    failures_per_account: int = Field(default=50, ge=1)
    """Whoever has many addresses gets 1200 guesses a day, and a password of 12 characters outlives that; no person
    mistypes so often, so that it is reached by guessers alone."""
    second_factor_roles: frozenset[Role] = frozenset()
    """Roles that must have a second factor, in JSON, e.g. `["administrator", "dpo"]`: who has none sets it before
    anything else. None by default: a commune gives out authenticators first."""
    check_every_s: float = Field(default=2.0, gt=0)
    """What goes out for long, a live view, news or a video, looks so often whether its session is in force. A view
    ends within 5 s of a sign-out: closing takes up to two more."""
    parallel_hashes: int = Field(default=2, ge=1)
    """Password checks at a time: each takes 64 MiB and a tenth of a second of one core, on purpose."""


class LiveSettings(BaseModel):
    """Bounds of what is kept in memory and sent to browsers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    linger_s: float = Field(default=10.0, ge=0)
    """A camera is read so much longer than somebody watches it: whoever turns a page and comes back sees it at once."""
    backlog_s: float = Field(default=1.0, gt=0)
    """A camera that somebody begins to watch is read from so long before: two batches of the masker, each of which a
    decoder can start with."""
    buffer_s: float = Field(default=10.0, gt=0)
    """A second viewer begins with the last key picture. It is not as long ago as this."""
    buffer_bytes_per_camera: int = Field(default=8 * MIB, ge=MIB)
    """10 s at 6 Mbit/s."""
    buffer_bytes: int = Field(default=256 * MIB, ge=MIB)
    """Of all cameras that are watched together: `max_viewers` of 3 Mbit/s. Beyond it the fullest camera gives up its
    oldest pictures."""
    queue_bytes_per_viewer: int = Field(default=4 * MIB, ge=64 * 1024)
    """About 8 s at 4 Mbit/s; a browser slower than that skips to the newest pictures."""
    max_viewers: int = Field(default=64, ge=1)
    """Live views at a time; each costs the bitrate of its camera."""
    max_viewers_per_person: int = Field(default=18, ge=1)
    """Two walls of nine pictures. Nobody can take all of `max_viewers`."""
    idle_s: float = Field(default=3.0, gt=0)
    """Without a new picture for so long, the viewer learns why."""
    decision_lag_s: float = Field(default=2.0, ge=0.5)
    """A mask that was decided by another process is in force here after this time at the latest: while less than that
    is sure, no picture is shown. Usually it is a quarter of a second, the rhythm in which the news are read."""
    annotated_lease_s: float = Field(default=15.0, gt=3.0)
    """Vision draws this much longer than the last renewal: an api that died costs it so many seconds."""


class ProcessSettings(ServiceSettings):
    """Settings of a process that serves live views, alone or beside the rest."""

    host: str = "127.0.0.1"
    """Address of the public port."""
    port: Port = 8080
    public_origin: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+$")] | None = None
    """`https://host` as browsers see it, behind a proxy. None: the Host header of each request counts."""
    trusted_proxies: Annotated[str, AfterValidator(_are_proxies)] = ""
    """Comma-separated addresses and networks whose X-Forwarded-For and -Proto are believed. None by default: on one
    machine every local account could otherwise be anybody."""
    database_url: DatabaseUrl = "sqlite:///beffroi.sqlite3"
    """`sqlite:///file` or `postgresql+psycopg://user@host/database`."""
    trail_key: Key
    """Seals each row of the audit trail. It has no default and lies outside of the database: whoever can write that
    must not be able to write history. The same for every process on one database."""
    trail_former_keys: tuple[Key, ...] = ()
    """Keys before it, the oldest first, in JSON: rows are verified by the key of their time. See `commands.audit
    rotate`."""
    database_pool: int = Field(default=10, ge=1)
    """Connections kept; the threadpool of the endpoints has 40 threads, which rarely all ask the database."""
    max_body_bytes: int = Field(default=512 * 1024, ge=1024)
    """A camera with every zone drawn to the limit is 250 kB."""
    request_timeout_s: float = Field(default=20.0, gt=0)
    """A request has to be whole after so long: half a megabyte comes over a bad line in that time."""
    max_connections: int = Field(default=2048, ge=16)
    """Of everybody together: each is an open file, and up to a third of a megabyte while a request comes."""
    max_connections_per_network: int = Field(default=512, ge=8)
    """Of one address, or of a /64 of IPv6; a whole control room may sit behind one. One more is refused. Proxies that
    are trusted speak for many, and are not counted so."""
    write_timeout_s: float = Field(default=10.0, gt=0)
    """Whoever takes less than 64 KiB of what waits for them in that time is cut off. A line of 1 Mbit/s takes twenty
    times as much."""
    stale_after_s: float = Field(default=20.0, gt=0)
    """A status not repeated for so long (it is every 5 s) is not believed any more."""
    shutdown_timeout_s: int = Field(default=5, ge=0)
    """Open views and downloads get so long to end."""
    session: SessionSettings = SessionSettings()
    live: LiveSettings = LiveSettings()

    def is_proxy(self, address: str) -> bool:
        """Whether it is the address of a proxy that is trusted."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in each for each in _networks(self.trusted_proxies))
