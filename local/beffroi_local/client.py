"""The api as a person's program uses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT_S = 20.0
"""The api may be waiting for the broker or the store; both answer or are given up before this."""

PREFIX = "/api/v1"


class ApiRefusedError(RuntimeError):
    """The api answered with a problem; its own words."""


class ApiClient:
    """One signed-in person."""

    def __init__(self, address: str, username: str, password: str) -> None:
        """Sign in.

        Raises:
            ApiRefusedError: the api did not take the credentials.
        """
        self.address = address
        # Origin and the header against cross-site requests, as the console sends them: without both nothing may change.
        # `trust_env`: it is on this machine, whatever the environment says of proxies.
        headers = {"X-Beffroi-Request": "1", "Origin": address}
        self._http = httpx.Client(base_url=address + PREFIX, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        signed_in = self._ask("POST", "/session", json={"username": username, "password": password})
        # Browsers send a Secure cookie by http to the machine itself, and httpx does not.
        self.cookies = "; ".join(f"{name}={value}" for name, value in signed_in.cookies.items())
        """The session, as the Cookie header of a WebSocket, too."""
        self._http.headers["Cookie"] = self.cookies

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._http.close()

    def put(self, path: str, body: object) -> Any:
        """Replace what is at `path`; return the answer."""
        return self._ask("PUT", path, json=body).json()

    def alerts(self, camera: str) -> list[dict[str, Any]]:
        """Return the newest alerts of a camera, newest first."""
        page = self._ask("GET", "/alerts", params={"camera": camera, "state": "all", "limit": "200"}).json()
        return list(page["items"])

    def recordings(self, camera: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the stored segments of a camera between two moments, oldest first."""
        times = {"from": start.isoformat(), "to": end.isoformat()}
        return list(self._ask("GET", f"/cameras/{camera}/recordings", params=times).json()["segments"])

    def still(self, camera: str) -> bytes | None:
        """Return the newest picture of a camera as JPEG, None while there is none."""
        answer = self._http.get(f"/cameras/{camera}/still")
        if answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.SERVICE_UNAVAILABLE}:
            return None
        return self._checked(answer).content

    def health(self) -> dict[str, Any]:
        """Return what services and cameras say of themselves."""
        return dict(self._ask("GET", "/health").json())

    def _ask(
        self, method: str, path: str, json: object = None, params: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self._checked(self._http.request(method, path, json=json, params=params))

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            said = answer.json().get("detail", answer.text)
        except ValueError:
            said = answer.text
        request = f"{answer.request.method} {answer.request.url.path}"
        raise ApiRefusedError(f"{request} was answered with {answer.status_code}: {said}")
