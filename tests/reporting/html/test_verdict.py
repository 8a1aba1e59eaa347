"""The verdict: who is best by which split, on how many seeds, whether it may be chance, and the caveats."""

from __future__ import annotations

import json

import pytest

from paddle_tasks.reporting.html.chapters import Comparison
from paddle_tasks.reporting.html.runs import studied_runs
from paddle_tasks.reporting.html.verdict import verdict
from paddle_tasks.reporting.report import report

from ..folders import SHA, part, scored, write_run
from .runs import write_classifier

TRAINED = {"training": {"epochs": 1}}


def judge(*folders):
    entries = report(folders).entries
    return verdict(Comparison(studied_runs(entries, [folder.name for folder in folders])))


def run(folder, dev, test, seed=1, **config):
    settings = {**TRAINED, "seed": seed, **config}
    return write_run(folder, {"dev": scored(dev), "test": scored(test)}, config=settings, seed=seed)


def baseline(folder, test):
    return write_run(folder, {"dev": scored(0.5), "test": scored(test)}, encoder="tfidf-char-svm")


def test_dev_chooses_the_best_and_test_is_reported(tmp_path):
    found = judge(run(tmp_path / "a", 0.9, 0.7, x=1), run(tmp_path / "b", 0.8, 0.8, x=2))
    assert found.headline == "Best: a, with test accuracy 0.7000 (one seed)."
    assert found.sentences[0] == "It was chosen by dev accuracy (0.9000); the test split played no part in the choice."
    assert found.sentences[1] == "On test it is behind the second, b by 0.1000: 0.7000 against 0.8000."


def test_runs_that_differ_in_their_seed_are_one_system(tmp_path):
    runs = [run(tmp_path / f"a{seed}", 0.8 + seed / 100, 0.7 + seed / 100, seed) for seed in (1, 2, 3)]
    found = judge(*runs)
    assert found.headline == "a1, a2, a3: test accuracy 0.7200 ± 0.0100 (mean of 3 seeds)."
    assert "Of its 3 runs, a3 is the best one on dev." in found.sentences
    assert not [caveat for caveat in found.caveats if "Fewer than three seeds" in caveat]
    assert [caveat for caveat in judge(*runs[:2]).caveats if "Fewer than three seeds" in caveat]


def test_a_lower_loss_is_better(tmp_path):
    low, high = (run(tmp_path / name, 0.8, 0.8, evaluation={"metric": "loss"}, x=name) for name in ("low", "high"))
    for folder, loss in ((low, 0.2), (high, 0.4)):
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        result["dev"]["loss"] = result["test"]["loss"] = loss
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    found = judge(high, low)
    assert found.headline.startswith("Best: low, with test loss 0.2000")
    assert "On test it is ahead of the second, high by 0.2000" in found.sentences[1]


def test_the_baseline_stands_beside_the_best_run(tmp_path):
    found = judge(run(tmp_path / "a", 0.8, 0.8), baseline(tmp_path / "b", 0.7))
    assert found.headline.startswith("Best: a, with")
    assert found.sentences[-1] == (
        "On test it is ahead of the baseline, b (tfidf-char-svm) by 0.1000: 0.8000 against 0.7000."
    )
    found = judge(run(tmp_path / "c", 0.8, 0.8), baseline(tmp_path / "d", 0.9))
    assert found.headline == (
        "The baseline d is ahead, with test accuracy 0.9000; the best network, c, has 0.8000 (one seed)."
    )


def test_without_a_baseline_the_command_that_makes_one_is_named(tmp_path):
    folder = run(tmp_path / "a", 0.8, 0.8)
    (caveat,) = [caveat for caveat in judge(folder).caveats if "baseline" in caveat]
    assert caveat.endswith(f"paddle-tasks baseline {folder}/config.yaml")


@pytest.mark.parametrize(
    ("shares", "judgement"), [((0.9, 0.7), "unlikely to be chance"), ((0.8, 0.79), "may be chance")]
)
def test_rows_tell_whether_a_difference_may_be_chance(tmp_path, shares, judgement):
    folders = [write_classifier(tmp_path / f"a{share}", 200, share_right=share) for share in shares]
    for folder, share in zip(folders, shares, strict=True):
        config = json.loads((folder / "config.yaml").read_text(encoding="utf-8"))
        (folder / "config.yaml").write_text(json.dumps({**config, "share": share}), encoding="utf-8")
    (sentence,) = [sentence for sentence in judge(*folders).sentences if "bootstrap" in sentence]
    assert sentence.endswith(f"it {'is ' if 'unlikely' in judgement else ''}{judgement}.")
    assert "over 200 rows" in sentence


def test_caveats_name_leaks_missing_tests_and_equal_files(tmp_path):
    scores = {"dev": scored(0.8), "test": scored(0.8, accuracy_deduplicated=0.6)}
    same = {name: part(10, SHA["dev"]) for name in ("dev", "test")}
    leaking = write_run(tmp_path / "a", scores, same, TRAINED)
    caveats = " ".join(judge(leaking).caveats)
    assert "Train and test share texts; without these rows it has 0.6000." in caveats
    assert "dev, test are the same file" in caveats
    alone = write_run(tmp_path / "b", {"dev": scored(0.8)}, config=TRAINED)
    assert "No run has a test score" in " ".join(judge(alone).caveats)


def test_few_rows_make_an_accuracy_uncertain(tmp_path):
    small, large = (write_classifier(tmp_path / str(rows), rows) for rows in (100, 20_000))
    assert "With 100 rows, an accuracy of 0.8000 is known to about ± 0.0784 (95 %)." in judge(small).caveats
    assert not [caveat for caveat in judge(large).caveats if "known to about" in caveat]
