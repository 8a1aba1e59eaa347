"""The words that `rewrite` may change: no names, numbers or negations."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.inference.changeable_words import DEGREE_ADVERBS, changeable_words
from paddle_tasks.text.words import can_follow, tagged_spans

PROTECTED = [
    "李建国",
    "北京",
    "三个",
    "3.5%",
    "没有",
    "不",
    "非常",
    "2023年",
    "GPU",
    "《红楼梦》",
    "今天",
    "，",
    "。",
    " ",
    "无",
]
FREE = ["酒店", "房间", "很", "干净", "价格", "便宜", "学生", "喜欢", "环境", "的", "老师", "手机"]
TEXTS = st.lists(st.sampled_from(PROTECTED + FREE), min_size=1, max_size=14).map("".join)
NAME = re.compile("n[rstz].*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("这家酒店的房间很干净", ["酒店", "房间", "很", "干净"]),
        ("服务比较热情，员工支持我们", ["服务", "比较", "热情", "员工", "支持"]),
        # names of persons, places and organisations, and nouns that continue them
        ("李建国老师在北京大学", ["老师"]),
        ("上海酒店和巴黎公园", []),
        ("华为公司在深圳", []),
        ("北京烤鸭很贵重", ["很", "贵重"]),
        ("《红楼梦的故事》很干净", ["很", "干净"]),
        # numbers, quantities, dates
        ("三个小时和两小时、5公里、9.6%", []),
        ("我看了两本书和三部电影", ["电影"]),
        ("今天和明年，10月3日，星期三", []),
        ("第一名有一万元", []),
        # negations
        ("不错，没有问题", ["问题"]),
        ("特别的非常的未来的无限的别人", []),
        ("难以避免，拒绝", []),
        # letters, marks, nothing
        ("iPhone and GPU!", []),
        ("，。！\n ", []),
        ("", []),
    ],
)
def test_changeable_words(text, expected):
    assert [text[word.start : word.end] for word in changeable_words(text)] == expected


@settings(max_examples=60)
@given(TEXTS)
def test_no_name_number_or_negation_is_changeable(text):
    tags = {start: (end, tag) for start, end, tag in tagged_spans(text)}
    for word in changeable_words(text):
        content = text[word.start : word.end]
        end, tag = tags[word.start]
        assert end == word.end
        assert not NAME.fullmatch(tag)
        assert tag not in {"m", "mq", "q", "t", "x", "eng"}
        assert not set(content) & set("不没无非未别莫勿")
        assert re.fullmatch("[\u4e00-\u9fff]{1,4}", content)


def test_the_dictionary_has_every_adverb_of_degree():
    """Replacements are searched among the words of the dictionary."""
    assert all(can_follow(word[:-1], word[-1]) == [True] for word in DEGREE_ADVERBS)
