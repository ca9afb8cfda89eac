import configparser
from pathlib import Path

import pytest

from beffroi_local.supervisor import Program, config

PROGRAMS = [
    Program("kafka", ["java", "-cp", "/with space/*", "kafka.Kafka"]),
    Program("api", ["python", "-m", "beffroi_api"], {"KEY": "100%\\s3cret"}, data_limit_mb=64),
]


def parsed(tmp_path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(config(PROGRAMS, tmp_path, tmp_path / "control"))
    return parser


def test_every_program_is_bound_to_supervisord_and_started_again(tmp_path: Path) -> None:
    for name in ("kafka", "api"):
        section = parsed(tmp_path)[f"program:{name}"]
        assert section["command"].startswith("setpriv --pdeathsig KILL prlimit --core=0 ")
        assert section["autorestart"] == "true"
        assert section["autostart"] == "false"


def test_secrets_go_into_the_environment_and_never_into_a_command(tmp_path: Path) -> None:
    sections = parsed(tmp_path)
    assert sections["program:api"]["environment"] == 'KEY="100%%\\\\s3cret"'
    assert "s3cret" not in sections["program:api"]["command"]
    assert "s3cret" not in repr(PROGRAMS)


def test_memory_is_limited_in_bytes(tmp_path: Path) -> None:
    assert "prlimit --core=0 --data=67108864 python" in parsed(tmp_path)["program:api"]["command"]
    assert "--data" not in parsed(tmp_path)["program:kafka"]["command"]


def test_words_with_spaces_stay_words(tmp_path: Path) -> None:
    assert "'/with space/*'" in parsed(tmp_path)["program:kafka"]["command"]


@pytest.mark.parametrize("value", ['a"b', "a\nb"])
def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ValueError, match="quotes or line ends"):
        config([Program("api", ["api"], {"KEY": value})], tmp_path, tmp_path / "control")
