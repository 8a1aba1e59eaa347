"""N-grams beside the network: scikit-learn's model, its mixture with the network in runs, and their explanations."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from paddle_tasks import evaluate, load, train, verify
from paddle_tasks.config import dump, parse_yaml
from paddle_tasks.errors import CheckpointError, ConfigError, DataError
from paddle_tasks.metrics.calibration import mix_log_odds
from paddle_tasks.models.paddle_free.text_ngrams import TextNgrams
from paddle_tasks.onednn import library
from paddle_tasks.tasks.classification.data import SINGLE_TEXT, LabelledData
from paddle_tasks.tasks.classification.ngram_fit import fit_ngrams
from paddle_tasks.tasks.classification.ngram_section import TextNgramSection
from paddle_tasks.tasks.classification.ngrams import FILE, KEY
from paddle_tasks.workflows.config import assignments, load_config
from tests.workflows.snapshot import arrays

from ...helpers import table
from ..conftest import quick_config, sources

TEXTS = ["服务热情，很好", "服务冷淡 味道很差", "房间太脏\n\n\n画面真丑，不会再来", "WiFi 快İΑΣ", "a  b", "画面真美"]
SETTINGS = "paddle_tasks.json"
needs_onednn = pytest.mark.skipif(library.get() is None, reason=f"oneDNN cannot be used: {library.why_not()}")


# ---- the linear model


def fitted(folder, labels, names, **section) -> TextNgrams:
    """Return the n-grams of `TEXTS` with a label for each, where the labels are ``names``."""
    rows = [(names[label], text.replace("\n", " ")) for label, text in zip(labels, TEXTS, strict=True)]
    source = table(folder / "train.tsv", ("label", "text"), *rows)
    settings = assignments({**sources(source), "data.labels": list(names)})
    config = load_config(quick_config("news"), settings)
    data = LabelledData(config.data, 1, SINGLE_TEXT)
    data.read()
    return fit_ngrams(TextNgramSection(**section), data)


@pytest.mark.parametrize(
    ("labels", "names"),
    [([1, 0, 0, 1, 1, 0], "ab"), ([2, 0, 1, 2, 1, 2], "abc"), ([3, 0, 0, 3, 3, 3], "abcd"), ([0, 2, 1] * 2, "abcd")],
)
def test_probabilities_are_those_of_scikit_learn(labels, names, tmp_path):
    texts = [text.replace("\n", " ") for text in TEXTS]
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    oracle = LogisticRegression(C=3.0, max_iter=1000).fit(features.fit_transform(texts), labels)
    others = [*TEXTS, "", "xyz", "好好好好，  很好"]
    expected = np.zeros((len(others), len(names)))
    expected[:, oracle.classes_] = oracle.predict_proba(features.transform(others))
    found = fitted(tmp_path, labels, names, lengths=(1, 3), min_df=1, c=3.0)
    np.testing.assert_allclose(np.exp(found.log_probs(others)), expected, atol=5e-4)  # the numbers are float16
    for text in others[:-3]:
        logits = found.contributions(text).sum(axis=0) + found.intercepts()
        shifted = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        np.testing.assert_allclose(shifted, found.log_probs([text])[0], atol=1e-9)


def test_a_character_gets_the_shares_of_its_ngrams():
    model = TextNgrams(["a", "ab"], np.ones(2), np.array([[2.0], [4.0]]), np.array([0.5]))
    values = model.contributions("Abxa")[:, 1]
    value_a, value_ab = np.array([1 + np.log(2), 1]) / np.hypot(1 + np.log(2), 1)
    np.testing.assert_allclose(values, [value_a + 2 * value_ab, 2 * value_ab, 0, value_a])
    assert model.log_probs(["x"])[0] == pytest.approx(np.log([1 / (1 + np.exp(0.5)), 1 / (1 + np.exp(-0.5))]))


def test_the_most_frequent_ngrams_count(tmp_path):
    model = fitted(tmp_path, [1, 0, 0, 1, 1, 0], "ab", min_df=1, max_features=5)
    assert len(model.grams) == 5
    assert " " in model.grams
    assert model.weight.shape == (5, 1)


def test_the_file_holds_the_model_as_it_is(tmp_path):
    model = fitted(tmp_path, [2, 0, 1, 2, 1, 2], "abc", min_df=1)
    model.write(tmp_path / FILE)
    again = TextNgrams.read(tmp_path / FILE, 3)
    assert again.grams == model.grams
    assert np.array_equal(again.log_probs(TEXTS), model.log_probs(TEXTS))
    with pytest.raises(CheckpointError, match=r"ngrams\.safetensors: does not hold n-grams of this model \(weight"):
        TextNgrams.read(tmp_path / FILE, 4)
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such file; copy it from the run"):
        TextNgrams.read(tmp_path / "none.safetensors", 3)


def test_train_rows_of_one_label_are_refused(tmp_path):
    with pytest.raises(DataError, match="every row has the label 'a'; expected two labels or more"):
        fitted(tmp_path, [0] * 6, "ab")


# ---- the setting


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("3", r"model\.ngrams: expected true, false or settings of n-grams, as in model\.ngrams\.lengths=\[1, 2\]"),
        ("{lengths: [3, 1]}", r"model\.ngrams\.lengths: expected the shortest and the longest length"),
        ("{max_features: 0}", r"model\.ngrams\.max_features: input should be greater than 0"),
        ("{max_feature: 9}", r"model\.ngrams\.max_feature: unknown key; did you mean 'max_features'"),
        ("{c: 1.0, min_df: true}", r"model\.ngrams\.min_df: input should be a valid integer"),
    ],
)
def test_settings_that_cannot_be_used(given, message):
    with pytest.raises(ConfigError, match=message):
        load_config(quick_config("sentiment"), [f"model.ngrams={given}"])


def test_true_stands_for_the_defaults():
    quick = quick_config("sentiment")
    assert load_config(quick).model.ngrams is False
    config = load_config(quick, ["model.ngrams=true"])
    assert config.model.ngrams == TextNgramSection()
    assert load_config(parse_yaml(dump(config), "dump")) == config
    assert load_config(quick, ["model.ngrams.lengths=[2, 2]"]).model.ngrams == TextNgramSection(lengths=(2, 2))


# ---- runs


@pytest.fixture(scope="module")
def runs(small_config, tmp_path_factory):
    """Return two runs that differ in n-grams only."""
    made = {}
    for name, ngrams in (("mixed", {"min_df": 1}), ("network", False)):
        folder = tmp_path_factory.mktemp(name)
        made[name] = train(small_config(folder, model={"ngrams": ngrams}, training={"calibrate": True, "epochs": 1}))
    return made


def settings_of(folder):
    return json.loads((folder / SETTINGS).read_text(encoding="utf-8"))


def with_weight(run, folder, weight):
    """Return a copy of a model with another weight of its n-grams, and without a temperature."""
    copied = shutil.copytree(run.folder / "model", folder)
    others = {key: value for key, value in settings_of(copied).items() if key != "temperature"}
    (copied / SETTINGS).write_text(json.dumps({**others, KEY: weight}), encoding="utf-8")
    return copied


def probabilities(records):
    return np.array([list(record["probabilities"].values()) for record in records])


def test_the_scores_of_each_part_are_there(runs):
    mixed, network = runs["mixed"].result, runs["network"].result
    for split in ("dev", "test"):
        own, other = mixed[split], network[split]
        assert (own["accuracy_of_network"], own["f1_of_network"]) == (other["accuracy"], other["f1"])
        assert 0 <= own["accuracy_of_ngrams"] <= 1
        assert own["ngram_weight"] == settings_of(runs["mixed"].folder / "model")[KEY]
        assert KEY not in other
    assert mixed["dev"]["accuracy"] >= network["dev"]["accuracy"]
    assert mixed["dev"]["ngram_weight"] > 0
    assert "accuracy of network" in repr(runs["mixed"])


def test_the_network_and_its_scores_in_training_are_those_without(runs):
    weights = [arrays(run.folder / "model" / "model.safetensors") for run in runs.values()]
    assert weights[0] == weights[1]
    curves = [(run.folder / "metrics.jsonl").read_text(encoding="utf-8") for run in runs.values()]
    keys = ("step", "tag", "value")
    values = [
        [[row[key] for key in keys] for row in map(json.loads, curve.splitlines()) if row["tag"].startswith("dev/")]
        for curve in curves
    ]
    assert values[0] == values[1] != []


def test_the_weight_0_is_the_network_bit_for_bit(runs, tmp_path):
    alone = with_weight(runs["mixed"], tmp_path / "alone", 0.0)
    network = shutil.copytree(runs["network"].folder / "model", tmp_path / "network")
    plain = {key: value for key, value in settings_of(network).items() if key != "temperature"}
    (network / SETTINGS).write_text(json.dumps(plain), encoding="utf-8")
    assert list(load(alone)(TEXTS)) == list(load(network)(TEXTS))


def test_answers_are_those_of_network_and_ngrams(runs, tmp_path):
    model = TextNgrams.read(runs["mixed"].folder / "model" / FILE, 2)
    network, mixed = (
        probabilities(load(with_weight(runs["mixed"], tmp_path / str(weight), weight))(TEXTS)) for weight in (0.0, 1.5)
    )
    np.testing.assert_allclose(mixed, mix_log_odds(network, model.log_probs(TEXTS), 1.5), atol=1e-6)
    assert np.abs(mixed - network).max() > 0.01


def test_it_can_be_verified_and_evaluated(runs):
    run = runs["mixed"]
    assert list(verify(run.folder).differences) == []
    found = evaluate(run.folder, split="test")["metrics"]
    assert found["accuracy_of_network"] == run.result["test"]["accuracy_of_network"]


def test_a_model_folder_without_its_ngrams_is_refused(runs, tmp_path):
    folder = shutil.copytree(runs["mixed"].folder / "model", tmp_path / "model")
    (folder / FILE).unlink()
    with pytest.raises(CheckpointError, match=r"ngrams\.safetensors: no such file"):
        load(folder)(TEXTS)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_ngrams_decide_where_the_network_knows_nothing(small_config, tmp_path, metric):
    rows = [("positive", f"房间{number}好") for number in range(12)] + [
        ("negative", f"房间{number}差") for number in range(12)
    ]
    source = str(table(tmp_path / "rows.tsv", ("label", "text"), *rows))
    config = small_config(
        tmp_path, model={"ngrams": True}, training={"max_steps": 1}, optimizer={"learning_rate": 1e-9}
    )
    data = {"train": source, "dev": source, "test": source}
    scores = train({**config, "data": data, "evaluation": {"metric": metric}}).result["test"]
    assert scores["accuracy"] == scores["accuracy_of_ngrams"] == 1
    assert scores["accuracy_of_network"] < 1
    assert scores["loss"] < scores["loss_of_network"]


@needs_onednn
def test_without_paddle_the_answers_are_the_same(small_config, tmp_path):
    model = {"encoder": "bert", "hidden_size": 16, "n_layers": 1, "n_heads": 2, "dropout": 0.0, "ngrams": {"min_df": 1}}
    config = small_config(tmp_path, training={"max_steps": 2, "calibrate": True})
    run = train({**config, "model": model})
    assert settings_of(run.folder / "model")[KEY] > 0
    quick, full = load(run.folder), load(run.folder)
    assert full.model is not None  # from now on the Layer predicts
    assert not quick.needs_paddle
    np.testing.assert_allclose(probabilities(quick(TEXTS)), probabilities(full(TEXTS)), atol=2e-6)


# ---- explanations


def test_explanations_attribute_network_and_ngrams_together(runs, tmp_path):
    weight, text = 2.0, "服务冷淡 味道很差，再也不会来了，房间太脏"
    network, mixed = (
        load(with_weight(runs["mixed"], tmp_path / str(each), each))(text, explain=True) for each in (0.0, weight)
    )
    assert mixed["completeness_error"] < 0.05
    model = TextNgrams.read(runs["mixed"].folder / "model" / FILE, 2)
    sign = 1 if mixed["label"] == "positive" else -1
    same = 1 if mixed["label"] == network["label"] else -1
    *values, (start, end, rest) = mixed["attributions"]
    own = model.contributions(text)[:, 1]
    assert text[start:end] == text[15:]  # the network reads 14 tokens, n-grams read the whole text
    assert rest == pytest.approx(sign * weight * own[start:end].sum(), abs=1e-4)
    for (first, last, value), (_first, _last, alone) in zip(values, network["attributions"], strict=True):
        added = sign * weight * own[first:last].sum()
        added += sign * weight * own[last] if text[last] == " " else 0
        assert value == pytest.approx(same * alone + added, abs=0.02)
