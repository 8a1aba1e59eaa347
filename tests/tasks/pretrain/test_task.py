"""Pretraining: its loss, its scores, what a run writes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks.data.batching.masked_batches import NO_PAIR, MaskedBatchBuilder
from paddle_tasks.errors import CheckpointError, ConfigError, DataError, Interrupted, RunStopped
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pretrained.saving import save_pretrained
from paddle_tasks.tasks.pretrain.passages import PassageBuilder, PassageForm
from paddle_tasks.tasks.pretrain.task import PretrainTask
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.build import build_model
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train

from ...helpers import ROOT, table

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


def read(folder: Path, **sections: dict[str, Any]) -> PretrainTask:
    task = PretrainTask(load_config(settings(folder, **sections)))
    task.read()
    return task


def started(task: PretrainTask, seed: int = 5) -> paddle.nn.Layer:
    paddle.seed(seed)
    return build_model(task, task.config.training)


def score(task: PretrainTask, model: paddle.nn.Layer, split: str = "dev") -> dict[str, float]:
    return dict(task.evaluate(model, task.splits[split], lambda: None).metrics)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def task(folder) -> PretrainTask:
    return read(folder)


@pytest.fixture(scope="module")
def model(task) -> paddle.nn.Layer:
    return started(task)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Return the folder of a finished run, which no test may change."""
    return train(settings(tmp_path_factory.mktemp("finished"))).folder


# ---- the loss


def batch_of(task: PretrainTask, rows: list[int], epoch: int = 0) -> Any:
    """Return train rows as a batch of an epoch."""
    (batch,) = task.collate_train([rows], epoch)
    return batch


def all_rows(task: PretrainTask) -> list[int]:
    return list(range(len(task.train_lengths)))


def scored_passages(task: PretrainTask, form: PassageForm = PassageForm()) -> MaskedBatchBuilder:  # noqa: B008
    """Return the passages of dev as an evaluation masks them."""
    passages = PassageBuilder(task.tokenizer, task.config).build(task.splits["dev"].examples, form)
    return MaskedBatchBuilder(passages, task.tokenizer, Masking(0.15, 1.0, 0.0), 0)


def test_a_batch_is_its_rows_one_by_one(task, model):
    model.eval()
    rows = all_rows(task)
    batch = batch_of(task, rows)
    assert batch.n_padded_tokens > batch.n_tokens
    assert {NO_PAIR} < set(batch.pairs.tolist())
    total, count = task.loss(model, batch)
    alone = [task.loss(model, batch_of(task, [row])) for row in rows]
    assert count == sum(n for _, n in alone) == len(batch.targets) > len(rows)
    assert float(total) == pytest.approx(sum(float(loss) for loss, _ in alone), rel=1e-5)
    assert np.std([float(loss) / n for loss, n in alone]) > 0.01


def by_hand(model: paddle.nn.Layer, batch: Any) -> tuple[float, float]:
    """Return the summed loss of hidden tokens, and of pairs, each counted as often as its row has hidden tokens."""
    tokens, pairs = (logits.numpy().astype(np.float64) for logits in model.forward_both(*batch.inputs))

    def loss(logits: np.ndarray, target: int) -> float:
        return float(np.log(np.exp(logits).sum()) - logits[target])

    hidden = np.bincount(batch.positions[:, 0], minlength=len(batch.rows))
    labelled = [(row, pair) for row, pair in enumerate(batch.pairs) if pair != NO_PAIR]
    assert 0 < len(labelled) < len(batch.rows)
    return (
        sum(map(loss, tokens, batch.targets)),
        sum(hidden[row] * loss(pairs[row], pair) for row, pair in labelled),
    )


def test_the_loss_is_that_of_tokens_and_pairs(task, model):
    model.eval()
    batch = batch_of(task, all_rows(task))
    tokens, pairs = by_hand(model, batch)
    assert float(task.loss(model, batch)[0]) == pytest.approx(tokens + pairs, rel=1e-5)
    assert pairs > 0.01 * tokens


def test_without_pairs_the_loss_is_that_of_tokens(folder):
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
    batch = batch_of(task, all_rows(task))
    tokens, pairs = by_hand(model, batch)
    states, _ = model.encoder(*map(paddle.to_tensor, (batch.input_ids, batch.token_type_ids, batch.lengths)))
    known = batch.words >= 0
    form = PassageForm(pairs=True, vectors=True)
    passages = PassageBuilder(task.tokenizer, task.config).build(task.splits["train"].examples, form)
    vectors = passages.words.vectors[batch.words[known]].astype(np.float64)
    halves = states.numpy()[known][:, : vectors.shape[1]].astype(np.float64)
    cosines = (halves * vectors).sum(axis=1) / np.linalg.norm(halves, axis=1)
    assert vectors.shape[1] == 8  # half of the width
    assert known.sum() > len(batch.targets)
    expected = tokens + pairs + 0.7 * (1 - cosines).sum()
    assert float(task.loss(model, batch)[0]) == pytest.approx(expected, rel=1e-5)


def test_word_vectors_need_the_width_of_the_model_to_continue(folder, finished):
    start = {"encoder": str(finished / "model"), "hidden_size": 32, "word_vectors": 1.0}
    with pytest.raises(ConfigError, match=r"model\.hidden_size: 32 is not the 16 of "):
        started(read(folder, model=start))
    assert started(read(folder, model={**start, "hidden_size": 16}))


def test_accumulation_gives_the_gradients_of_a_large_batch(task):
    gradients = []
    for groups in ([[0, 1, 2, 3]], [[0, 1], [2, 3]], [[0], [1], [2], [3]]):
        model = started(task)
        for rows in groups:
            task.loss(model, batch_of(task, rows))[0].backward()
        gradients.append({name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None})
    for other in gradients[1:]:
        assert other.keys() == gradients[0].keys()
        for name, gradient in gradients[0].items():
            np.testing.assert_allclose(other[name], gradient, rtol=0, atol=1e-5 * max(1, np.abs(gradient).max()))


# ---- scores


def test_scores_do_not_depend_on_the_masking_in_training(task, folder):
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


def test_scores_are_those_computed_row_by_row(task, model):
    """With the logarithm written out; to an untrained model all entries are about equally probable."""
    model.eval()
    batches = scored_passages(task)
    losses, right = [], []
    for row in range(len(batches.passages)):
        batch = batches.build([row], 0)
        logits = model(*batch.inputs).numpy().astype(np.float64)
        losses += list(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), batch.targets])
        right += list(logits.argmax(axis=1) == batch.targets)
    metrics = score(task, model)
    assert metrics["loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    assert metrics["accuracy"] == pytest.approx(np.mean(right))
    assert metrics["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-5)
    assert metrics["loss"] == pytest.approx(np.log(len(task.tokenizer)), rel=0.2)


def test_pairs_are_classified_by_their_head(task):
    model, batches = started(task), scored_passages(task, PassageForm(pairs=True))
    pairs = batches.build(range(len(batches.passages)), 0).pairs
    for always in (0, 1):
        model.cls.seq_relationship.bias.set_value(np.array([100.0, -100.0] if always == 0 else [-100.0, 100.0], "f4"))
        assert score(task, model)["next_sentence_accuracy"] == pytest.approx((pairs[pairs != NO_PAIR] == always).mean())


def test_a_record_for_each_row(task, model):
    records = task.evaluate(model, task.splits["dev"], lambda: None).predictions
    assert [record["row"] for record in records] == list(range(len(task.dataset(task.splits["dev"].examples))))
    assert all(len(record["gold"]) == len(record["predicted"]) > 0 for record in records)


class EchoingRanks(Ranks):
    """One of two ranks: it logs what it exchanges, and the other sends the same."""

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
def test_ranks_exchange_scores_only_if_none_was_stopped(folder, rank):
    """A rank that a signal stops in an evaluation must not exchange what the others do not wait for."""
    task = read(folder)
    model, log = started(task), []
    task.ranks = EchoingRanks(rank, log)
    n_batches = iter(range(100))

    def stop() -> None:
        log.append("batch")
        if next(n_batches) == 2:
            raise Interrupted("stopped")

    with pytest.raises(RunStopped):
        task.evaluate(model, task.splits["dev"], stop)
    assert log == ["batch"] * 3 + ["gather_numbers", "gather_objects"]  # only those of `raise_together`
    log.clear()
    task.evaluate(model, task.splits["dev"], lambda: log.append("batch"))
    assert log == ["batch"] * 3 + ["gather_numbers", "gather_objects", "gather_objects", "gather_numbers"]


# ---- runs


def test_scores_and_counts_are_in_result_json(tmp_path):
    data = {
        **settings(tmp_path)["data"],
        "held_out": [{"path": str(held_out(tmp_path))}],
    }
    notes: list[str] = []
    run = train(settings(tmp_path, data=data), observe=lambda event: notes.append(getattr(event, "text", "")))
    counts = {
        name: [facts[key] for key in ("lines", "dropped_lines", "rows")] for name, facts in run.result["data"].items()
    }
    assert (counts["train"], counts["dev"]) == ([6, 1, 5], [6, 0, 6])
    lines = [line for note in notes for line in note.splitlines() if "data.held_out" in line]
    assert lines == ["remark: data.train: 1 of 6 lines dropped, because they occur in data.held_out, exactly or nearly"]
    assert set(run.result["dev"]) == {*PretrainTask.METRICS, "next_sentence_accuracy"}
    assert HELD_OUT not in {
        line for document in read(tmp_path, data=data).splits["train"].examples for line in document.lines
    }


def test_a_split_whose_lines_are_all_held_out_is_refused(tmp_path):
    source = {"path": str(FIXTURE)}
    with pytest.raises(DataError, match=r"no row can be used \(data\.train: (\d+) of \1 lines dropped"):
        read(tmp_path, data={**settings(tmp_path)["data"], "held_out": [source]})


def held_out(folder: Path) -> Path:
    path = folder / "held_out.txt"
    path.write_text(HELD_OUT + "\n", encoding="utf-8")
    return path


def test_a_finished_run_scores_the_same_again(finished):
    loaded = load(finished)
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    for split in ("dev", "test"):
        assert evaluate(finished, split=split)["metrics"] == pytest.approx(result[split], rel=1e-5)
    assert Tokenizer.load(finished / "model").vocabulary == loaded.task.tokenizer.vocabulary
    assert len({*loaded.task.tokenizer.vocabulary} & {*FIXTURE.read_text(encoding="utf-8")}) > 20


def test_another_file_is_scored_in_the_layout_of_the_run(finished, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("今天天气很好。\n我们去爬山。\n\n晚上下雨了。\n", encoding="utf-8")
    report = evaluate(finished, data=str(other))
    assert report["rows"] == 2  # documents with a blank line between them
    assert report["metrics"]["loss"] > 0


# ---- what is refused


CASES = {
    "a mistyped kind": ({"model": {"encoder": "erni"}}, ConfigError, r"'erni'.*did you mean 'ernie'"),
    "a kind that is not pretrained": (
        {"model": {"encoder": "lstm"}},
        ConfigError,
        "^model.encoder: 'lstm' cannot be pretrained; bert and ernie can be, from scratch$",
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
        "^training.max_length: 3 leaves no room besides the special tokens$",
    ),
    "a classifier's loss": (
        {"training": {"max_length": 32, "loss": {"focal_gamma": 2.0}}},
        ConfigError,
        r"\n  training\.loss: unknown key$",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_mistakes_are_reported_before_anything_is_written(case, tmp_path):
    sections, kind, message = CASES[case]
    with pytest.raises(kind, match=message):
        train(settings(tmp_path, **sections))
    assert not (tmp_path / "run").exists()


def test_a_missing_source_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"pretrain\.tx: no such file or folder; did you mean '.*pretrain\.txt'"):
        train(settings(tmp_path, data={"train": [{"path": str(FIXTURE)[:-1]}], "dev": [{"path": str(FIXTURE)}]}))
    assert not (tmp_path / "run").exists()


def test_an_encoder_without_a_head_is_refused(tmp_path, task):
    save_pretrained(task.build_model().encoder, tmp_path / "encoder")
    task.tokenizer.save(tmp_path / "encoder")
    with pytest.raises(CheckpointError, match="has no head that predicts tokens"):
        train(settings(tmp_path, model={"encoder": str(tmp_path / "encoder")}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", " \u3000"])
def test_a_row_without_text_is_skipped(tmp_path, text):
    path = table(tmp_path / "a.tsv", ("text",), (" 好\u3000",), (text,), ("很好",))
    source = [{"path": str(path), "columns": ["text"]}]
    train = read(tmp_path, data={**settings(tmp_path)["data"], "train": source}).splits["train"]
    assert [document.lines for document in train.examples] == [("好",), ("很好",)]
    assert not train.bad_rows
