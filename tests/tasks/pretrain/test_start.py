"""What pretraining starts from: counts, random weights, or the weights of another model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.encoders.informed_start import word_width
from paddle_tasks.models.masked_lm import load_masked_lm
from paddle_tasks.workflows.train import train

from .test_task import batch_of, read, score, settings, started


def words(model: paddle.nn.Layer) -> np.ndarray:
    return model.encoder.model.embeddings.word_embeddings.weight.numpy()


def test_it_starts_from_counts_by_default(tmp_path):
    informed, random = (started(read(tmp_path, model=changes)) for changes in ({}, {"informed_start": False}))
    first = informed.encoder.width - word_width(informed.encoder)
    assert not words(informed)[:, :first].any()
    assert words(random)[:, :first].all()


def test_the_vectors_of_counted_tokens_do_not_depend_on_the_seed(tmp_path):
    task = read(tmp_path)
    same, again, other = (started(task, seed) for seed in (5, 5, 6))
    counted = np.unique(task.dataset(task.splits["train"].examples).ids)
    np.testing.assert_array_equal(words(same), words(again))
    np.testing.assert_array_equal(words(same)[counted], words(other)[counted])
    # [MASK] occurs in no text.
    assert (words(same)[task.tokenizer.mask_id] != words(other)[task.tokenizer.mask_id]).any()


@pytest.mark.parametrize("sizes", [{"n_heads": 1}, {"hidden_size": 18, "n_heads": 2}])
def test_heads_that_cannot_attend_to_neighbours_are_refused(tmp_path, sizes):
    with pytest.raises(ConfigError, match=r"model\.informed_start: needs at least 2 heads of an even width"):
        read(tmp_path, model=sizes)
    started(read(tmp_path, model={**sizes, "informed_start": False}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Return the folder of a finished run of an ERNIE, which no test may change."""
    return train(settings(tmp_path_factory.mktemp("ernie"))).folder


def test_an_ernie_becomes_a_bert_with_the_same_logits(finished, tmp_path):
    task = read(tmp_path, model={"encoder": str(finished / "model"), "becomes": "bert"})
    bert = started(task)
    batch = batch_of(task, [0, 1, 2])
    bert.eval()
    before = load_masked_lm(str(finished / "model"), next_sentence=True)
    before.eval()
    with paddle.no_grad():
        np.testing.assert_allclose(bert(*batch.inputs).numpy(), before(*batch.inputs).numpy(), atol=1e-5)
    task.save_model(bert, tmp_path / "bert")
    assert json.loads((tmp_path / "bert" / "config.json").read_text())["model_type"] == "bert"
    from paddlenlp.transformers import BertForPretraining

    loaded = BertForPretraining.from_pretrained(str(tmp_path / "bert"))
    np.testing.assert_array_equal(loaded.bert.embeddings.word_embeddings.weight.numpy(), words(before))


# ---- continuing with a model


def weights(layer: paddle.nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in layer.state_dict().items()}


def test_continuing_a_run_starts_with_its_weights_and_vocabulary(finished, tmp_path):
    task = read(tmp_path, model={"encoder": str(finished / "model")})
    before = load(finished)
    assert task.tokenizer.vocabulary == before.task.tokenizer.vocabulary
    first, expected = weights(started(task)), weights(before.model)
    assert first.keys() == expected.keys()
    assert all(np.array_equal(first[name], expected[name]) for name in first)
    assert score(task, task.build_model()) == pytest.approx(
        json.loads((finished / "result.json").read_text(encoding="utf-8"))["dev"], rel=1e-5
    )
    run = train(
        settings(tmp_path, model={"encoder": str(finished / "model")}, training={"epochs": 1, "max_length": 32})
    )
    assert run.result["dev"]["loss"] != pytest.approx(score(task, task.build_model())["loss"], abs=1e-6)


def test_a_head_over_pairs_can_be_added_later(tmp_path):
    data = {**settings(tmp_path)["data"], "next_sentence": False}
    first = train(settings(tmp_path / "first", data=data)).folder
    assert not load_masked_lm(str(first / "model")).next_sentence
    second = settings(tmp_path / "second", model={"encoder": str(first / "model")})
    assert "next_sentence_accuracy" in train(second).result["dev"]


# ---- dropout


def test_config_json_keeps_the_dropout_of_fine_tuning(finished):
    config = json.loads((finished / "model/config.json").read_text(encoding="utf-8"))
    assert config.get("hidden_dropout_prob", 0.1) == config.get("attention_probs_dropout_prob", 0.1) == 0.1
    assert load(finished).model.encoder.model.config.hidden_dropout_prob == 0.1


@pytest.mark.parametrize(("probability", "differs"), [(0.0, False), (0.3, True)])
def test_pretraining_dropout_is_used_in_training(tmp_path, probability, differs):
    task = read(tmp_path, model={**settings(tmp_path)["model"], "pretraining_dropout": probability, "dropout": 0.4})
    model = started(task)
    model.train()
    batch = batch_of(task, [0, 1])
    first, second = (float(task.loss(model, batch)[0]) for _ in range(2))
    assert (first != second) == differs
