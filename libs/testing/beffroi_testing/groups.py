"""Consumer groups of the broker in memory: who is given which partitions, cooperatively, and who is expelled."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from beffroi_common.bus import Fatal, Partition
from beffroi_common.runtime.clock import Clock


class FencedError(Fatal):
    """Another consumer joined under the same name: this one is of no use any more."""


@dataclass(eq=False)
class Member:
    """One consumer in a group, known by the name of its instance, as Kafka's static members are.

    Attributes:
        instance: its name. Who joins under the same name takes its place, and its partitions, at once.
        heard_s: when it polled last.
        owned: partitions that it reads, or has not given up yet.
        target: partitions that it is to read.
        told: the generation whose outcome it has heard.
        gone: it left without telling the group, as static members do.
    """

    instance: str
    heard_s: float
    owned: set[Partition] = field(default_factory=set)
    target: set[Partition] = field(default_factory=set)
    told: int = 0
    gone: bool = False
    fenced: bool = False


class Group:
    """Shares partitions out evenly; whoever owns one keeps it where that is even too."""

    def __init__(self, clock: Clock, session_timeout_s: float, max_poll_interval_s: float = math.inf) -> None:
        """Begin without members.

        Args:
            clock: for both times.
            session_timeout_s: a member that is gone keeps its partitions for so long.
            max_poll_interval_s: a member that does not poll for so long is expelled, be it frozen or killed.
        """
        self._clock = clock
        self._session_timeout_s = session_timeout_s
        self._max_poll_interval_s = max_poll_interval_s
        self._members: dict[str, Member] = {}
        self._partitions: set[Partition] = set()
        self._generation = 0

    def join(self, instance: str, partitions: Iterable[Partition]) -> Member:
        """Become a member that reads its share of `partitions`."""
        self._partitions |= set(partitions)
        member = Member(instance, self._clock.monotonic_s())
        before = self._members.get(instance)
        if before is not None:
            before.fenced = not before.gone
        self._members[instance] = member
        self._share_out()
        return member

    def leave(self, member: Member) -> None:
        """Be no member any more; its partitions are shared out anew."""
        if self.has(member):
            del self._members[member.instance]
            self._share_out()

    def has(self, member: Member) -> bool:
        """Whether it is a member still.

        Raises:
            FencedError: another took its name.
        """
        if member.fenced:
            raise FencedError(f"another consumer joined as {member.instance}")
        return self._members.get(member.instance) is member

    def hear(self, member: Member) -> None:
        """It polls: who has not polled for too long is expelled, itself included."""
        now_s = self._clock.monotonic_s()
        silent = [each for each in self._members.values() if now_s - each.heard_s > self._patience_s(each)]
        for each in silent:
            del self._members[each.instance]
        if silent:
            self._share_out()
        member.heard_s = now_s

    def to_give_up(self, member: Member) -> Collection[Partition]:
        """Partitions that another member waits for."""
        return member.owned - member.target

    def give_up(self, member: Member, partitions: Collection[Partition]) -> None:
        """It does not read these any more, so that others may."""
        member.owned -= set(partitions)
        self._generation += 1

    def take_over(self, member: Member) -> Collection[Partition] | None:
        """Give a member what is free of its share; None: nothing has changed for the group since it was told."""
        if member.told == self._generation:
            return None
        member.told = self._generation
        of_others = {each for other in self._members.values() if other is not member for each in other.owned}
        free = member.target - member.owned - of_others
        member.owned |= free
        return free

    def _patience_s(self, member: Member) -> float:
        return self._session_timeout_s if member.gone else self._max_poll_interval_s

    def _share_out(self) -> None:
        self._generation += 1
        members = list(self._members.values())
        if not members:
            return
        share, over = divmod(len(self._partitions), len(members))
        for member in members:
            most = share + (1 if over and len(member.owned) > share else 0)
            over -= most - share
            member.target = set(sorted(member.owned & self._partitions)[:most])
        for each in sorted(self._partitions - {each for member in members for each in member.target}):
            min(members, key=lambda member: len(member.target)).target.add(each)
