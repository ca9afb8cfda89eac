from pathlib import Path

import pytest

from beffroi_local.settings import StackSettings, StackSettingsError


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
