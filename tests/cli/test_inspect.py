"""`paddle-tasks inspect`."""

from __future__ import annotations

import pytest

from ..helpers import ROOT


def test_steps_and_shapes(cli):
    outcome = cli("inspect", "builtin/bert-mini-zh", "天气好😀", "真好", "--length", "12")
    assert outcome.code == 0
    assert "tokens: [CLS] 天 气 好 [UNK] [SEP] 真 好 [SEP]" in outcome.stdout
    assert "segments: 0 0 0 0 0 0 1 1 1" in outcome.stdout
    assert "mask: 1 1 1 1 1 1 1 1 1 0 0 0" in outcome.stdout
    assert "not in the vocabulary, so [UNK]: 😀" in outcome.stdout
    assert "attentions [layers, heads, length, length] = [4, 4, 9, 9]" in outcome.stdout
    assert outcome.stdout.count("check: ") == 3


def test_files(cli):
    outcome = cli("inspect", "builtin/bert-mini-zh", "天气好", "--html", "a.html", "--features", "b.npz")
    assert outcome.code == 0
    assert "attention: a.html" in outcome.stdout
    assert "features: b.npz" in outcome.stdout


def test_one_word_in_several_texts(cli, tmp_path):
    (tmp_path / "texts.txt").write_text("他开车。\n花开了。\n", encoding="utf-8")
    outcome = cli("inspect", "builtin/ernie-mini-zh", "--word", "开", "--texts", "texts.txt")
    assert outcome.code == 0
    assert "  2  花开了。" in outcome.stdout
    assert "1.00" in outcome.stdout
    assert "--texts FILE" in cli.fails("inspect", "builtin/ernie-mini-zh", "--word", "开")


@pytest.mark.long
def test_a_probe(cli, monkeypatch):
    monkeypatch.chdir(ROOT)
    outcome = cli("inspect", "builtin/ernie-mini-zh", "--probe", "configs/quick/news.yaml")
    assert outcome.code == 0
    assert "  best" in outcome.stdout
    assert "embeddings: accuracy" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["好", "--texts", "a.txt"], "--texts: not with TEXT"),
        (["好", "--word", "好", "--texts", "a.txt"], "TEXT: not with --word"),
        (["--probe", "a.yaml", "--html", "a.html"], "--html: not with --probe"),
    ],
)
def test_options_of_another_question_are_refused(cli, arguments, message):
    assert message in cli.fails("inspect", "lstm", *arguments)


def test_mistakes_have_messages(cli):
    assert "builtin/bert-mini-zh" in cli.fails("inspect", "builtin/bert-mini-z", "好")
    assert "expected a TEXT" in cli.fails("inspect", "builtin/bert-mini-zh")
