"""Decisions on masks that were taken by any process: nothing older is shown once they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from beffroi_api.modules.cameras.service import CameraReader, Listener
from beffroi_api.news.follower import SCOPE


@dataclass(frozen=True)
class DecisionNews:
    """Brings up to date whoever holds pictures back."""

    cameras: CameraReader
    gates: Sequence[Listener]

    def camera(self, camera: str) -> None:
        """A camera was made, changed or removed."""
        state = self.cameras.state(SCOPE, camera)
        for gate in self.gates:
            gate(*state)

    def start_over(self) -> None:
        """News were missed: know every camera anew."""
        for state in self.cameras.states(SCOPE):
            for gate in self.gates:
                gate(*state)
