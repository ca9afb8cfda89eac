import socket
from pathlib import Path

import pytest

from beffroi_local.ports import LOOPBACK, PortTakenError, free_port, require_free


def test_a_taken_port_is_said_with_the_variable_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port} for MinIO .* set BEFFROI_MINIO_PORT"):
            require_free({"MinIO": ("BEFFROI_MINIO_PORT", port), "Kafka": ("BEFFROI_KAFKA_PORT", free_port())})


def test_one_port_for_two_parts_is_said() -> None:
    port = free_port()
    with pytest.raises(PortTakenError, match="both Kafka and MinIO: set BEFFROI_MINIO_PORT"):
        require_free({"Kafka": ("BEFFROI_KAFKA_PORT", port), "MinIO": ("BEFFROI_MINIO_PORT", port)})


def test_free_ports_pass() -> None:
    require_free({"Kafka": ("BEFFROI_KAFKA_PORT", free_port())})


def test_a_free_port_is_none_that_an_outgoing_connection_may_take_meanwhile() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < first for _ in range(20))
