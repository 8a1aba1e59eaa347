"""What the contract asks of every task, for one whose dev rows are questions and whose train rows are lines."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError, DataError, UserError
from paddle_tasks.inference.pipelines import load, pipeline
from paddle_tasks.training.build import build_loop, build_model
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.workflows.evaluate import evaluate

from ...golden.word_vectors import ANSWERS, FOLDER
from ...helpers import ROOT
from ..conftest import fixture_of
from ..test_contract import (
    test_its_configurations_load_and_dump_back_equal,
    test_its_quick_configuration_trains,
)
from .conftest import read_small

__all__ = ["test_its_configurations_load_and_dump_back_equal", "test_its_quick_configuration_trains"]

CURVE = ROOT / "tests" / "golden" / "curves" / "word2vec.json"
CURVE_SETTINGS = {"training.max_steps": 6, "training.batch_size": 32}
RATES = {"negative_sampling": 0.3, "full_softmax": 1.0}
METHODS = (("predicted", "", "most_similar"), ("multiplied", "multiplied_", "most_similar_cosmul"))


# ---- data and batches


def test_a_bad_line_names_file_and_line(tmp_path):
    good, path = fixture_of("word2vec").read_bytes().splitlines(), tmp_path / "broken.txt"
    path.write_bytes(b"\n".join([*good[:3], b"\xff\xfe", *good[3:]]) + b"\n")
    with pytest.raises(DataError, match=rf"{path}:4: not valid utf-8"):
        read_small(**{"data.train": [{"path": str(path)}]})


def test_a_line_of_questions_that_has_not_four_words_names_file_and_line(tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(": 方位\n左 右 上 下\n左 右 上\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"{path}:3: expected four words, found 3"):
        read_small(**{"data.dev": [{"path": str(path)}]})
    with pytest.raises(DataError, match=r"has no section '方问' \(sections: 方位\)"):
        read_small(**{"data.dev": [{"path": str(path), "sections": ["方问"]}], "data.on_bad_row": "skip"})


def test_held_out_texts_are_dropped_from_train(tmp_path):
    lines = fixture_of("word2vec").read_text(encoding="utf-8").splitlines()
    held_out = tmp_path / "test.txt"
    held_out.write_text(f"{lines[2]}\n{lines[7][:-1]}！\n", encoding="utf-8")
    task = read_small(**{"data.held_out": [{"path": str(held_out)}]})
    assert len(read_small().train_dataset) - len(task.train_dataset) == 2
    assert "data.train: 2 of 12 lines dropped" in task.remarks()[0]
    assert "柠" in read_small().vocabulary
    assert read_small().vocabulary["甜"] == 2
    assert "甜" not in task.vocabulary


def test_an_epoch_has_every_row_once_in_an_order_of_its_own_and_can_start_anywhere():
    task = read_small(**{"training.batch_size": 20})
    epochs = [[batch.rows for batch in task.train_batches(epoch, 0)] for epoch in (0, 1, 0)]
    assert epochs[0] == epochs[2] != epochs[1]
    assert len(epochs[0]) == task.n_batches > 2
    assert sorted(row for batch in epochs[0] for row in batch) == list(range(len(task.train_dataset)))
    assert [batch.rows for batch in task.train_batches(1, 1)] == epochs[1][1:]
    other = read_small(**{"training.batch_size": 20, "seed": 1})
    assert [batch.rows for batch in other.train_batches(0, 0)] != epochs[0]
    sizes = [sum(task.train_dataset.lengths[list(rows)]) for rows in epochs[0]]
    assert max(sizes) < 20 + max(task.train_dataset.lengths)
    assert min(sizes) > 0


def test_several_processes_are_refused():
    task = read_small()
    task.ranks = Ranks(0, 2)
    with pytest.raises(ConfigError, match="word2vec: trains in one process, found 2"):
        next(iter(task.train_batches(0, 0)))


# ---- losses


def first_losses(kind: str, seed: int = 7) -> list[float]:
    settings = {"model.loss": kind, "optimizer.learning_rate": RATES[kind], "seed": seed}
    task = read_small(**CURVE_SETTINGS, **settings)
    paddle.seed(task.config.seed)
    model = build_model(task, task.config.training)
    loop = build_loop(task.config, task, model, build_optimizer(model, task.config.optimizer))
    return [report.loss for report in loop.steps()]


@pytest.mark.parametrize("kind", RATES)
def test_the_first_losses_are_the_recorded_ones(kind):
    losses = first_losses(kind)
    assert losses == pytest.approx(json.loads(CURVE.read_text(encoding="utf-8"))[kind], rel=1e-4)
    other = first_losses(kind, seed=8)
    assert other[0] == pytest.approx(losses[0], rel=1e-4)  # the output vectors start as zeros
    assert other[1:] != pytest.approx(losses[1:], rel=1e-4)


def test_training_lowers_the_loss_and_moves_every_vector():
    task = read_small(**{"optimizer.learning_rate": 0.05, "data.subsample": 0.0, "training.epochs": 12})
    paddle.seed(1)
    model = build_model(task, task.config.training)
    before = model.words.weight.numpy()
    loop = build_loop(task.config, task, model, build_optimizer(model, task.config.optimizer))
    losses = [report.loss for report in loop.steps()]
    assert np.mean(losses[-5:]) < 0.8 * losses[0]
    assert (model.words.weight.numpy() != before).any(axis=1).all()
    assert model.outputs.weight.numpy().any(axis=1).all()


# ---- scores and predictions


@pytest.mark.parametrize("name", ["gensim.txt", "gensim.bin"])
def test_scores_equal_those_of_gensim_question_by_question(name):
    task, model = tasks.find("word2vec").read_model_file(FOLDER / name)
    evaluation = task.evaluate(model, task.load_split("test", str(FOLDER / "questions.txt")), lambda: None)
    for key, prefix, method in METHODS:
        answers = ANSWERS[method]
        assert evaluation.metrics[f"{prefix}accuracy"] == pytest.approx(answers["all"])
        assert evaluation.metrics[f"{prefix}accuracy_answered"] == pytest.approx(answers["answered"])
        outcomes: dict[str, list[str]] = {"correct": [], "incorrect": []}
        for record in evaluation.predictions:
            if record[key] is not None:
                kind = "correct" if record[key].upper() == record["gold"].upper() else "incorrect"
                outcomes[kind].append(" ".join([*record["question"], record["gold"]]).upper())
        assert outcomes == {kind: answers[kind] for kind in outcomes}
        assert min(map(len, outcomes.values())) > 5


def test_a_saved_model_answers_like_the_trained_one_and_its_records_give_its_scores(small_run):
    questions = ROOT / "tests" / "golden" / "word_vectors" / "questions.txt"
    found = evaluate(small_run, data=questions)
    assert found["rows"] == 75
    predictor = load(small_run)
    split = predictor.task.load_split("test", str(questions))
    scored = predictor.task.evaluate(predictor.model, split, lambda: None)
    assert predictor.task.score_records(split, scored.predictions) == scored.metrics
    with pytest.raises(UserError, match="null under 'multiplied'"):
        predictor.task.score_records(split, [{"predicted": None}] * 75)


def test_panels_show_the_most_frequent_words_with_labels(small_run):
    predictor = load(small_run)
    split = predictor.task.load_split("dev")
    (shown,) = predictor.task.evaluate(predictor.model, split, lambda: None).vectors().vectors.values()
    counts = predictor.task.vocabulary
    assert [label for label, _count in shown.rows] == list(counts)[: len(shown.rows)]
    assert shown.rows[0] == ("，", f"{max(counts.values())}")
    assert (shown.values == predictor.model.words.weight.numpy()[: len(shown.rows)]).all()


def test_the_nearest_words_have_the_largest_cosines(small_run):
    find = pipeline("word2vec", small_run)
    matrix, words = find.model.words.weight.numpy(), list(find.task.vocabulary)
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = dict(zip(words, units @ units[words.index("春")], strict=True))
    del cosines["春"]
    best = sorted(cosines, key=lambda word: -cosines[word])[:4]
    record = find("春", top_k=4)
    assert [near["word"] for near in record["neighbours"]] == best
    assert [near["score"] for near in record["neighbours"]] == pytest.approx([cosines[word] for word in best], abs=1e-5)
    assert len(find("春")["neighbours"]) == 10


def test_questions_are_three_words(small_run):
    find = pipeline("word2vec", model=small_run)
    one, other = find(["春 天 秋", "春\t天\t秋"], analogy=True)
    assert one["neighbours"] == other["neighbours"]
    assert not {"春", "天", "秋"} & {near["word"] for near in one["neighbours"]}
    with pytest.raises(DataError, match="expected three words with spaces between them for an analogy, found 2"):
        find("春 天", analogy=True)
    with pytest.raises(DataError, match="'龘' is not in the vocabulary of"):
        find("龘")


def test_a_pipeline_needs_a_model():
    with pytest.raises(UserError, match=r"word2vec: no model ships for it; name one with --model"):
        pipeline("word2vec")
