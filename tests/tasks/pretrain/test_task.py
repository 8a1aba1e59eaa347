"""Pretraining: what its loss and scores are, resuming, going on from another model, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks.data.batching.masked_batches import NO_PAIR, MaskedBatches
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.errors import CheckpointError, ConfigError, DataError, Interrupted, RunStopped
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pretrained.saving import save_pretrained
from paddle_tasks.tasks.pretrain.task import Task
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import load_config, starting_model, train

from ...helpers import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "pretrain.txt"
HELD_OUT = "火车晚点三小时。"


def settings(folder: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that trains in a fraction of a second."""
    source = [{"path": str(FIXTURE), "blank_lines": "part"}]
    config: dict[str, Any] = {
        "task": "pretrain",
        "seed": 3,
        "run_dir": str(folder / "run"),
        "data": {
            "train": source,
            "dev": source,
            "test": source,
            "vocabulary": {"size": 300, "min_count": 1},
            "next_sentence": True,
        },
        "model": {"encoder": "ernie", "hidden_size": 16, "n_layers": 2, "n_heads": 2, "max_positions": 40},
        "optimizer": {"learning_rate": 0.01},
        "training": {"epochs": 3, "batch_size": 2, "max_length": 32},
        "evaluation": {"metric": "loss", "batch_size": 4},
        "logging": {"every_steps": 1},
    }
    return {**config, **{name: {**config[name], **values} for name, values in sections.items()}}


def read(folder: Path, **sections: dict[str, Any]) -> Task:
    task = Task(load_config(settings(folder, **sections)))
    task.read()
    return task


def started(task: Task, seed: int = 5) -> paddle.nn.Layer:
    paddle.seed(seed)
    return starting_model(task, task.config.training)


def score(task: Task, model: paddle.nn.Layer, split: str = "dev") -> dict[str, float]:
    return dict(task.evaluate(model, task.splits[split], lambda: None).metrics)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def task(folder) -> Task:
    return read(folder)


@pytest.fixture(scope="module")
def model(task) -> paddle.nn.Layer:
    return started(task)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Return the folder of a finished run, which no test may change."""
    return train(settings(tmp_path_factory.mktemp("finished"))).folder


# ---- the loss


def batch_of(task: Task, rows: list[int], epoch: int = 0) -> Any:
    return task._batches.batch(rows, epoch)


def test_a_batch_is_its_rows_one_by_one(task, model):
    model.eval()
    rows = list(range(len(task._batches.passages)))
    batch = batch_of(task, rows)
    assert batch.n_padded_tokens > batch.n_tokens
    assert {NO_PAIR} < set(batch.pairs.tolist())
    total, count = task.loss(model, batch)
    alone = [task.loss(model, batch_of(task, [row])) for row in rows]
    assert count == sum(n for _, n in alone) == len(batch.targets) > len(rows)
    assert float(total) == pytest.approx(sum(float(loss) for loss, _ in alone), rel=1e-5)
    assert np.std([float(loss) / n for loss, n in alone]) > 0.01


def by_hand(model: paddle.nn.Layer, batch: Any) -> tuple[float, float]:
    """Return the sum over hidden tokens, and that over pairs, each as often as its row has hidden tokens."""
    tokens, pairs = (logits.numpy().astype(np.float64) for logits in model.forward_both(*batch.inputs))

    def loss(logits: np.ndarray, target: int) -> float:
        return float(np.log(np.exp(logits).sum()) - logits[target])

    hidden = np.bincount(batch.places[:, 0], minlength=len(batch.rows))
    told = [(row, pair) for row, pair in enumerate(batch.pairs) if pair != NO_PAIR]
    assert 0 < len(told) < len(batch.rows)
    return (
        sum(map(loss, tokens, batch.targets)),
        sum(hidden[row] * loss(pairs[row], pair) for row, pair in told),
    )


def test_the_loss_is_the_sum_of_both_losses(task, model):
    model.eval()
    batch = batch_of(task, list(range(len(task._batches.passages))))
    tokens, pairs = by_hand(model, batch)
    assert float(task.loss(model, batch)[0]) == pytest.approx(tokens + pairs, rel=1e-5)
    assert pairs > 0.01 * tokens


def test_without_pairs_it_is_that_of_the_tokens(folder):
    task = read(folder, data={**settings(folder)["data"], "next_sentence": False})
    model = started(task)
    assert not model.next_sentence
    model.eval()
    batch = batch_of(task, [0, 1, 2])
    logits = model(*batch.inputs).numpy().astype(np.float64)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), batch.targets]
    assert float(task.loss(model, batch)[0]) == pytest.approx(losses.sum(), rel=1e-5)
    assert "next_sentence_accuracy" not in score(task, model)


def test_word_vectors_add_their_distance_from_half_a_state_at_every_token(folder, monkeypatch):
    monkeypatch.setattr("paddle_tasks.text.word_vectors.MIN_COUNT", 1)  # the fixture is short
    task = read(folder, model={**settings(folder)["model"], "word_vectors": 0.7})
    model = started(task)
    model.eval()
    batch = batch_of(task, list(range(len(task._batches.passages))))
    tokens, pairs = by_hand(model, batch)
    states, _ = model.encoder(*map(paddle.to_tensor, (batch.input_ids, batch.token_type_ids, batch.lengths)))
    known = batch.words >= 0
    vectors = task._train_passages().words.vectors[batch.words[known]].astype(np.float64)
    halves = states.numpy()[known][:, : vectors.shape[1]].astype(np.float64)
    cosines = (halves * vectors).sum(axis=1) / np.linalg.norm(halves, axis=1)
    assert vectors.shape[1] == 8  # half of the width
    assert known.sum() > len(batch.targets)
    expected = tokens + pairs + 0.7 * (1 - cosines).sum()
    assert float(task.loss(model, batch)[0]) == pytest.approx(expected, rel=1e-5)


def test_word_vectors_want_the_width_of_the_model_that_training_goes_on_from(folder, finished):
    start = {"encoder": str(finished / "model"), "hidden_size": 32, "word_vectors": 1.0}
    with pytest.raises(ConfigError, match=r"model\.hidden_size: 32 is not the 16 of "):
        started(read(folder, model=start))
    assert started(read(folder, model={**start, "hidden_size": 16}))


def test_accumulation_gives_the_gradients_of_a_large_batch(task):
    found = []
    for groups in ([[0, 1, 2, 3]], [[0, 1], [2, 3]], [[0], [1], [2], [3]]):
        model = started(task)
        for rows in groups:
            task.loss(model, batch_of(task, rows))[0].backward()
        found.append({name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, gradient in found[0].items():
            np.testing.assert_allclose(other[name], gradient, rtol=0, atol=1e-5 * max(1, np.abs(gradient).max()))


# ---- scores


def test_scores_are_of_the_same_hidden_tokens_whatever_the_masking(task, folder):
    masking = {"unit": "word", "rate": 0.4, "mask_prob": 0.1, "random_prob": 0.9}
    other = read(folder, data={**settings(folder)["data"], "masking": masking, "next_sentence": False})
    assert batch_of(other, [0, 1]).targets.tolist() != batch_of(task, [0, 1]).targets.tolist()
    model = started(task)
    expected = score(task, model)
    model.next_sentence = False
    assert score(other, model) == {name: expected[name] for name in other.METRICS}
    assert score(task, model) == score(other, model)


def test_scores_do_not_depend_on_the_size_of_batches_nor_on_the_seed(task, folder):
    model = started(task)
    other = read(folder, evaluation={"metric": "loss", "batch_size": 1})
    other.config = other.config.model_copy(update={"seed": 99})
    assert score(other, model) == pytest.approx(score(task, model), rel=1e-5)


def test_scores_are_those_of_a_second_count(task, model):
    """Row by row, with the logarithm written out; a model that knows nothing takes all entries for as likely."""
    model.eval()
    passages = task._passages(task.splits["dev"])
    batches = MaskedBatches(passages, task.tokenizer, Masking(0.15, 1.0, 0.0), 0)
    losses, right = [], []
    for row in range(len(passages)):
        batch = batches.batch([row], 0)
        logits = model(*batch.inputs).numpy().astype(np.float64)
        losses += list(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), batch.targets])
        right += list(logits.argmax(axis=1) == batch.targets)
    found = score(task, model)
    assert found["loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert found["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-5)
    assert found["loss"] == pytest.approx(np.log(len(task.tokenizer)), rel=0.2)


def test_pairs_are_told_by_their_head(task):
    model = started(task)
    for always in (0, 1):
        model.cls.seq_relationship.bias.set_value(np.array([100.0, -100.0] if always == 0 else [-100.0, 100.0], "f4"))
        parts = [batch.pairs for batch in task._scored(task._passages(task.splits["dev"], pairs=True), lambda: None)]
        pairs = np.concatenate(parts)
        assert score(task, model)["next_sentence_accuracy"] == pytest.approx((pairs[pairs != NO_PAIR] == always).mean())


def test_a_record_for_each_row(task, model):
    records = task.evaluate(model, task.splits["dev"], lambda: None).predictions
    assert [record["row"] for record in records] == list(range(len(task._passages(task.splits["dev"]))))
    assert all(len(record["gold"]) == len(record["predicted"]) > 0 for record in records)


class Played(Ranks):
    """One of two ranks, which notes what it exchanges and gets the same from the other."""

    def __init__(self, rank: int, log: list[str]) -> None:
        super().__init__(rank, 2)
        object.__setattr__(self, "log", log)

    def gather_numbers(self, values: Any) -> np.ndarray:
        self.log.append("gather_numbers")
        return np.array([values, values], float)

    def gather_objects(self, value: Any) -> list[Any]:
        self.log.append("gather_objects")
        return [value, value]


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_exchange_scores_only_when_all_have_come_through(folder, rank):
    """A rank that a signal stops in mid-evaluation must not answer a question that the others have not asked."""
    task = read(folder)
    model, log = started(task), []
    task.ranks = Played(rank, log)
    n_batches = iter(range(100))

    def stop() -> None:
        log.append("batch")
        if next(n_batches) == 2:
            raise Interrupted("stopped")

    with pytest.raises(RunStopped):
        task.evaluate(model, task.splits["dev"], stop)
    assert log == ["batch"] * 3 + ["gather_numbers", "gather_objects"]  # those of `raise_together`, and nothing before
    log.clear()
    task.evaluate(model, task.splits["dev"], lambda: log.append("batch"))
    assert log == ["batch"] * 3 + ["gather_numbers", "gather_objects", "gather_objects", "gather_numbers"]


def test_ranks_share_the_rows(folder):
    whole = read(folder)
    shares = []
    for rank in (0, 1):
        task = read(folder)
        task.ranks = Ranks(rank, 2)
        shares.append([batch.rows for batch in task.batches_of(1, 1)])
    for batch, first, second in zip(whole.batches_of(1, 1), *shares, strict=True):
        assert sorted(first + second) == sorted(batch.rows)


# ---- runs


def test_its_scores_and_counts_are_in_result_json(tmp_path):
    data = {
        **settings(tmp_path)["data"],
        "held_out": [{"path": str(held_out(tmp_path))}],
    }
    notes: list[str] = []
    run = train(settings(tmp_path, data=data), observe=lambda event: notes.append(getattr(event, "text", "")))
    found = run.result["data"]
    assert (found["train"]["lines"], found["train"]["dropped_lines"], found["train"]["rows"]) == (6, 1, 5)
    assert (found["dev"]["lines"], found["dev"]["dropped_lines"], found["dev"]["rows"]) == (6, 0, 6)
    assert [note for note in notes if "dropped" in note] == [
        "data.train: 1 of 6 lines dropped, which stand in data.held_out, exactly or nearly"
    ]
    assert set(run.result["dev"]) == {*Task.METRICS, "next_sentence_accuracy"}
    assert HELD_OUT not in {
        line for document in read(tmp_path, data=data).splits["train"].examples for line in document.lines
    }


def test_where_all_lines_are_held_out_the_message_says_so(tmp_path):
    source = {"path": str(FIXTURE)}
    with pytest.raises(DataError, match=r"no row can be used \(data\.train: (\d+) of \1 lines dropped"):
        read(tmp_path, data={**settings(tmp_path)["data"], "held_out": [source]})


def held_out(folder: Path) -> Path:
    path = folder / "held_out.txt"
    path.write_text(HELD_OUT + "\n", encoding="utf-8")
    return path


def test_what_is_saved_scores_the_same(finished):
    loaded = load(finished)
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    for split in ("dev", "test"):
        found = evaluate(finished, split=split)
        assert found["metrics"] == pytest.approx(result[split], rel=1e-5)
    assert Tokenizer.load(finished / "model").vocabulary == loaded.task.tokenizer.vocabulary
    assert len({*loaded.task.tokenizer.vocabulary} & {*FIXTURE.read_text(encoding="utf-8")}) > 20


def test_another_file_is_scored_in_the_layout_of_the_runs_own(finished, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("今天天气很好。\n我们去爬山。\n\n晚上下雨了。\n", encoding="utf-8")
    found = evaluate(finished, data=str(other))
    assert found["rows"] == 2  # documents parted by blank lines
    assert found["metrics"]["loss"] > 0


# ---- what is refused


CASES = {
    "a mistyped kind": ({"model": {"encoder": "erni"}}, ConfigError, r"'erni'.*did you mean 'ernie'"),
    "a kind that is not pretrained": (
        {"model": {"encoder": "lstm"}},
        ConfigError,
        "^model.encoder: 'lstm' is not pretrained; from scratch are bert, ernie",
    ),
    "a folder that is missing": ({"model": {"encoder": "./nowhere"}}, ConfigError, "no such folder"),
    "rows longer than the model takes": (
        {"training": {"max_length": 41}},
        ConfigError,
        r"^training\.max_length: 41 is more than model\.max_positions, 40$",
    ),
    "rows without room": (
        {"training": {"max_length": 3}},
        ConfigError,
        "^training.max_length: 3 leaves no room beside the special tokens$",
    ),
    "a classifier's loss": (
        {"training": {"max_length": 32, "loss": {"focal_gamma": 2.0}}},
        ConfigError,
        "^training.loss: is for classifiers",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_told_before_anything_is_written(case, tmp_path):
    sections, kind, message = CASES[case]
    with pytest.raises(kind, match=message):
        train(settings(tmp_path, **sections))
    assert not (tmp_path / "run").exists()


def test_a_source_that_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"pretrain\.tx: no such file or folder; did you mean '.*pretrain\.txt'"):
        train(settings(tmp_path, data={"train": [{"path": str(FIXTURE)[:-1]}], "dev": [{"path": str(FIXTURE)}]}))
    assert not (tmp_path / "run").exists()


def test_an_encoder_without_a_head(tmp_path, task):
    save_pretrained(task.build_model().encoder, tmp_path / "encoder")
    task.tokenizer.save(tmp_path / "encoder")
    with pytest.raises(CheckpointError, match="has no head that predicts tokens"):
        train(settings(tmp_path, model={"encoder": str(tmp_path / "encoder")}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", " \u3000"])
def test_a_row_without_text_is_bad(text):
    with pytest.raises(DataError, match="empty text"):
        Task.parser(None)(Row("a.tsv", 1, {"text": text}))
    assert Task.parser(None)(Row("a.tsv", 2, {"text": " 好\u3000"})).lines == ("好",)
