"""The small pure parts: progress, settings."""

from __future__ import annotations

import pytest

from beffroi_common.bus.sequences import MAX_EPOCHS, SequenceTracker
from beffroi_common.runtime.settings import SettingsError, load
from beffroi_recorder.settings import RecorderSettings


def test_progress_remembers_by_epoch() -> None:
    progress = SequenceTracker()
    assert progress.take(5, 100) == 0
    assert progress.take(5, 103) == 2
    assert progress.take(6, 1) == 1
    assert progress.is_repeat(5, 103)
    assert progress.is_repeat(6, 0)
    assert not progress.is_repeat(5, 104)
    assert not progress.is_repeat(7, 0)
    again = SequenceTracker(progress.snapshot())
    assert again.is_repeat(5, 103)
    assert again.take(7, 0) == 0


def test_progress_is_bounded_and_forgets_the_oldest() -> None:
    progress = SequenceTracker()
    for epoch in range(MAX_EPOCHS + 10):
        progress.take(epoch, 0)
    assert len(progress.snapshot()) == MAX_EPOCHS
    assert progress.is_repeat(MAX_EPOCHS + 9, 0)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "STORE__ENDPOINT": "127.0.0.1:2",
        "STORE__ACCESS_KEY": "a",
        "STORE__SECRET_KEY": "hunter2",
        "WORK_DIR": "work",
    }.items():
        monkeypatch.setenv(f"BEFFROI_RECORDER_{name}", value)
    return monkeypatch


def test_settings_have_sound_defaults(environment: pytest.MonkeyPatch) -> None:
    settings = load(RecorderSettings)
    assert (settings.retention_days, settings.segment_s) == (14, 60)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RETENTION_DAYS", "31", "more than the 30 days that CSI art. L252-5"),
        ("RETENTION_DAYS", "0", "retention_days"),
        ("SEGMENTS", "60", "unknown setting"),
    ],
)
def test_a_wrong_setting_is_named(environment: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    environment.setenv(f"BEFFROI_RECORDER_{name}", value)
    with pytest.raises(SettingsError, match=message) as refused:
        load(RecorderSettings)
    assert "hunter2" not in str(refused.value)
