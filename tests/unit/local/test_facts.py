from dataclasses import replace

import pytest

from beffroi_local.facts import Figures, LoopFigures

GOOD = Figures(
    live_p95_s=1.3,
    alert_p95_s=1.1,
    mask_s=0.9,
    alerts=10,
    loops=(LoopFigures(5, 5, 0), LoopFigures(4, 5, 1)),
    people=True,
    segments=2,
    leaking_pixels=0,
    annotated_pictures=20,
    stills=3,
    frames_in=795,
    frames_out=795,
)


def test_all_seen() -> None:
    assert GOOD.missing() == []
    assert GOOD.line() == (
        "demo: live 1.3 s, alerts 5/5 true 0 false, 4/5 true 1 false after 1.1 s, segments 2, "
        "new mask after 0.9 s, masked pixels leaking 0, frames in 795 out 795"
    )


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (replace(GOOD, live_p95_s=None), "no live picture"),
        (replace(GOOD, live_p95_s=3.1), "older than 3 s"),
        (replace(GOOD, alerts=0, alert_p95_s=None), "no alert"),
        (replace(GOOD, alert_p95_s=2.1), "longer than 2 s"),
        (replace(GOOD, loops=(LoopFigures(3, 5, 0),)), "too few"),
        (replace(GOOD, loops=(LoopFigures(5, 5, 2),)), "false"),
        (replace(GOOD, mask_s=None), "no picture came after"),
        (replace(GOOD, mask_s=2.1), "in force within 2 s"),
        (replace(GOOD, segments=1), "segments"),
        (replace(GOOD, leaking_pixels=1), "mask"),
        (replace(GOOD, annotated_pictures=0), "annotated"),
        (replace(GOOD, stills=0), "still"),
        (replace(GOOD, frames_out=794), "exactly once"),
        (replace(GOOD, frames_in=0, frames_out=0), "could not be counted"),
    ],
)
def test_each_missing_fact_is_said(figures: Figures, said: str) -> None:
    assert [sentence for sentence in figures.missing() if said in sentence]


def test_without_people_no_alert_is_asked_for() -> None:
    figures = replace(GOOD, alerts=0, alert_p95_s=None, loops=(), people=False)
    assert figures.missing() == []
    assert "alerts 0, segments" in figures.line()
