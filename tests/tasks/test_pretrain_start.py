"""What a masked language model starts from: counts, random weights, or the weights of another kind."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.informed_start import word_width
from paddle_tasks.models.masked_lm import load_masked_lm
from paddle_tasks.workflows.train import train

from .test_pretrain import read, settings, started


def words(model: paddle.nn.Layer) -> np.ndarray:
    return model.encoder.model.embeddings.word_embeddings.weight.numpy()


def test_it_starts_from_counts_unless_told_otherwise(tmp_path):
    informed, random = (started(read(tmp_path, model=changes)) for changes in ({}, {"informed_start": False}))
    first = informed.encoder.width - word_width(informed.encoder)
    assert not words(informed)[:, :first].any()
    assert words(random)[:, :first].all()


def test_the_start_does_not_depend_on_chance_but_for_what_counts_do_not_tell(tmp_path):
    task = read(tmp_path)
    same, again, other = (started(task, seed) for seed in (5, 5, 6))
    counted = np.unique(task._batches.passages.ids)
    np.testing.assert_array_equal(words(same), words(again))
    np.testing.assert_array_equal(words(same)[counted], words(other)[counted])
    # [MASK] stands in no text.
    assert (words(same)[task.tokenizer.mask_id] != words(other)[task.tokenizer.mask_id]).any()


@pytest.mark.parametrize("sizes", [{"n_heads": 1}, {"hidden_size": 18, "n_heads": 2}])
def test_heads_that_cannot_look_at_neighbours_are_refused(tmp_path, sizes):
    with pytest.raises(ConfigError, match=r"model\.informed_start: needs 2 heads or more of an even width"):
        read(tmp_path, model=sizes)
    started(read(tmp_path, model={**sizes, "informed_start": False}))


@pytest.fixture(scope="module")
def ernie(tmp_path_factory):
    return train(settings(tmp_path_factory.mktemp("ernie"))).folder / "model"


def test_an_ernie_becomes_a_bert_with_the_same_answers(ernie, tmp_path):
    task = read(tmp_path, model={"encoder": str(ernie), "becomes": "bert"})
    bert = started(task)
    (batch,) = task._batches.batches([range(3)], 0)
    bert.eval()
    before = load_masked_lm(str(ernie), next_sentence=True)
    before.eval()
    with paddle.no_grad():
        np.testing.assert_allclose(bert(*batch.inputs).numpy(), before(*batch.inputs).numpy(), atol=1e-5)
    task.save_model(bert, tmp_path / "bert")
    assert json.loads((tmp_path / "bert" / "config.json").read_text())["model_type"] == "bert"
    from paddlenlp.transformers import BertForPretraining

    loaded = BertForPretraining.from_pretrained(str(tmp_path / "bert"))
    np.testing.assert_array_equal(loaded.bert.embeddings.word_embeddings.weight.numpy(), words(before))
