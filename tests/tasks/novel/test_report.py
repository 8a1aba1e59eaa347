"""The results table of runs of the task, and of its baseline."""

from __future__ import annotations

import json

import pytest

from paddle_tasks import load
from paddle_tasks.inference.card_notes import NOTES
from paddle_tasks.inference.export import export_float16
from paddle_tasks.inference.model_card import CARDS
from paddle_tasks.reporting.report import report
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.train import train
from paddle_tasks.workflows.verify import verify

from ...reporting.folders import tables
from ..conftest import quick_config


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder, config = tmp_path_factory.mktemp("runs"), quick_config("novel")
    generation = {"do_sample": True, "max_new_tokens": 30}
    settings = {"training": {"max_steps": 4}, "evaluation": {"n_continuations": 3}, "generation": generation}
    runs = [
        train(config, run_dir=str(folder / "gpt"), **settings),
        baseline(config, options={"order": 2, "n_prompts": 0}, run_dir=str(folder / "gpt-baseline")),
    ]
    return [run.folder for run in runs]


def test_perplexities_are_shown_and_agree_with_the_predictions(folders):
    rows, texts = tables(report(folders).markdown)
    assert [row["model"] for row in rows] == ["transformer, gpt", "kneser-ney"]
    assert [row["run"] for row in texts] == [f"`{folders[0]}`"] * 2 + ["–"]
    assert all(0 < float(row["distinct 2"]) <= 1 for row in texts)
    for row in rows:
        assert float(row["test perplexity"]) > 10
        assert 0 < float(row["test accuracy"]) < 1
        assert row["train data"] == "`builtin/novel`, 12 rows"
        assert "remark" not in row


def test_data_are_named_in_the_result(folders):
    for folder in folders:
        data = json.loads((folder / "result.json").read_text(encoding="utf-8"))["data"]
        assert [data[split]["path"] for split in ("train", "dev", "test")] == ["builtin/novel"] * 3


def test_what_was_generated_is_in_the_result_and_can_be_verified(folders):
    result = json.loads((folders[0] / "result.json").read_text(encoding="utf-8"))
    generated = result["test"]["generated"]
    assert set(generated) == {"held_out", "train", "original"}
    for scores in generated.values():
        assert {"distinct_1", "distinct_2", "distinct_3", "repetition_4", "longest_copy", "copied_20"} <= set(scores)
    assert generated["held_out"]["characters_per_second"] > 0
    assert "generated" not in result["dev"]
    assert verify(folders[0]).differences == []
    result["test"]["generated"]["train"]["distinct_1"] += 0.01
    (folders[0] / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (difference,) = verify(folders[0]).differences
    assert difference.place == "result.json: test.generated.train.distinct_1"


def test_the_card_has_what_the_model_writes(folders, tmp_path):
    (folders[0] / NOTES).write_text("prompt: 船头\n", encoding="utf-8")
    folder = export_float16(folders[0], tmp_path / "model")
    card = (folder / CARDS["en"]).read_text(encoding="utf-8")
    model = load(folder, device="cpu", precision="float32")
    for seed in (1, 10):
        assert f"{seed}: 船头{model('船头', seed=seed)['outputs'][0]['text']}\n" in card
    assert "11: " not in card
    original = json.loads((folders[0] / "result.json").read_text(encoding="utf-8"))["test"]["generated"]["original"]
    assert f"| {original['distinct_1']:.4g} | {original['distinct_2']:.4g} |" in card
