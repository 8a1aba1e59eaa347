"""`paddle-tasks inspect`."""

from __future__ import annotations


def test_tokens_segments_and_shapes(cli):
    outcome = cli("inspect", "builtin/bert-mini-zh", "天气好", "真好")
    assert outcome.code == 0
    assert "tokens: [CLS] 天 气 好 [SEP] 真 好 [SEP]" in outcome.stdout
    assert "segments: 0 0 0 0 0 1 1 1" in outcome.stdout
    assert "8, 8]" in outcome.stdout


def test_a_mistake_has_a_message(cli):
    assert "builtin/bert-mini-zh" in cli.fails("inspect", "builtin/bert-mini-z", "好")
