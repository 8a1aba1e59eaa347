"""Translating: batches, teacher forcing, punctuation, scores, predictions, and what configurations refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.generation.section import GenerationSection
from paddle_tasks.models.seq2seq.forcing import mix_inputs
from paddle_tasks.tasks.translate.drawing import TrainingDraws
from paddle_tasks.tasks.translate.models import tensors
from paddle_tasks.tasks.translate.task import TranslateTask
from paddle_tasks.workflows.config import assignments, load_config

from ..conftest import fixture_of, quick_config, sources

RNN = {
    "model.architecture": "rnn",
    "model.hidden_size": 12,
    "model.embedding_size": 8,
    "model.n_heads": 4,  # the defaults
}


def read(**changes: Any) -> TranslateTask:
    """Return a task that has read its fixture as train and dev."""
    settings = {**sources(fixture_of("translate")), "data.vocabulary": {"min_count": 1}, **changes}
    task = tasks.find("translate")(load_config(quick_config("translate"), assignments(settings)))
    task.read()
    return task


def build(task: TranslateTask) -> Any:
    paddle.seed(5)
    model = task.build_model()
    model.eval()
    return model


def batches(task: TranslateTask, epoch: int = 0) -> list[Any]:
    return list(task.train_batches(epoch, 0))


# ---- data


def test_a_batch_holds_sources_and_targets_that_end():
    task = read()
    pair, batch = task.splits["train"].examples[2], task.collate(task.train_dataset, [2])
    assert task.vocabulary.decode(batch.source_ids[0].tolist()) == pair.source
    assert batch.input_ids[0, 0] == task.vocabulary.start_id
    assert task.vocabulary.decode(batch.targets.tolist()) == f"{pair.target}\n"
    np.testing.assert_array_equal(batch.input_ids[0, 1:], batch.targets[:-1])


def test_every_train_pair_is_read_once_in_an_epoch():
    task = read(**{"training.batch_size": 3})
    for epoch in range(3):
        read_rows = [row for batch in batches(task, epoch) for row in batch.rows]
        assert sorted(read_rows) == list(range(len(task.train_dataset)))
        assert len(batches(task, epoch)) == task.n_batches
    assert [batch.rows for batch in batches(task, 0)] != [batch.rows for batch in batches(task, 1)]
    assert [batch.rows for batch in batches(task, 1)][1:] == [batch.rows for batch in task.train_batches(1, 1)]


@pytest.mark.parametrize("limit", [10, 40])
def test_both_sides_of_a_batch_have_a_token_limit(limit):
    task = read(**{"training.max_tokens_per_batch": limit, "training.batch_size": 4})
    found = batches(task)
    assert all(max(b.source_ids.size, b.input_ids.size) <= limit or len(b.rows) == 1 for b in found)
    assert any(len(batch.rows) > 1 for batch in found) == (limit > 10)


def test_a_share_of_sources_loses_its_punctuation_marks():
    task = read(**{"data.strip_punctuation": 0.5})
    marks = set("，？。：“”")
    texts = [
        [
            task.vocabulary.decode(ids[:length].tolist())
            for ids, length in zip(b.source_ids, b.source_lengths, strict=True)
        ]
        for epoch in range(20)
        for b in batches(task, epoch)
    ]
    lost = [not marks & set(text) for part in texts for text in part]
    assert 0.3 < np.mean(lost) < 0.7
    assert not any(not marks & set(pair.source) for pair in task.splits["train"].examples)


def test_pairs_that_are_too_long_are_left_out_of_train():
    task = read(**{"data.max_length": 12})
    assert len(task.train_dataset) < len(task.splits["train"].examples) == len(task.splits["dev"].examples)
    assert any("left out" in line for line in task.remarks())


# ---- teacher forcing


def test_the_share_of_forced_inputs_falls_on_a_line():
    task = read(**{"training.teacher_forcing": {"start": 0.8, "end": 0.2}, "training.epochs": 5})
    draws = TrainingDraws(task.config, 8, 10, 0)
    assert [draws.forcing_at(step) for step in (0, 49, 200)] == pytest.approx([0.8, 0.2, 0.2])
    assert draws.forcing_at(24) > 0.5 > draws.forcing_at(25)


def test_without_forcing_a_decoder_reads_its_own_predictions():
    task = read(**{"training.teacher_forcing": {"start": 0.0, "end": 0.0}})
    model, batch = build(task), batches(task)[0]
    source, target = tensors(batch)
    assert batch.is_forced[:, 0].all()
    assert not batch.is_forced[:, 1:].any()
    mixed = mix_inputs(model, source, target, batch.is_forced).input_ids.numpy()
    predicted = np.full(batch.input_ids.size, -1)
    predicted[batch.positions] = model.predicted(source, target)
    predicted = predicted.reshape(batch.input_ids.shape)
    assert (mixed[:, 0] == task.vocabulary.start_id).all()
    for row, length in enumerate(batch.input_lengths):
        np.testing.assert_array_equal(mixed[row, 1:length], predicted[row, : length - 1])
        np.testing.assert_array_equal(mixed[row, length:], batch.input_ids[row, length:])


# ---- scores and predictions


@pytest.mark.parametrize("changes", [{}, {"model.n_frequent": 20}], ids=str)
def test_every_character_is_scored_alike_in_any_batch(changes):
    losses = []
    for size in (1, 8):
        task = read(**changes, **{"evaluation.batch_size": size})
        evaluation = task.evaluate(build(task), task.splits["dev"], lambda: None)
        losses.append([record["loss"] for record in evaluation.predictions])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_translations_do_not_depend_on_each_other():
    task = read()
    model, texts = build(task), [pair.source for pair in task.splits["dev"].examples]
    together = task.predict(model, texts, max_new_tokens=8)
    assert [task.predict(model, [text], max_new_tokens=8)[0]["outputs"][0]["text"] for text in texts] == [
        record["outputs"][0]["text"] for record in together
    ]


def test_a_stream_gives_the_greedy_translation():
    task = read()
    model = build(task)
    text = "".join(task.stream(model, "学而时习之", max_new_tokens=9))
    (record,) = task.predict(model, ["学而时习之"], max_new_tokens=9, num_beams=1)
    assert text == record["outputs"][0]["text"] != ""


def test_an_explained_translation_has_weights_for_its_characters():
    task = read()
    (record,) = task.predict(build(task), [" 学而\n时习之 "], max_new_tokens=9, explain=True)
    output = record["outputs"][0]
    weights = np.array(output["attention"])
    assert weights.shape == (len(output["text"]) + 1, len("学而 时习之"))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-3)


def test_a_model_without_attention_explains_nothing():
    task = read(**{**RNN, "model.attention": "none"})
    with pytest.raises(ConfigError, match=r"explain: .*model.attention none"):
        task.predict(build(task), ["学而时习之"], max_new_tokens=9, explain=True)


def test_an_empty_text_is_refused():
    task = read()
    with pytest.raises(DataError, match="a text to translate"):
        task.predict(build(task), [" \n"])


def test_dev_may_be_translated_greedily_with_any_settings_of_beams():
    task = read(generation={"num_beams": 3, "length_penalty": 0.6, "max_new_tokens": 5})
    evaluation = task.evaluate(build(task), task.splits["dev"], lambda: None)
    assert evaluation.metrics["bleu"] >= 0
    assert task.config.generation == GenerationSection(num_beams=3, length_penalty=0.6, max_new_tokens=5)


def test_panels_show_attention_with_characters():
    task = read()
    panels = task.evaluate(build(task), task.splits["dev"], lambda: None).panels()
    assert set(panels.images) == {"attention_1", "attention_2"}


# ---- configurations


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.attention": "none"}, "model.attention: only an rnn has it, found architecture transformer"),
        ({"model.hidden_size": 30, "model.n_heads": 4}, "30 is no multiple of twice n_heads, 8"),
        ({**RNN, "model.intermediate_size": 8}, "model.intermediate_size: only a transformer has it"),
        ({"data.strip_punctuation": 2}, "strip_punctuation"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        read(**changes)
