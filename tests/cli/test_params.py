"""`paddle-tasks params`."""

from __future__ import annotations

import json

from ..helpers import ROOT


def test_the_tree_and_the_courses_answer(cli):
    outcome = cli("params", "lstm", "--input", "300", "--hidden", "128")
    assert outcome.code == 0
    assert "4 × 300 × 128" in outcome.stdout
    assert "220,160" in outcome.stdout
    assert "course's answer, all parameters: 219,648" in outcome.stdout
    assert "estimate: " in outcome.stdout


def test_sizes_are_for_networks_without_their_own(cli):
    message = cli.fails("params", "bert-base-chinese", "--hidden", "5", "--bidirectional")
    assert "hidden, bidirectional" in message
    assert "not with inputs, heads" in cli.fails("params", "bert-base-chinese", "--input", "5", "--heads", "2")
    assert "lstm: has no heads; its sizes are inputs, hidden, layers, bidirectional" in cli.fails(
        "params", "lstm", "--heads", "2"
    )
    assert "transformer: has no inputs" in cli.fails("params", "transformer", "--input", "2")
    assert "at least 1, found 0" in cli.fails("params", "lstm", "--hidden", "0")
    assert "rnn" in message
    assert "did you mean 'lstm'" in cli.fails("params", "lstmm", "--hidden", "5")


def test_a_mistake_has_a_message(cli):
    assert "did you mean 'bert-base-chinese'?" in cli.fails("params", "bert-bas-chinese")


def test_json_of_a_configuration(cli, monkeypatch):
    monkeypatch.chdir(ROOT)
    outcome = cli("params", "configs/quick/sentiment.yaml", "model.hidden_size=8", "--json")
    report = json.loads(outcome.stdout)
    assert report["measured"] == report["computed"]
    head = next(part for part in report["parts"]["parts"] if part["name"] == "head")
    assert head["measured"] == 3 * 8 * 2 + 2
