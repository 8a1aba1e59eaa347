"""How reports read records: the default, and each task's own."""

from __future__ import annotations

import pytest

from paddle_tasks import tasks
from paddle_tasks.training.record_view import Answer, Candidate, RecordView, RowScore, clip, versions


def text_of(lines) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


def marked(line) -> list[str]:
    return [segment.text for segment in line if segment.change]


def view(name: str) -> RecordView:
    return tasks.find(name).RECORD_VIEW


def test_two_versions_differ_where_they_are_marked():
    expected, predicted = versions("今天很热", "今天真冷啊")
    assert text_of([expected, predicted]) == ["expected: 今天很热", "predicted: 今天真冷啊"]
    assert "".join(marked(expected)) == "很热"
    assert "".join(marked(predicted)) == "真冷啊"
    assert [marked(line) for line in versions("同", "同")] == [[], []]


def test_long_texts_are_cut():
    assert clip("长" * 10, 4) == "长长长长…"
    assert max(map(len, text_of(versions("长" * 900, "短" * 900)))) < 220


def test_any_record_can_be_shown():
    lines = RecordView().show({"text": "好", "gold": ["a", None], "predicted": 3})
    assert text_of(lines) == ["好", "expected: a (none)", "predicted: 3"]
    assert RecordView().score({"gold": "a", "predicted": "a"}).is_right
    assert list(RecordView().kinds({})) == ["wrong"]


def test_labels_have_candidates_answers_and_colours():
    record = {"text": "不好", "gold": "b", "predicted": "a", "probabilities": {"a": 0.7, "b": 0.3}}
    labels = view("news")
    assert list(labels.decisions(record)) == [("b", "a")]
    assert list(labels.candidates(record)) == [Candidate("a", False, 0.7), Candidate("b", True, 0.3)]
    assert list(labels.answers(record)) == [Answer(0.7, False)]
    assert list(labels.kinds(record)) == ["b → a"]
    heading, text = labels.show(record, {"attributions": [[0, 1, -2.0], [1, 2, 1.0]]})
    assert text_of([heading]) == ["b → a 0.70"]
    assert [(segment.text, segment.strength) for segment in text][:2] == [("不", -1.0), ("好", 0.5)]


def test_pairs_mark_what_only_one_text_has():
    record = {"text": "怎么还款\t怎么提前还款", "gold": "1", "predicted": "0"}
    heading, first, second = view("similarity").show(record)
    assert text_of([heading, first, second]) == ["similar → different", "怎么还款", "怎么提前还款"]
    assert marked(second) == ["提前"]


def span(start: int, end: int, label: str = "aspect", **more: float) -> dict:
    return {"start": start, "end": end, "text": "房间很干净"[start:end], "label": label, **more}


def test_spans_are_right_as_a_whole():
    record = {
        "text": "房间很干净",
        "gold": [span(0, 2), span(3, 5, "opinion")],
        "predicted": [span(0, 2, prob=0.9), span(2, 5, "opinion", prob=0.4)],
    }
    spans = view("opinion")
    assert spans.score(record) == RowScore(1, 2, 2)
    assert sorted(spans.decisions(record)) == [
        ("(none)", "opinion"),
        ("aspect", "aspect"),
        ("opinion", "(none)"),
    ]
    assert sorted(spans.answers(record)) == [Answer(0.4, False), Answer(0.9, True)]
    assert Candidate("opinion", True, -1.0) in list(spans.candidates(record))
    lines = spans.show({"text": record["text"], "kind": "missed", "gold": span(3, 5, "opinion")})
    assert text_of(lines) == ["missed", "expected: 房间很干净", "predicted: (none)"]
    assert [segment.text for segment in lines[1] if segment.label] == ["干净"]


def test_chapters_show_the_passage_with_the_most_errors():
    gold, predicted = "甲" * 300 + "，\n", "甲" * 200 + "乙" * 90 + "甲" * 10 + "甲甲"
    record = {"where": "books/a.txt", "gold": gold, "predicted": predicted}
    chapters = view("novel")
    assert chapters.score(record) == RowScore(210, 302, 302)
    assert sorted(set(chapters.kinds(record))) == ["character", "line break", "punctuation mark"]
    name, _text, found = chapters.show(record)
    assert text_of([name]) == ["a.txt"]
    assert "".join(marked(found)) == "乙" * 80


def test_translations_are_sorted_by_what_is_wrong():
    def kind(predicted: str, **more: str) -> list[str]:
        return list(view("translate").kinds({"gold": "十个字的参考译文在此", "predicted": predicted, **more}))

    assert kind("长" * 60, finish="length") == ["does not end"]
    assert kind("") == ["empty"]
    assert kind("长" * 16) == ["much longer"]
    assert kind("短") == ["much shorter"]
    assert kind("十个字的其他译文在此") == ["other words"]
    same = view("translate").score({"gold": "一样", "predicted": "一样"})
    assert same.right == pytest.approx(1.0)
    assert view("translate").groups({"book": "棋谈"}) == {"book": "棋谈"}


def test_questions_and_hidden_tokens():
    question = {"section": "s", "question": ["a", "b", "c"], "gold": "d", "predicted": None}
    assert view("word2vec").score(question) == RowScore(0, 1, 1)
    assert text_of(view("word2vec").show(question)) == ["a : b = c : d → (none)"]
    passage = {"gold": ["。", "气"], "predicted": ["。", "晚"]}
    assert view("pretrain").score(passage) == RowScore(1, 2, 2)
    assert list(view("pretrain").kinds(passage)) == ["气 → 晚"]
    assert [marked(line) for line in view("pretrain").show(passage)] == [["气"], ["晚"]]
