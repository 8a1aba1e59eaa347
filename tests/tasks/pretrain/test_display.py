"""How filled texts are displayed."""

from __future__ import annotations

from paddle_tasks.tasks.pretrain.display import display_fillings
from paddle_tasks.training.display import Segment


def test_the_best_text_and_a_line_of_candidates_for_each_mask():
    candidates = [{"token": "天", "prob": 0.875}, {"token": "年", "prob": 0.125}]
    masks = [{"position": 1, "candidates": candidates}, {"position": 4, "candidates": candidates[:1]}]
    record = {"input": "今[MASK]下[MASK]", "text": "今天下雨", "masks": masks, "fillings": []}
    assert [list(line) for line in display_fillings(record)] == [
        [Segment("今天下雨")],
        [Segment("  1: 天 0.88, 年 0.12")],
        [Segment("  4: 天 0.88")],
    ]
