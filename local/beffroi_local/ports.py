"""Ports on this machine's loopback."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"


class PortTakenError(RuntimeError):
    """A port that the configuration names belongs to another program."""


_CHOICE = range(10_000, 32_768)
"""Below the ports that Linux gives to outgoing connections: one of those would take a port between choice and use."""


def free_port() -> int:
    """Return a port that nobody listens on at this moment, and that was not returned before.

    By chance, so that processes that choose at the same time (tests run side by side) hardly choose the same.
    """
    while True:
        port = _CHOICE[secrets.randbelow(len(_CHOICE))]
        if port not in _given and not is_taken(port):
            _given.add(port)
            return port


_given: set[int] = set()


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could not listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def is_open(port: int, host: str = LOOPBACK, timeout_s: float = 1.0) -> bool:
    """Say whether somebody accepts connections on `port`."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def require_free(ports: dict[str, tuple[str, int]], host: str = LOOPBACK) -> None:
    """See that no port of a configuration is taken.

    Args:
        ports: for each part's name the variable that sets its port, and the port.
        host: address that the ports will be bound on.

    Raises:
        PortTakenError: names every taken port and the variable that moves it.
    """
    taken: list[str] = []
    seen: dict[int, str] = {}
    for part, (variable, port) in ports.items():
        if port in seen:
            taken.append(f"port {port} is given to both {seen[port]} and {part}: set {variable} to another one")
            continue
        seen[port] = part
        with socket.socket() as probe:
            # As servers do it, so that a connection closed a moment ago does not count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                taken.append(
                    f"port {port} for {part} cannot be had ({error.strerror}): "
                    f"stop the program that has it, or set {variable} to another port"
                )
    if taken:
        raise PortTakenError("\n".join(taken))
