"""A baseline's run: the scores of a plain scikit-learn script, the folder of a run, and what it must not do."""

from __future__ import annotations

import csv
import json
import math
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
from paddle_tasks.errors import CheckpointError, ConfigError, DataError, UserError
from paddle_tasks.files import sha256
from paddle_tasks.inference.pipelines import load
from paddle_tasks.tasks.classification import task as _classification
from paddle_tasks.tasks.classification.tfidf import Classifier
from paddle_tasks.tasks.sentiment.task import Task
from paddle_tasks.text.words import _jieba
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.baseline import Options, baseline, load_config
from paddle_tasks.workflows.run_folder import RunFolder
from paddle_tasks.workflows.train import train
from tests.training.reading import metrics_points, visualdl_points

from ..helpers import CHNSENTICORP, ROOT, needs_chnsenticorp, table
from ..tasks.conftest import CLASSIFIERS, fixture_of, quick_config, sources

QUICK, PRETRAIN = ROOT / "configs/quick/sentiment.yaml", ROOT / "configs/quick/pretrain.yaml"
SCORES = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss")
Rows = list[tuple[str, str]]


def rows_of(path: Path) -> Rows:
    """Return (label, text) of the rows of a table with a header, whose first and last column they are."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row[0], row[-1]) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][1:]


def by_scikit_learn(train: Rows, test: Rows, features: str, classifier: str) -> list[str]:
    """Return what a plain script predicts."""
    by_word = {"tokenizer": lambda text: [word for word in _jieba().lcut(text) if word.strip()], "token_pattern": None}
    vectors = TfidfVectorizer(
        analyzer=features,
        ngram_range=(1, 3) if features == "char" else (1, 2),
        min_df=2,
        sublinear_tf=True,
        **(by_word if features == "word" else {}),
    )
    known = vectors.fit_transform([text for _, text in train])
    model = LinearSVC(C=0.5) if classifier == "svm" else LogisticRegression(C=10, max_iter=1_000)
    model.fit(known, [label for label, _ in train])
    return list(model.predict(vectors.transform([text for _, text in test])))


def jsonl(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return time of change and content of everything in a folder, the folders' times too."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *sorted(folder.rglob("*"))]
    }


@pytest.fixture(scope="module")
def done(config) -> Path:
    """Return the folder of a finished baseline, which no test may change."""
    return baseline(config).folder


@pytest.fixture
def fresh_config(small_config, tmp_path) -> dict[str, Any]:
    return small_config(tmp_path, logging={"visualdl": False})


# ---- the scores


@pytest.mark.parametrize("classifier", ["svm", "logistic"])
@pytest.mark.parametrize("features", ["char", "word"])
def test_the_samples_score_as_by_a_plain_script(tmp_path, features, classifier):
    rows = {name: rows_of(locate("builtin/sentiment", name)) for name in ("train", "dev", "test")}
    run = baseline(QUICK, options=Options(features, classifier), run_dir=tmp_path / "run")
    assert run.result["model"]["encoder"] == f"tfidf-{features}-{classifier}"
    for split in ("dev", "test"):
        gold = [label for label, _ in rows[split]]
        expected = by_scikit_learn(rows["train"], rows[split], features, classifier)
        records = jsonl(run.folder / f"predictions/{split}.jsonl")
        assert [record["predicted"] for record in records] == expected
        assert [(record["gold"], record["text"]) for record in records] == rows[split]
        assert run.result[split]["accuracy"] == accuracy_score(gold, expected)
        assert run.result[split]["macro_f1"] == pytest.approx(f1_score(gold, expected, average="macro"))
        assert run.result[split]["f1"] == pytest.approx(f1_score(gold, expected, pos_label="positive"))
        assert 0.75 < run.result[split]["accuracy"] < 0.95


def test_several_labels_in_an_order_of_their_own_and_twins_without_leaks(tmp_path):
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
    expected = by_scikit_learn(train_rows, test_rows, "char", "svm")
    records = jsonl(run.folder / "predictions/dev.jsonl")
    assert [record["predicted"] for record in records] == expected
    assert list(records[0]["probabilities"]) == ["财经", "体育", "娱乐"]
    hits = [label == found for (label, _), found in zip(test_rows, expected, strict=True)]
    assert 0 < sum(hits) < len(hits)
    assert run.result["dev"]["accuracy"] == np.mean(hits)
    assert run.result["dev"]["accuracy_deduplicated"] == np.mean(hits[1:])
    assert "test" not in run.result


@needs_chnsenticorp
def test_chnsenticorp_scores_as_its_table_says(tmp_path):
    """The published figure for these very features: 0.9267 on test."""
    data = {f"data.{name}": CHNSENTICORP / f"{name}.tsv" for name in ("train", "dev", "test")}
    result = baseline(QUICK, run_dir=tmp_path / "run", **data).result
    assert result["test"]["accuracy"] == pytest.approx(0.9267, abs=0.0009)
    assert result["test"]["accuracy_deduplicated"] == pytest.approx(0.9102, abs=0.002)


def test_predictions_can_be_checked_by_hand(done):
    for split in ("dev", "test"):
        for record in jsonl(done / f"predictions/{split}.jsonl"):
            chances = record["probabilities"]
            assert sum(chances.values()) == pytest.approx(1)
            assert record["predicted"] == max(chances, key=chances.get)
            assert record["loss"] == pytest.approx(-math.log(chances[record["gold"]]))


def test_a_label_that_train_does_not_have_is_counted_as_missed(tmp_path):
    known = table(tmp_path / "a.tsv", ("label", "text"), ("好", "很好"), ("差", "很差"), ("好", "好的"), ("差", "差的"))
    other = table(tmp_path / "b.tsv", ("label", "text"), ("中", "很中"), ("好", "很好的"))
    data = {"data.train": known, "data.dev": other, "data.test": None, "data.labels": ["中", "差", "好"]}
    result = baseline(QUICK, run_dir=tmp_path / "run", **data).result
    assert result["dev"]["accuracy"] == 0.5
    assert 30 < result["dev"]["loss"] < math.inf


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_task_with_labels_has_a_baseline(tmp_path, name):
    """And the rows that it has learnt from are no riddle."""
    data = {**sources(fixture_of(name)), "data.test": sources(fixture_of(name))["data.train"]}
    run = baseline(quick_config(name), options=Options(c=100.0, min_df=1), run_dir=tmp_path / "run", **data)
    assert run.result["task"] == name
    for split in ("dev", "test"):
        assert run.result[split]["accuracy"] == 1
        assert len(jsonl(run.folder / f"predictions/{split}.jsonl")) == run.result["data"][split]["rows"]


def test_a_task_may_give_pairs(fresh_config, tmp_path, monkeypatch):
    single = baseline(fresh_config).result["model"]["parameters"]
    monkeypatch.setattr(Task, "texts_of", lambda self, example: (example.text[:4], example.text[4:] or "。"))
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


def test_errors_come_worst_first(done):
    errors = jsonl(done / "predictions/errors.jsonl")
    wrong = [
        {"split": split, **record}
        for split in ("dev", "test")
        for record in jsonl(done / f"predictions/{split}.jsonl")
        if record["predicted"] != record["gold"]
    ]
    assert errors
    assert errors == sorted(wrong, key=lambda record: -record["loss"])


def test_metrics_jsonl_and_visualdl_have_one_point_of_each_score(done):
    result = json.loads((done / "result.json").read_text(encoding="utf-8"))
    records = read_metrics(done / "metrics.jsonl")
    expected = {f"{split}/{name}": result[split][name] for split in ("dev", "test") for name in SCORES}
    for split in ("dev", "test"):
        expected |= {f"{split}/f1/{label}": one["f1"] for label, one in result[split]["per_label"].items()}
    assert {record["tag"]: record["value"] for record in records} == expected
    assert len(records) == len(expected)
    assert visualdl_points(done / "vdl") == metrics_points(done / "metrics.jsonl")


def test_config_yaml_again_reproduces_the_run(tmp_path):
    options = Options("word", "logistic", c=2.0, ngrams=(1, 1), min_df=3)
    run = baseline(QUICK, options=options, run_dir=tmp_path / "run", seed=5)
    again = baseline(run.folder / "config.yaml", run_dir=tmp_path / "again")
    assert again.result["model"] == run.result["model"]
    for file in sorted((run.folder / "predictions").iterdir()):
        assert file.read_bytes() == (again.folder / "predictions" / file.name).read_bytes()
    assert read(again.folder / "config.yaml") == {**read(run.folder / "config.yaml"), "run_dir": str(again.folder)}
    before = state(run.folder)
    assert baseline(run.folder / "config.yaml").folder == run.folder
    assert state(run.folder) == before


def test_the_folder_is_beside_that_of_training(tmp_path):
    config = tmp_path / "mine.yaml"
    text = QUICK.read_text(encoding="utf-8")
    assert load_config(QUICK).run_dir == "runs/quick-sentiment-baseline"
    config.write_text(text.replace("run_dir: runs/quick-sentiment\n", ""))
    assert load_config(config).run_dir == "runs/mine-baseline"
    config.write_text(text.replace("runs/quick-sentiment", "runs/x/"))
    assert load_config(config).run_dir == "runs/x-baseline"
    assert load_config(config, ["run_dir=runs/y"]).run_dir == "runs/y"


def test_only_what_a_baseline_looks_at_is_its_configuration():
    one = load_config(QUICK, ["seed=4", "data.on_bad_row=skip"])
    assert list(one.model_dump()) == ["task", "seed", "run_dir", "data", "model", "logging"]
    assert (one.seed, one.data.on_bad_row) == (4, "skip")
    assert load_config(QUICK, ["seed=4", "data.on_bad_row=skip", "training.epochs=99", "model.dropout=0.5"]) == one


def test_options_go_over_the_configuration_of_a_baseline(tmp_path):
    tree = read(QUICK)
    shared = {name: tree[name] for name in ("task", "data")}
    config = {**shared, "run_dir": "x", "model": {"encoder": "tfidf-word-svm", "ngrams": [2, 2], "c": 4.0}}
    kept, other = load_config(config).model, load_config(config, [], Options(classifier="logistic", c=1.0)).model
    assert (kept.encoder, kept.ngrams, kept.c, kept.min_df) == ("tfidf-word-svm", (2, 2), 4.0, 2)
    assert (other.encoder, other.ngrams, other.c) == ("tfidf-word-logistic", (2, 2), 1.0)
    assert load_config(config).run_dir == "x"


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (["model.encodr=lstm"], Options(), r"model\.encodr: unknown key; did you mean 'encoder'"),
        (["training.epochs=many"], Options(), r"training\.epochs: input should be a valid integer"),
        ([], Options(c=-1.0), r"model\.c: input should be greater than 0, found -1\.0"),
        ([], Options(ngrams=(3, 2)), r"model\.ngrams: expected the shortest and the longest"),
        (["task=sentimnt"], Options(), "task: 'sentimnt' is unknown; did you mean 'sentiment'"),
    ],
)
def test_a_configuration_that_cannot_be_used(settings, options, message):
    with pytest.raises(ConfigError, match=message):
        load_config(QUICK, settings, options)


def test_a_task_without_labels_has_no_baseline():
    with pytest.raises(ConfigError, match=r"task: pretrain has no baseline; only tasks that label texts have \(.*sent"):
        load_config(PRETRAIN)


@pytest.mark.parametrize(
    ("changes", "options", "error", "message"),
    [
        ({"data.dev": "missing.tsv"}, Options(), DataError, r"data\.dev: missing\.tsv: no such file"),
        ({}, Options(min_df=99), DataError, "stands in 99 texts or more"),
        ({"data.labels": ["positive", "neutral"]}, Options(), DataError, "unknown label 'negative'"),
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


def test_no_encoder_no_vocabulary_and_no_download(fresh_config, monkeypatch):
    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError

    for name in ("resolve", "learn_tokenizer", "build_encoder", "load_pretrained", "build_loss", "encoded"):
        monkeypatch.setattr(_classification, name, never)
    monkeypatch.setattr(_classification.Tokenizer, "load", never)
    for encoder in ("bert-base-chinese", "bilstm", "a-name-that-is-nowhere"):
        run = baseline(fresh_config, **{"model.encoder": encoder})
    assert run.result["model"]["encoder"] == "tfidf-char-svm"
    with pytest.raises(AssertionError):  # and these are what training goes through
        train(fresh_config)


# ---- a folder that is there already


def test_a_finished_run_is_left_alone(done, config):
    before, notes = state(done), []
    run = baseline(config, observe=notes.append)
    assert state(done) == before
    assert run.result == json.loads((done / "result.json").read_text(encoding="utf-8"))
    assert ["is finished already; nothing to do" in note.text for note in notes] == [True]


def test_other_settings_are_refused_with_the_differences(done, config):
    before = state(done)
    with pytest.raises(CheckpointError, match="another configuration") as caught:
        baseline({**config, "seed": 9}, options=Options("word", c=0.25))
    assert str(caught.value).splitlines()[1:-1] == [
        "  seed: 1 -> 9",
        "  model.encoder: 'tfidf-char-svm' -> 'tfidf-word-svm'",
        "  model.ngrams: [1, 3] -> [1, 2]",
        "  model.c: 0.5 -> 0.25",
    ]
    assert state(done) == before


def test_fresh_moves_the_older_run_aside(fresh_config, tmp_path):
    notes: list[str] = []
    folder = baseline(fresh_config).folder
    before = state(folder / "predictions")
    again = baseline(fresh_config, fresh=True, options=Options(c=9.0), observe=lambda note: notes.append(note.text))
    assert again.folder == folder == tmp_path / "run-baseline"
    assert [content for _, content in state(tmp_path / "run-baseline.1/predictions").values()] == [
        content for _, content in before.values()
    ]
    assert notes[-1] == f"the older run is now {tmp_path / 'run-baseline.1'}"
    assert read(folder / "config.yaml")["model"]["c"] == 9.0


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_no_run_is_refused_before_anything_is_read(fresh_config, tmp_path, fresh, monkeypatch):
    (tmp_path / "run-baseline").mkdir()
    (tmp_path / "run-baseline/thesis.txt").write_text("three years of work")
    before = state(tmp_path)
    monkeypatch.setattr(Task, "read_splits", lambda self: pytest.fail("read"))
    with pytest.raises(CheckpointError, match="is no run"):
        baseline(fresh_config, fresh=fresh)
    assert state(tmp_path) == before


def test_the_folder_of_a_training_run_is_refused_and_the_other_way_round(finished, config, done):
    for run, folder in ((baseline, finished), (train, done)):
        before = state(folder)
        with pytest.raises(CheckpointError, match=r"holds a run of another kind(.|\n)*unknown key"):
            run(config, run_dir=folder)
        assert state(folder) == before


def test_a_process_that_writes_there_already(fresh_config, tmp_path):
    baseline(fresh_config)
    (tmp_path / "run-baseline/result.json").unlink()
    with RunFolder(tmp_path / "run-baseline").locked(), pytest.raises(CheckpointError, match="another process"):
        baseline(fresh_config)
    assert baseline(fresh_config).result["status"] == "finished"


def test_a_folder_that_another_run_has_taken_meanwhile(fresh_config, tmp_path, monkeypatch):
    fit = Classifier.fit

    def slowly(self: Classifier, *arguments: Any) -> bool:
        monkeypatch.setattr(Classifier, "fit", fit)
        baseline(fresh_config, options=Options(c=2.0))
        return fit(self, *arguments)

    monkeypatch.setattr(Classifier, "fit", slowly)
    with pytest.raises(CheckpointError, match=r"model\.c: 2\.0 -> 0\.5"):
        baseline(fresh_config)
    assert read(tmp_path / "run-baseline/config.yaml")["model"]["c"] == 2.0


def test_a_baseline_keeps_no_model(done):
    with pytest.raises(UserError, match=r"holds a baseline, which keeps no model; .*predictions has what it said"):
        load(done)
