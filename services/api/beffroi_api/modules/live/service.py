"""Why there is no picture, in a code and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_common.contracts import CameraStatus, Level

from .schemas import LiveState, View

DATABASE_AWAY = LiveState(
    code="database_away",
    message="The database does not answer, so nobody knows which masks are in force: pictures come back by themselves "
    "when it does.",
)


@dataclass(frozen=True)
class Reasons:
    """Looks at the configuration first, then at the bus, then at what the services say."""

    directory: CameraDirectory
    statuses: Callable[[str], list[CameraStatus]]
    """What the services say of a camera, and may be believed; the worst first."""
    broker_reachable: Callable[[], bool]

    def why(self, camera: str, view: View = View.MASKED) -> LiveState:
        """Why `camera` shows nothing at present."""
        known = self.directory.camera(camera)
        if known is None:
            return LiveState(code="removed", message="This camera was removed.")
        if not known.enabled:
            return LiveState(code="disabled", message="This camera is switched off: an administrator can enable it.")
        if known.masking is None:
            return LiveState(
                code="no_mask_decision",
                message="Nobody decided on this camera's masks yet: an administrator must draw them, or state that "
                "nothing private is in view.",
            )
        if not self.broker_reachable():
            return LiveState(
                code="broker_away",
                message="The message broker does not answer: pictures come back by themselves when it does.",
            )
        return self._said(camera) or _waiting(view)

    def _said(self, camera: str) -> LiveState | None:
        for status in self.statuses(camera):
            if status.level is not Level.OK:
                return LiveState(code=status.code, message=status.message)
        return None


def _waiting(view: View) -> LiveState:
    if view is View.ANNOTATED:
        return LiveState(
            code="waiting_for_analysis",
            message="Waiting for annotated pictures: they need a few seconds to start, and a legal basis in force.",
        )
    return LiveState(code="waiting", message="Waiting for the first picture.")
