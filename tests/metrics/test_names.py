"""Names of metrics, in both languages."""

from __future__ import annotations

import pytest

from paddle_tasks import language
from paddle_tasks.metrics.names import NAMED, metric_name, score_name


def test_in_english_a_name_is_the_key_with_spaces():
    assert metric_name("accuracy_at_half") == "accuracy at half"
    assert metric_name("macro_f1_deduplicated") == "macro f1 deduplicated"
    assert score_name("dev", "macro_f1") == "dev macro f1"


@pytest.mark.parametrize(
    ("split", "metric", "expected"),
    [
        ("dev", "accuracy", "验证集准确率"),
        ("test", "f1", "测试集 F1"),
        ("dev", "macro_f1_deduplicated", "验证集宏平均 F1（去重）"),
        ("test", "chrf", "测试集 chrF"),
        ("fold_1", "accuracy", "fold_1 准确率"),
    ],
)
def test_in_chinese_latin_words_and_no_others_have_a_space_before_them(in_chinese, split, metric, expected):
    assert score_name(split, metric) == expected


def test_every_named_metric_has_a_translation(in_chinese):
    assert language.current() == "zh"
    assert [name for name in NAMED if metric_name(name) == name] == []
