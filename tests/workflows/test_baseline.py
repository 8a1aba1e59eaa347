"""A baseline: the scores of a plain scikit-learn script, the folder that it writes, and what it must not do."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.svm import LinearSVC

from paddle_tasks.config import read
from paddle_tasks.data.tables.catalogue import locate
from paddle_tasks.errors import CheckpointError, DataError, UserError
from paddle_tasks.files import sha256
from paddle_tasks.inference.pipelines import load
from paddle_tasks.tasks import encoder as encoder_tasks
from paddle_tasks.tasks.classification import rows as classification_rows
from paddle_tasks.tasks.classification import task as classification
from paddle_tasks.tasks.classification.baseline import TfidfBaseline
from paddle_tasks.tasks.classification.data import SINGLE_TEXT, LabelledData
from paddle_tasks.tasks.classification.decision import MostProbable
from paddle_tasks.tasks.classification.tfidf import Classifier
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.words import jieba_tokenizer
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.train import train
from tests.training.reading import metrics_points, visualdl_points

from ..helpers import CHNSENTICORP, ROOT, needs_chnsenticorp, table
from ..tasks.conftest import CLASSIFIERS, fixture_of, quick_config, sources
from .folders import folder_state, read_jsonl

QUICK = ROOT / "configs/quick/sentiment.yaml"
SCORES = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss")
Rows = list[tuple[str, str]]


def rows_of(path: Path) -> Rows:
    """Return (label, text) of each row of a table with a header: the first and the last column."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row[0], row[-1]) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][1:]


def jieba_words(text: str) -> list[str]:
    return [word for word in jieba_tokenizer().lcut(text) if word.strip()]


def predict_with_scikit_learn(train: Rows, test: Rows, features: str, classifier: str) -> list[str]:
    """Return the predictions of a plain script."""
    by_word = {"tokenizer": jieba_words, "token_pattern": None}
    vectors = TfidfVectorizer(
        analyzer=features,
        ngram_range=(1, 3) if features == "char" else (1, 2),
        min_df=2,
        sublinear_tf=True,
        **(by_word if features == "word" else {}),
    )
    train_vectors = vectors.fit_transform([text for _, text in train])
    model = LinearSVC(C=0.5) if classifier == "svm" else LogisticRegression(C=10, max_iter=1_000)
    model.fit(train_vectors, [label for label, _ in train])
    return list(model.predict(vectors.transform([text for _, text in test])))


@pytest.fixture(scope="module")
def done(config) -> Path:
    """Return the folder of a finished baseline, which no test may change."""
    return baseline(config).folder


@pytest.fixture
def fresh_config(small_config, tmp_path) -> dict[str, Any]:
    return small_config(tmp_path, logging={"visualdl": False})


# ---- the scores


@pytest.mark.parametrize("classifier", ["svm", pytest.param("logistic", marks=pytest.mark.long)])
@pytest.mark.parametrize("features", ["char", pytest.param("word", marks=pytest.mark.long)])
def test_the_samples_are_predicted_as_by_a_plain_script(tmp_path, features, classifier):
    rows = {name: rows_of(locate("builtin/sentiment", name)) for name in ("train", "dev", "test")}
    options = {"features": features, "classifier": classifier}
    run = baseline(QUICK, options=options, run_dir=tmp_path / "run")
    assert run.result["model"]["encoder"] == f"tfidf-{features}-{classifier}"
    for split in ("dev", "test"):
        gold = [label for label, _ in rows[split]]
        expected = predict_with_scikit_learn(rows["train"], rows[split], features, classifier)
        records = read_jsonl(run.folder / f"predictions/{split}.jsonl")
        assert [record["predicted"] for record in records] == expected
        assert [(record["gold"], record["text"]) for record in records] == rows[split]
        assert run.result[split]["accuracy"] == accuracy_score(gold, expected)
        assert run.result[split]["macro_f1"] == pytest.approx(f1_score(gold, expected, average="macro"))
        assert run.result[split]["f1"] == pytest.approx(f1_score(gold, expected, pos_label="positive"))
        assert 0.75 < run.result[split]["accuracy"] < 0.95


def test_several_labels_in_a_given_order_and_scores_without_leaked_texts(tmp_path):
    train_rows = [("体育", "球队赢了"), ("财经", "股票涨了"), ("娱乐", "歌手唱了"), ("体育", "球员赢了")]
    train_rows += [("财经", "股市涨了"), ("娱乐", "歌星唱了"), ("体育", "股票涨了")]
    test_rows = [
        ("财经", "股票涨了"),
        ("娱乐", "歌手赢了"),
        ("财经", "股市跌了"),
        ("体育", "球队唱了"),
        ("体育", "球星"),
    ]
    paths = [table(tmp_path / f"{n}.tsv", ("label", "text"), *rows) for n, rows in enumerate((train_rows, test_rows))]
    data = {"data.train": paths[0], "data.dev": paths[1], "data.test": None, "data.labels": ["财经", "体育", "娱乐"]}
    run = baseline(QUICK, run_dir=tmp_path / "run", **data)
    expected = predict_with_scikit_learn(train_rows, test_rows, "char", "svm")
    records = read_jsonl(run.folder / "predictions/dev.jsonl")
    assert [record["predicted"] for record in records] == expected
    assert list(records[0]["probabilities"]) == ["财经", "体育", "娱乐"]
    hits = [label == predicted for (label, _), predicted in zip(test_rows, expected, strict=True)]
    assert 0 < sum(hits) < len(hits)
    assert run.result["dev"]["accuracy"] == np.mean(hits)
    assert run.result["dev"]["accuracy_deduplicated"] == np.mean(hits[1:])
    assert "test" not in run.result


@needs_chnsenticorp
def test_chnsenticorp_has_its_published_score(tmp_path):
    """The published accuracy of these features is 0.9267 on test."""
    data = {f"data.{name}": CHNSENTICORP / f"{name}.tsv" for name in ("train", "dev", "test")}
    result = baseline(QUICK, run_dir=tmp_path / "run", **data).result
    assert result["test"]["accuracy"] == pytest.approx(0.9267, abs=0.0009)
    assert result["test"]["accuracy_deduplicated"] == pytest.approx(0.9102, abs=0.002)


def test_predictions_can_be_checked_by_hand(done):
    for split in ("dev", "test"):
        for record in read_jsonl(done / f"predictions/{split}.jsonl"):
            probabilities = record["probabilities"]
            assert sum(probabilities.values()) == pytest.approx(1)
            assert record["predicted"] == max(probabilities, key=probabilities.get)
            assert record["loss"] == pytest.approx(-math.log(probabilities[record["gold"]]))


def test_rows_of_a_label_that_is_not_in_train_count_as_errors(tmp_path):
    known = table(tmp_path / "a.tsv", ("label", "text"), ("好", "很好"), ("差", "很差"), ("好", "好的"), ("差", "差的"))
    other = table(tmp_path / "b.tsv", ("label", "text"), ("中", "很中"), ("好", "很好的"))
    data = {"data.train": known, "data.dev": other, "data.test": None, "data.labels": ["中", "差", "好"]}
    result = baseline(QUICK, run_dir=tmp_path / "run", **data).result
    assert result["dev"]["accuracy"] == 0.5
    assert 30 < result["dev"]["loss"] < math.inf


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.long
def test_every_classifier_has_a_baseline_that_learns_its_train_rows(tmp_path, name):
    data = {**sources(fixture_of(name)), "data.test": sources(fixture_of(name))["data.train"]}
    run = baseline(quick_config(name), options={"c": 100.0, "min_df": 1}, run_dir=tmp_path / "run", **data)
    assert run.result["task"] == name
    for split in ("dev", "test"):
        assert run.result[split]["accuracy"] == 1
        assert len(read_jsonl(run.folder / f"predictions/{split}.jsonl")) == run.result["data"][split]["rows"]


def test_pairs_of_texts_have_features_of_both(fresh_config, tmp_path, monkeypatch):
    single = baseline(fresh_config).result["model"]["parameters"]
    halves = replace(SINGLE_TEXT, texts=lambda example: (example.text[:4], example.text[4:] or "。"))
    monkeypatch.setattr(SentimentTask, "BASELINE", TfidfBaseline(halves, MostProbable))
    result = baseline(fresh_config, run_dir=tmp_path / "pairs").result
    assert result["model"]["parameters"] % 2 == 0  # two for each n-gram, the cosine, the bias
    assert result["model"]["parameters"] > single


# ---- what a run writes


def test_the_folder_of_a_run(done):
    names = {"config.yaml", "metrics.jsonl", "predictions", "result.json", "vdl"}
    assert {path.name for path in done.iterdir()} - {".lock"} == names
    assert {path.name for path in (done / "predictions").iterdir()} == {"dev.jsonl", "test.jsonl", "errors.jsonl"}
    assert not [path for path in done.rglob(".*") if path.name != ".lock"], "nothing temporary is left"


def test_result_json(done, config):
    result = json.loads((done / "result.json").read_text(encoding="utf-8"))
    assert list(result) == ["schema", "task", "status", "seed", "model", "data", "dev", "test", "train", "environment"]
    assert (result["schema"], result["task"], result["status"], result["seed"]) == (1, "sentiment", "finished", 1)
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2)
    n_features = vectors.fit_transform([text for _, text in rows_of(Path(config["data"]["train"]))]).shape[1]
    assert result["model"] == {"encoder": "tfidf-char-svm", "parameters": n_features + 1}
    for split, rows in (("train", 22), ("dev", 10), ("test", 9)):
        path = Path(config["data"][split])
        assert result["data"][split] == {"path": str(path), "rows": rows, "sha256": sha256(path), "skipped_rows": 0}
    assert {"epochs", "optimizer_steps", "tokens", "tokens_per_second"} <= result["train"].keys()
    assert (result["train"]["tokens"], result["train"]["seconds"] > 0) == (None, True)
    assert {"scikit-learn", "jieba", "numpy"} <= result["environment"]["versions"].keys()


def test_errors_with_the_highest_loss_come_first(done):
    errors = read_jsonl(done / "predictions/errors.jsonl")
    wrong = [
        {"split": split, **record}
        for split in ("dev", "test")
        for record in read_jsonl(done / f"predictions/{split}.jsonl")
        if record["predicted"] != record["gold"]
    ]
    assert errors
    assert errors == sorted(wrong, key=lambda record: -record["loss"])


def test_metrics_jsonl_and_visualdl_have_one_point_of_each_score(done):
    result = json.loads((done / "result.json").read_text(encoding="utf-8"))
    records = read_metrics(done / "metrics.jsonl")
    expected = {f"{split}/{name}": result[split][name] for split in ("dev", "test") for name in SCORES}
    for split in ("dev", "test"):
        expected |= {f"{split}/f1/{label}": scores["f1"] for label, scores in result[split]["per_label"].items()}
    assert {record["tag"]: record["value"] for record in records} == expected
    assert len(records) == len(expected)
    assert visualdl_points(done / "vdl") == metrics_points(done / "metrics.jsonl")


@pytest.mark.long
def test_config_yaml_again_reproduces_the_run(tmp_path):
    options = {"features": "word", "classifier": "logistic", "c": 2.0, "ngrams": (1, 1), "min_df": 3}
    run = baseline(QUICK, options=options, run_dir=tmp_path / "run", seed=5)
    again = baseline(run.folder / "config.yaml", run_dir=tmp_path / "again")
    assert again.result["model"] == run.result["model"]
    for file in sorted((run.folder / "predictions").iterdir()):
        assert file.read_bytes() == (again.folder / "predictions" / file.name).read_bytes()
    assert read(again.folder / "config.yaml") == {**read(run.folder / "config.yaml"), "run_dir": str(again.folder)}
    before = folder_state(run.folder)
    assert baseline(run.folder / "config.yaml").folder == run.folder
    assert folder_state(run.folder) == before


@pytest.mark.parametrize(
    ("changes", "options", "error", "message"),
    [
        ({"data.dev": "missing.tsv"}, {}, DataError, r"data\.dev: missing\.tsv: no such file"),
        ({}, {"min_df": 99}, DataError, "occurs in 99 texts or more"),
        ({"data.labels": ["positive", "neutral"]}, {}, DataError, "unknown label 'negative'"),
    ],
)
def test_nothing_is_written_when_something_cannot_be_used(fresh_config, tmp_path, changes, options, error, message):
    with pytest.raises(error, match=message):
        baseline(fresh_config, options=options, **changes)
    assert list(tmp_path.iterdir()) == []


def test_train_data_of_one_label(fresh_config, tmp_path):
    path = table(tmp_path / "a.tsv", ("label", "text"), ("positive", "很好"), ("positive", "好的"))
    with pytest.raises(DataError, match=r"a\.tsv: every row has the label 'positive'; expected two"):
        baseline(fresh_config, **{"data.train": path, "data.labels": ["negative", "positive"]})


def test_a_baseline_builds_no_encoder_and_no_vocabulary_and_downloads_nothing(fresh_config, monkeypatch):
    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError

    for name in ("resolve", "build_encoder", "load_pretrained"):
        monkeypatch.setattr(encoder_tasks, name, never)
    for name in ("learn_tokenizer", "cached_encodings"):
        monkeypatch.setattr(classification_rows, name, never)
    monkeypatch.setattr(classification, "build_loss", never)
    monkeypatch.setattr(Tokenizer, "load", never)
    for encoder in ("bert-base-chinese", "bilstm", "a-name-that-is-nowhere"):
        run = baseline(fresh_config, **{"model.encoder": encoder})
    assert run.result["model"]["encoder"] == "tfidf-char-svm"
    with pytest.raises(AssertionError):  # the negative control: training calls these functions
        train(fresh_config)


# ---- a folder that exists already


def test_a_finished_run_is_left_unchanged(done, config):
    before, notes = folder_state(done), []
    run = baseline(config, observe=notes.append)
    assert folder_state(done) == before
    assert run.result == json.loads((done / "result.json").read_text(encoding="utf-8"))
    assert ["is finished already; nothing to do" in note.text for note in notes] == [True]


def test_other_settings_are_refused_with_the_differences(done, config):
    before = folder_state(done)
    with pytest.raises(CheckpointError, match="another configuration") as caught:
        baseline({**config, "seed": 9}, options={"features": "word", "c": 0.25})
    assert str(caught.value).splitlines()[1:-1] == [
        "  seed: 1 -> 9",
        "  model.encoder: 'tfidf-char-svm' -> 'tfidf-word-svm'",
        "  model.ngrams: [1, 3] -> [1, 2]",
        "  model.c: 0.5 -> 0.25",
    ]
    assert folder_state(done) == before


def test_fresh_moves_the_older_run_aside(fresh_config, tmp_path):
    notes: list[str] = []
    folder = baseline(fresh_config).folder
    before = folder_state(folder / "predictions")
    again = baseline(fresh_config, fresh=True, options={"c": 9.0}, observe=lambda note: notes.append(note.text))
    assert again.folder == folder == tmp_path / "run-baseline"
    assert [content for _, content in folder_state(tmp_path / "run-baseline.1/predictions").values()] == [
        content for _, content in before.values()
    ]
    assert notes[-1] == f"the older run is now {tmp_path / 'run-baseline.1'}"
    assert read(folder / "config.yaml")["model"]["c"] == 9.0


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_no_run_is_refused_before_anything_is_read(fresh_config, tmp_path, fresh, monkeypatch):
    (tmp_path / "run-baseline").mkdir()
    (tmp_path / "run-baseline/thesis.txt").write_text("three years of work")
    before = folder_state(tmp_path)
    monkeypatch.setattr(LabelledData, "read", lambda self: pytest.fail("read"))
    with pytest.raises(CheckpointError, match="is not a run folder"):
        baseline(fresh_config, fresh=fresh)
    assert folder_state(tmp_path) == before


def test_baseline_refuses_the_folder_of_a_training_run_and_train_that_of_a_baseline(finished, config, done):
    for run, folder in ((baseline, finished), (train, done)):
        before = folder_state(folder)
        with pytest.raises(CheckpointError, match=r"holds a run of another kind(.|\n)*unknown key"):
            run(config, run_dir=folder)
        assert folder_state(folder) == before


def test_a_second_process_in_the_same_folder_is_refused(fresh_config, tmp_path):
    baseline(fresh_config)
    (tmp_path / "run-baseline/result.json").unlink()
    with RunFolder(tmp_path / "run-baseline").locked(), pytest.raises(CheckpointError, match="another process"):
        baseline(fresh_config)
    assert baseline(fresh_config).result["status"] == "finished"


def test_another_run_is_refused_from_the_start_of_fitting(fresh_config, tmp_path, monkeypatch):
    fit = Classifier.fit

    def fit_late(self: Classifier, *arguments: Any) -> bool:
        monkeypatch.setattr(Classifier, "fit", fit)
        with pytest.raises(CheckpointError, match="another process"):
            baseline(fresh_config, options={"c": 2.0})
        return fit(self, *arguments)

    monkeypatch.setattr(Classifier, "fit", fit_late)
    assert baseline(fresh_config).result["status"] == "finished"
    assert read(tmp_path / "run-baseline/config.yaml")["model"]["c"] == 0.5


def test_a_baseline_cannot_be_loaded_as_a_model(done):
    with pytest.raises(UserError, match=r"holds a baseline, which keeps no model; its predictions are in .*predi"):
        load(done)
