import re
from pathlib import Path

import pytest

from beffroi_local.settings import PREFIX, StackSettings, StackSettingsError

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(BEFFROI_[A-Z_]+)`", README))
FITTING = {
    "BEFFROI_TRUTH": __file__,
    "BEFFROI_CAMERA_NETWORKS": "192.168.1.0/24, fd00::/64",
    "BEFFROI_CAMERA_FOLDERS": "/clips,/srv",
}
"""Values for variables that "1024" does not fit: as a port, a size or a folder it does."""


def test_defaults_need_no_variable() -> None:
    assert StackSettings.load().http_port == 8080


def test_variables_set_ports_and_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BEFFROI_HTTP_PORT", "18080")
    monkeypatch.setenv("BEFFROI_HOME", str(tmp_path))
    settings = StackSettings.load()
    assert (settings.http_port, settings.home) == (18080, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BEFFROI_HTTP_PROT", "1", "unknown setting BEFFROI_HTTP_PROT"),
        ("BEFFROI_HTTP_PORT", "70000", "BEFFROI_HTTP_PORT: "),
        ("BEFFROI_KAFKA_HEAP_MB", "lots", "BEFFROI_KAFKA_HEAP_MB: "),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StackSettingsError, match=said):
        StackSettings.load()


def test_the_services_own_variables_are_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEFFROI_MASKER_CRF", "20")
    StackSettings.load()


def test_a_truth_that_is_not_there_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEFFROI_TRUTH", "/nowhere/truth.txt")
    with pytest.raises(StackSettingsError, match="BEFFROI_TRUTH: Path does not point to a file"):
        StackSettings.load()


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_variable_of_the_readme_is_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, FITTING.get(name, "1024"))
    StackSettings.load()


def test_every_variable_is_in_the_readme() -> None:
    assert {PREFIX + name.upper() for name in StackSettings.model_fields} - NAMED == set()
