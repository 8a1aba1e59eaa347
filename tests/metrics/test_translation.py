"""Translation metrics against sacrebleu's own command line, and by hand."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from paddle_tasks.metrics.numerals import find_numbers
from paddle_tasks.metrics.translation import corpus_bleu, corpus_chrf, kept, translation_metrics

OUTPUTS = ["他说：这是正确的。", "二十八日，陈友出征", "没有"]
REFERENCES = ["他回答说：这是对的。", "二十八日，陈友领兵出征。", "不对"]


def test_scores_are_those_of_the_command_line(tmp_path):
    (tmp_path / "refs").write_text("\n".join(REFERENCES) + "\n", "utf-8")
    (tmp_path / "outs").write_text("\n".join(OUTPUTS) + "\n", "utf-8")
    command = [sys.executable, "-m", "sacrebleu", "refs", "-i", "outs", "-m", "bleu", "chrf", "-tok", "char", "-w", "8"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    theirs = {score["name"]: score for score in json.loads(done.stdout)}
    for name, own in {"BLEU": corpus_bleu(OUTPUTS, REFERENCES), "chrF2": corpus_chrf(OUTPUTS, REFERENCES)}.items():
        assert own.score == pytest.approx(theirs[name]["score"], abs=1e-6)
        assert own.signature == theirs[name]["signature"]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("十五年，众3千人", [15, 3]),
        ("一万三千零五人", [13005]),
        ("二〇二年", [202]),
        ("廿八日与２８日", [28, 28]),
        ("三亿二百万", [302_000_000]),
        ("百二十", [120]),
        ("一起对百姓说", []),
    ],
)
def test_numbers_are_read_by_value(text, numbers):
    assert find_numbers(text) == numbers


def test_what_is_kept_counts_repetitions():
    scores = kept([[1, 1, 2], [5]], [[1, 3], [5, 5]])
    assert scores == {"precision": 2 / 4, "recall": 2 / 4, "f1": 2 / 4, "expected": 4}
    assert kept([[]], [[]]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "expected": 0}


def test_every_metric_of_a_small_corpus():
    sources = ["曰：是也。" * 3, "壬午，陈友出", "无" * 25]
    scores = translation_metrics(sources, OUTPUTS, REFERENCES, lambda text: ["陈友"] if "陈友" in text else [])
    assert scores["exact_match"] == 0
    assert scores["proper_ends"] == pytest.approx(2 / 3)
    assert scores["numbers"]["recall"] == 1
    assert scores["names"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "expected": 1}
    assert list(scores["by_length"]) == ["short", "middle", "long"]
    assert scores["by_length"]["short"] == {
        "rows": 1,
        "bleu": corpus_bleu(OUTPUTS[1:2], REFERENCES[1:2]).score,
        "copying": corpus_bleu(sources[1:2], REFERENCES[1:2]).score,
    }
    assert "by_book" not in scores
    assert scores["copying"]["bleu"] == corpus_bleu(sources, REFERENCES).score
    assert translation_metrics([], [], []) == {}


def test_a_perfect_translation_has_the_best_scores():
    scores = translation_metrics(REFERENCES, REFERENCES, REFERENCES)
    assert scores["bleu"] == pytest.approx(100)
    assert scores["exact_match"] == scores["proper_ends"] == scores["numbers"]["f1"] == 1
    assert "names" not in scores


def test_large_books_have_scores_of_their_own():
    sources = ["甲乙丙丁"] * 30 + ["子丑寅卯"] * 31 + ["戊己庚辛"] * 29
    outputs = ["甲乙丙丁"] * 30 + ["甲乙丙丁"] * 31 + ["戊己庚辛"] * 29
    books = ["论语"] * 30 + ["孟子"] * 31 + ["庄子"] * 29
    scores = translation_metrics(sources, outputs, sources, books=books)["by_book"]
    assert list(scores) == ["孟子", "论语"]
    assert [scores[book]["rows"] for book in scores] == [31, 30]
    assert [scores[book]["bleu"] for book in scores] == pytest.approx([0, 100])
    assert [scores[book]["copying"] for book in scores] == pytest.approx([100, 100])
