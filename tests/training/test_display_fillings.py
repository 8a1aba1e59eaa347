"""How filled texts are displayed."""

from __future__ import annotations

import pytest

from paddle_tasks.training.display import Segment
from paddle_tasks.training.display_fillings import display_fillings


def test_the_best_text_and_a_line_of_candidates_for_each_mask():
    candidates = [{"token": "天", "prob": 0.875}, {"token": "年", "prob": 0.125}]
    masks = [{"position": 1, "candidates": candidates}, {"position": 4, "candidates": candidates[:1]}]
    record = {"input": "今[MASK]下[MASK]", "text": "今天下雨", "masks": masks, "fillings": []}
    assert [list(line) for line in display_fillings(record)] == [
        [Segment("今"), Segment("天", change="added"), Segment("下"), Segment("雨", change="added"), Segment("")],
        [Segment("  [MASK] 1: 天 0.88, 年 0.12")],
        [Segment("  [MASK] 2: 天 0.88")],
    ]


@pytest.mark.parametrize(
    ("text", "filled", "expected"),
    [
        ("I [MASK] it.", "I like it.", ["I", " like ", "it."]),
        ("[MASK][MASK]", "下雨", ["", "", "", "下雨", ""]),
        ("Play[MASK] now", "Playing now", ["Play", "ing ", "now"]),
        ("[mask]好", "很好", ["很好"]),  # the model read another spelling
    ],
)
def test_what_fills_the_masks_is_marked(text, filled, expected):
    record = {"input": text, "text": filled, "masks": []}
    (line,) = display_fillings(record)
    assert [segment.text for segment in line] == expected
    assert [segment.change for segment in line] == [("", "added")[n % 2] for n in range(len(expected))]
