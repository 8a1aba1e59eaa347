"""Writing: scores of every character, continuations, architectures, and what configurations refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError
from paddle_tasks.models import cpu
from paddle_tasks.onednn.precision import has_bfloat16
from paddle_tasks.tasks.novel.task import NovelTask
from paddle_tasks.workflows.config import assignments, load_config

from ..conftest import fixture_of, quick_config, sources

SMALL = {"model.hidden_size": 16, "model.n_heads": 2, "model.dropout": 0.0, "data.window": 12}
PRETRAINED = {
    "model.encoder": "builtin/ernie-mini-zh",
    "model.hidden_size": 24,
    "data.window": 8,
    "data.max_dev_characters": 60,  # one chapter
}
ARCHITECTURES = {
    "gpt": {},
    "two levels": {"model.n_frequent": 20},
    "fully connected": {**PRETRAINED, "model.architecture": "bert-fc", "data.stride": 3},
    "lstm": {**PRETRAINED, "model.architecture": "bert-lstm", "data.mask_at_end": "fixed"},
    "attention": {
        **PRETRAINED,
        "model.architecture": "bert-lstm",
        "model.attention": True,
        "data.mask_at_end": "varying",
    },
}


def read(**changes: Any) -> NovelTask:
    """Return a task that has read its fixture as train and dev."""
    settings = {**sources(fixture_of("novel")), **SMALL, **changes}
    task = tasks.find("novel")(load_config(quick_config("novel"), assignments(settings)))
    task.read()
    return task


def build(task: NovelTask) -> Any:
    paddle.seed(5)
    return task.build_model()


def score(task: NovelTask, model: Any) -> Any:
    return task.score_characters(model, task.splits["dev"], lambda: None)


@pytest.mark.parametrize("changes", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_every_character_is_scored_alike_in_any_batch(changes):
    scores = [
        score(task, build(task)) for size in (1, 32) for task in [read(**changes, **{"evaluation.batch_size": size})]
    ]
    np.testing.assert_allclose(scores[0].losses, scores[1].losses, atol=2e-6)
    metrics = [one.metrics() for one in scores]
    assert metrics[0]["loss"] == pytest.approx(metrics[1]["loss"], abs=1e-6)
    is_target = scores[0].texts.is_target
    assert (scores[0].losses[is_target] > 0).all()
    assert not scores[0].losses[~is_target].any()


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU does not multiply bfloat16 faster")
def test_scores_may_be_computed_in_bfloat16():
    task = read(**ARCHITECTURES["lstm"])
    rounding = read(**ARCHITECTURES["lstm"], **{"evaluation.precision": "bfloat16"})
    model = build(task)
    cpu.switch_in(model)
    exact, rounded = score(task, model).losses, score(rounding, model).losses
    assert 1e-6 < np.abs(exact - rounded).max() < 0.05
    assert np.array_equal(score(task, model).losses, exact)


@pytest.mark.parametrize("changes", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_writer_rates_characters_as_they_are_scored(changes):
    task = read(**changes)
    model = build(task)
    scores, text = score(task, model), task.splits["dev"].examples[0].text
    ids = task.vocabulary.encode(text).tolist()
    for cached in (True, False):
        writer = task.reader.writer(model, cached=cached)
        state, found = writer.start([[]])
        for position in range(6):
            assert -found[0, ids[position]] == pytest.approx(scores.losses[1 + position], abs=2e-5)
            state, found = writer.advance(state, [ids[position]])


def test_an_unknown_character_costs_more_by_the_number_of_types():
    task = read()  # most characters of the fixture occur once
    scores = score(task, build(task))
    texts = [chapter.text for chapter in task.splits["dev"].examples]
    n_types = len({c for text in texts for c in text if c not in task.vocabulary})
    known, targets = task.vocabulary.n_outputs, scores.texts.ids[scores.texts.is_target]
    share = (targets == 0).mean()
    assert scores.n_unknown_types == n_types > 10
    assert 0 < share < 1 < known
    plain = scores.losses[scores.texts.is_target].astype(float).mean()
    assert scores.metrics()["loss"] == pytest.approx(plain + share * math.log(n_types), rel=1e-6)


def test_a_stream_is_the_prediction_character_by_character():
    task = read()
    model = build(task)
    options = {"max_new_tokens": 20, "top_k": 5, "seed": 3}
    (record,) = task.predict(model, ["却说城东"], **options)
    pieces = list(task.stream(model, "却说城东", **options))
    assert "".join(pieces) == record["outputs"][0]["text"]
    assert [len(piece) for piece in pieces] == [1] * 20
    assert task.predict(model, ["却说城东"], **{**options, "seed": 4})[0]["outputs"] != record["outputs"]


def test_beams_give_the_most_probable_outputs():
    task = read()
    model = build(task)
    (record,) = task.predict(model, ["却说"], max_new_tokens=5, num_beams=3, num_return_sequences=3)
    scores = [output["score"] for output in record["outputs"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert [line[0].text[:2] for line in task.display(record)] == ["1:", "2:", "3:"]


def test_prompts_are_continued_at_each_evaluation():
    task = read(**{"evaluation.prompts": ["却说", "次日"], "evaluation.prompt_length": 7})
    texts = task.evaluate(build(task), task.splits["dev"], lambda: None).texts
    assert [text.partition(" ‖ ")[0] for text in texts.values()] == ["却说", "次日"]
    assert {len(text.partition(" ‖ ")[2]) for text in texts.values()} == {7}


def test_masks_vary_in_training_only():
    task = read(**ARCHITECTURES["attention"])
    mask, lengths = task.vocabulary.mask_id, set()
    for batch in task.train_batches(0, 0):
        lengths |= set((batch.input_ids == mask).sum(axis=1).tolist())
    rows = task.dataset(task.splits["dev"].examples)
    batch = task.collate(rows, range(len(rows)))
    assert len(lengths) > 3
    assert set((batch.input_ids == mask).sum(axis=1).tolist()) == {1}


def test_a_gpt_can_start_from_an_encoder():
    sizes = {"model.hidden_size": 256, "model.n_layers": 4, "model.n_heads": 4}
    task = read(**sizes, **{"model.encoder": "builtin/ernie-mini-zh"})
    paddle.seed(1)
    first = task.build_model()
    paddle.seed(2)
    second = task.build_model()
    assert (first.layers[3].linear2.weight == second.layers[3].linear2.weight).all()
    known = task.vocabulary.encode("一")[0]
    assert (first.words.weight[known] == second.words.weight[known]).all()
    assert (first.words.weight[task.vocabulary.unknown_id] == second.words.weight[task.vocabulary.unknown_id]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.stride": 4}, r"data\.stride: a gpt predicts every character"),
        ({"data.mask_at_end": "fixed"}, r"data\.mask_at_end: a gpt"),
        ({"model.attention": True}, r"model\.attention: only a bert-lstm has it, found architecture gpt"),
        ({"model.architecture": "bert-fc"}, r"model\.encoder: bert-fc reads windows with a pretrained encoder"),
        ({"evaluation.stride": 13}, r"evaluation\.stride: 13 is more than data\.window, 12"),
        ({"model.n_heads": 3}, r"model\.hidden_size: 16 is no multiple of n_heads 3"),
        ({**PRETRAINED, "model.n_layers": 2}, r"model\.hidden_size: expected 256, that of builtin/ernie-mini-zh"),
        ({**ARCHITECTURES["lstm"], "data.window": 600}, r"data\.window: 600 and special tokens are more than the 512"),
        ({**ARCHITECTURES["lstm"], "evaluation.stride": 3}, r"evaluation\.stride: only a gpt has it"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        read(**changes).build_model()
