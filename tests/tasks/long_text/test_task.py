"""Long texts: truncation, limits of batches with windows, a frozen encoder, many classes."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.errors import ConfigError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.inference.usage import usage_of
from paddle_tasks.models.encoders.textcnn import TextCNN
from paddle_tasks.tasks.classification.frozen import has_fixed_vectors
from paddle_tasks.tasks.classification.loss import build_loss
from paddle_tasks.training.optimizer import freeze
from paddle_tasks.workflows.train import train

from ...helpers import DATA, table
from ..conftest import fixture_of, quick_config, read_task, sources

FIXTURE = fixture_of("long_text")
TEXT = "一二三四五六七八九十" * 3


def kept_tokens(truncation: str, *overrides: str) -> list[str]:
    """Return the tokens that the model reads of a text of 30 characters, ten in a window."""
    task = read_task(
        "long_text",
        FIXTURE,
        f"data.truncation={truncation}",
        "training.max_length=12",
        "data.window_overlap=2",
        *overrides,
    )
    entries = {task.tokenizer.unk_id: "?", task.tokenizer.cls_id: "<", task.tokenizer.sep_id: ">"}
    (row,) = task.dataset([type(task.splits["train"].examples[0])(TEXT, "7", "x")]).new_data
    return "".join(entries.get(int(token), task.tokenizer.vocabulary[token]) for token in row["input_ids"])


def test_the_features_hold_the_truncated_text():
    whole = kept_tokens("head", "training.max_length=64").strip("<>")
    assert len(whole) == len(TEXT)
    assert kept_tokens("head") == f"<{whole[:10]}>"
    assert kept_tokens("tail") == f"<{whole[20:]}>"
    assert kept_tokens("head_tail") == f"<{whole[:2]}{whole[22:]}>"
    assert kept_tokens("windows") == f"<{whole[:10]}><{whole[8:18]}><{whole[16:26]}><{whole[24:]}>"
    assert kept_tokens("windows", "data.max_windows=2") == f"<{whole[:10]}><{whole[8:18]}>"


def test_an_overlap_as_long_as_a_window_is_refused():
    with pytest.raises(ConfigError, match=r"data\.window_overlap: 10 is not less than the 10 tokens of a window"):
        read_task("long_text", FIXTURE, "training.max_length=12", "data.window_overlap=10")
    read_task("long_text", FIXTURE, "training.max_length=12", "data.window_overlap=10", "data.truncation=head")


@pytest.mark.parametrize(("max_tokens", "limit"), [("null", 4 * 20), ("60", 60)])
def test_batches_of_windows_have_a_token_limit(max_tokens, limit):
    settings = [f"training.max_tokens_per_batch={max_tokens}", "training.batch_size=4", "evaluation.batch_size=3"]
    task = read_task("long_text", FIXTURE, "training.max_length=20", *settings)
    assert max(task.train_lengths) > 20
    batches = list(task.train_batches(0, 0))
    assert all(batch.n_padded_tokens <= limit or len(batch.rows) == 1 for batch in batches)
    assert max(len(batch.rows) for batch in batches) > 1
    dataset = task.dataset(task.splits["train"].examples)
    scored = list(task.batches_by_length(dataset))
    assert all(batch.n_padded_tokens <= 3 * 20 or len(batch.rows) == 1 for batch in scored)
    assert sorted(row for batch in scored for row in batch.rows) == list(range(len(task.splits["train"].examples)))


@pytest.mark.parametrize(
    ("truncation", "max_tokens", "in_training", "in_scoring"),
    [
        ("windows", "null", 4 * 20, 3 * 20),
        ("windows", "50", 50, 3 * 20),
        ("windows", "500", 500, 3 * 20),
        ("head", "null", None, None),
        ("head", "50", 50, None),
    ],
)
def test_the_token_limit_is_set_or_follows_from_the_windows(
    monkeypatch, truncation, max_tokens, in_training, in_scoring
):
    limits = []
    initialise = LengthGroupedBatchSampler.__init__

    def noted(sampler, lengths, batch_size, seed=None, max_tokens=None):
        limits.append((batch_size, max_tokens))
        initialise(sampler, lengths, batch_size, seed, max_tokens)

    monkeypatch.setattr(LengthGroupedBatchSampler, "__init__", noted)
    sizes = ["training.max_length=20", "training.batch_size=4", "evaluation.batch_size=3"]
    settings = [f"data.truncation={truncation}", f"training.max_tokens_per_batch={max_tokens}"]
    task = read_task("long_text", FIXTURE, *sizes, *settings)
    next(task.train_batches(0, 0))
    next(task.batches_by_length(task.dataset(task.splits["train"].examples)))
    assert limits == [(4, in_training), (3, in_scoring)]


def test_the_last_window_changes_the_prediction(predictor_of_windows):
    short, long = "贷款计算器" * 20, "贷款计算器" * 20 + "背单词口语听力"
    first, second = predictor_of_windows([short, long])
    assert abs(np.subtract(*(list(record["probabilities"].values()) for record in (first, second)))).max() > 1e-4


@pytest.fixture(scope="module")
def predictor_of_windows(tmp_path_factory):
    changes = {"training.epochs": 5, "logging.visualdl": False, **sources(FIXTURE)}
    run = train(quick_config("long_text"), run_dir=tmp_path_factory.mktemp("windows") / "run", **changes)
    assert usage_of(run.folder).options == ()
    return load(run.folder)


# ---- a frozen encoder below a trained pooler and head


def frozen_run(folder, *, cached: bool):
    settings = {"training.freeze": ["encoder.*"], "training.cache_frozen": cached, "training.epochs": 4}
    model = {"model.dropout": 0.0, "logging.every_steps": 1, "logging.visualdl": False}
    return train(quick_config("long_text"), run_dir=folder, **{**sources(FIXTURE), **settings, **model})


def losses(run) -> list[float]:
    records = map(json.loads, (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [record["value"] for record in records if record["tag"] == "train/loss"]


def test_states_below_the_pooler_are_computed_once(tmp_path, monkeypatch):
    calls: list[int] = []
    forward = TextCNN.forward
    monkeypatch.setattr(
        TextCNN, "forward", lambda self, ids, *rest: calls.append(len(ids)) or forward(self, ids, *rest)
    )
    cached = frozen_run(tmp_path / "cached", cached=True)
    n_cached = len(calls)
    computed = frozen_run(tmp_path / "computed", cached=False)
    assert len(calls) - n_cached > 3 * n_cached
    np.testing.assert_allclose(losses(cached), losses(computed), rtol=1e-4)
    assert losses(cached)[-1] < losses(cached)[0]


@pytest.mark.parametrize("encoder", ["bert", "textcnn"])
def test_the_pooler_and_the_head_are_trained(encoder):
    sizes = ["model.hidden_size=8", "model.n_heads=2", "model.pooling=cls"]
    task = read_task("long_text", FIXTURE, f"model.encoder={encoder}", *sizes)
    model = task.build_model()
    assert not has_fixed_vectors(model)
    freeze(model, ["encoder.*"])
    assert has_fixed_vectors(model)
    trained = [name for name, parameter in model.named_parameters() if not parameter.stop_gradient]
    assert {name.rpartition(".")[0] for name in trained} == {"head.pooler", "head.hidden", "head.output"}
    loss, _ = task.loss(model, next(task.train_batches(0, 0)))
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters() if not parameter.stop_gradient)


# ---- many classes


def test_119_classes_and_a_weight_for_each(tmp_path):
    rows = [(f"文字{label:03}号" * (1 + label % 3), str(label)) for label in range(119)]
    path = table(tmp_path / "a.tsv", ("text", "label"), *rows, *rows[:60])
    task = read_task("long_text", path, "training.loss.class_weights=balanced")
    assert task.labels == tuple(map(str, range(119)))
    weights = np.array(build_loss(task.config.training.loss, task.labels, task.splits["train"].examples).class_weights)
    assert weights[:60] == pytest.approx(179 / 119 / 2)
    assert weights[60:] == pytest.approx(179 / 119)
    paddle.seed(1)
    assert task.build_model().head.output.weight.shape == [200, 119]
    with pytest.raises(ConfigError, match=r"a number for each of the 119 labels 0, 1, .*, 9, …, 118, found 2"):
        read_task("long_text", path, "training.loss.class_weights=[1, 2]")


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "clue").is_dir(), reason=f"no CLUE data in {DATA}")
def test_iflytek_is_read_with_the_publishers_ids():
    task = read_task("long_text", DATA / "clue" / "iflytek" / "train_few_all.json", "data.truncation=head")
    assert task.labels == tuple(map(str, range(119)))
    assert len(task.splits["train"].examples) == 3024
