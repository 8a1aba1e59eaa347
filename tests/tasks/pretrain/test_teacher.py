"""Pretraining with a teacher: its files, which rows it teaches, and its losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks.data.corpus.teacher import join_tokens, passage_texts
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.export import export
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.tasks.pretrain.losses import mean_states, relation_errors, states_at, tokens_of
from paddle_tasks.tasks.pretrain.task import PretrainTask
from paddle_tasks.training.build import build_loop
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.workflows.train import train

from .test_task import read, settings, started

SIZE = 6


def sections(folder: Path, **model: Any) -> dict[str, dict[str, Any]]:
    """Return the settings of a run with a teacher."""
    teacher = {"texts": str(folder / "texts.txt"), "vectors": str(folder / "vectors.npy")}
    return {
        "data": {"teacher": teacher, "next_sentence": model.pop("next_sentence", False)},
        "model": {"teacher": 1.0, "teacher_relations": 0.5, **model},
    }


def write_vectors(folder: Path, texts: list[str], size: int = SIZE) -> np.ndarray[Any, Any]:
    vectors = np.random.default_rng(0).normal(loc=2.0, size=(len(texts), size)).astype(np.float16)
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
    return vectors.astype(np.float64)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """The text of each row of train."""
    task = read(Path("unused"), data={"next_sentence": False})
    return list(passage_texts(task.train_passages(), task.tokenizer.vocabulary))


@pytest.fixture
def taught(tmp_path, texts) -> PretrainTask:
    """A task whose teacher has a vector for every row."""
    write_vectors(tmp_path, texts)
    return read(tmp_path, **sections(tmp_path))


def test_tokens_are_joined_to_words():
    assert join_tokens(["hello", "world", "##s", "好", "的", "5", "g"]) == "hello worlds好的5 g"
    assert join_tokens(["##", "好"]) == "##好"


def test_the_first_run_writes_the_texts_and_says_what_to_do(tmp_path, texts):
    with pytest.raises(ConfigError, match=rf"vectors\.npy does not exist; .*texts\.txt has {len(set(texts))} texts"):
        read(tmp_path, **sections(tmp_path))
    assert (tmp_path / "texts.txt").read_text(encoding="utf-8").split("\n") == [*dict.fromkeys(texts), ""]
    (tmp_path / "texts.txt").write_text("已有的\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has 1 texts"):  # a file that exists is not written over
        read(tmp_path, **sections(tmp_path))


def test_some_of_the_texts_can_be_asked_for(tmp_path, texts):
    changes = sections(tmp_path)
    changes["data"]["teacher"]["n_texts"] = 3
    with pytest.raises(ConfigError, match="has 3 texts"):
        read(tmp_path, **changes)
    chosen = (tmp_path / "texts.txt").read_text(encoding="utf-8").splitlines()
    assert len(chosen) == 3
    assert chosen == [text for text in texts if text in chosen]


def test_each_row_has_the_centred_vector_of_its_text(tmp_path, texts):
    some = [*reversed(texts[1:]), "不在训练集里"]
    vectors = write_vectors(tmp_path, some)
    teacher = read(tmp_path, **sections(tmp_path)).teacher
    places, found = teacher.of([2, 0, 1])
    assert places.tolist() == [0, 2]  # the text of row 0 has no vector
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert found == pytest.approx(centred[[some.index(texts[2]), some.index(texts[1])]], abs=2e-3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), np.float32), r"expected float16 or float32 \[\d+, size\].*found float32 \[2, 3\]"),
        (np.zeros((2, 3), np.int64), "found int64"),
    ],
)
def test_vectors_that_do_not_belong_to_the_texts_are_refused(tmp_path, texts, array, message):
    write_vectors(tmp_path, texts)
    np.save(tmp_path / "vectors.npy", array)
    with pytest.raises(DataError, match=message):
        read(tmp_path, **sections(tmp_path))


def test_a_file_that_is_no_array_and_texts_of_other_data_are_refused(tmp_path, texts):
    write_vectors(tmp_path, texts)
    (tmp_path / "vectors.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"cannot be read as a \.npy file"):
        read(tmp_path, **sections(tmp_path))
    write_vectors(tmp_path, ["别的"])
    with pytest.raises(DataError, match="has no text of train"):
        read(tmp_path, **sections(tmp_path))


def test_weights_without_vectors_and_vectors_without_weights_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"set both sides, or neither"):
        read(tmp_path, model={"teacher": 1.0})
    with pytest.raises(ConfigError, match=r"set both sides, or neither"):
        read(tmp_path, data=sections(tmp_path)["data"])


def test_the_loss_is_that_of_its_definition(taught):
    """Recompute the losses of a batch from the states of a plain forward pass, row by row."""
    model = started(taught)
    batch = next(iter(taught.collate_train([list(range(5))], epoch=0)))
    plain = read(Path("unused"), data={"next_sentence": False})
    loss, n_hidden = taught.loss(model, batch)
    without, _ = plain.loss(model, batch)
    ids, types, lengths, _positions = batch.inputs
    states = model.encoder(ids, types, lengths)[0].numpy().astype(np.float64)
    weight, bias = (tensor.numpy() for tensor in model.training_only.teacher.parameters())
    means = np.stack([row[:length].mean(axis=0) for row, length in zip(states, batch.lengths, strict=True)])
    _, targets = taught.teacher.of(batch.rows)
    by_student, by_teacher = cosines(means, means), cosines(targets, targets)
    distances = 1 - np.diag(cosines(means @ weight + bias, targets))
    relations = ((by_student - by_teacher) ** 2).sum(axis=1) / 4
    expected = ((distances + 0.5 * relations) * batch.n_targets).sum()
    assert n_hidden == batch.n_targets.sum()
    assert float(loss) - float(without) == pytest.approx(expected, rel=1e-3)
    assert expected > 1


def cosines(left, right):
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (left, right)]
    return units[0] @ units[1].T


def test_equal_relations_cost_nothing_whatever_their_basis():
    vectors = paddle.randn([5, 4])
    rotation = paddle.to_tensor(np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0].astype(np.float32))
    assert float(relation_errors(vectors, 3 * vectors @ rotation).max()) < 1e-10
    assert float(relation_errors(vectors, paddle.randn([5, 4])).min()) > 1e-3


def test_pairs_with_a_random_second_text_are_not_taught(tmp_path, texts):
    changes = sections(tmp_path, next_sentence=True)
    with pytest.raises(ConfigError, match="does not exist"):
        read(tmp_path, **changes)
    lines = (tmp_path / "texts.txt").read_text(encoding="utf-8").splitlines()
    write_vectors(tmp_path, lines)
    task = read(tmp_path, **changes)
    rows = list(range(len(task.train_lengths)))
    batches = list(task.collate_train([rows], epoch=0))
    is_random = np.concatenate([batch.pairs == 1 for batch in batches])
    assert is_random.any()
    assert [task.taught_rows(batch)[0].tolist() for batch in batches] == [np.flatnonzero(~is_random).tolist()]


def test_training_brings_the_relations_of_the_states_nearer_to_the_teachers(tmp_path, texts):
    write_vectors(tmp_path, texts)
    taught = read(tmp_path, **sections(tmp_path, teacher_relations=20.0), training={"epochs": 20})
    model = started(taught)
    before = total_relation_error(taught, model)
    list(build_loop(taught.config, taught, model, build_optimizer(model, taught.config.optimizer)).steps())
    assert total_relation_error(taught, model) < 0.5 * before


def total_relation_error(task, model) -> float:
    batch = next(iter(task.collate_train([list(range(6))], epoch=0)))
    rows, targets = task.taught_rows(batch)
    with paddle.no_grad():
        (states,), _ = states_at(model.encoder, batch, [tokens_of(batch, rows)])
        return float(relation_errors(mean_states(states, batch.lengths[rows]), paddle.to_tensor(targets)).sum())


def test_the_map_is_in_the_run_and_not_in_its_export(tmp_path, texts):
    write_vectors(tmp_path, texts)
    run = train(settings(tmp_path, **sections(tmp_path), training={"epochs": 1}, logging={"visualdl": False}))
    assert load(run.folder, device="cpu")("火车[MASK]点。")
    export(run.folder, tmp_path / "model")
    stored, exported = (
        tensors.read(folder / "model.safetensors") for folder in (run.folder / "model", tmp_path / "model")
    )
    assert set(stored) - set(exported) == {"training_only.teacher.weight", "training_only.teacher.bias"}
