"""The baselines of translating, and the data check of pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.data.parallel.section import HeldOutBooks, PairLayout
from paddle_tasks.data.parallel.splits import load_pairs
from paddle_tasks.tasks.translate.baseline import TwinSection, learn_lexicon
from paddle_tasks.tasks.translate.checks import PairDataCheck
from paddle_tasks.tasks.translate.text_scores import score_texts
from paddle_tasks.workflows import config as training
from paddle_tasks.workflows.baseline import baseline, load_config

from ...helpers import ROOT
from ..conftest import fixture_of, quick_config, sources

DATA = Path(__file__).parents[4] / "shared/data/translation"
COLUMNS = {"source": "classical", "target": "modern", "book": "book"}


def run(tmp_path, twin):
    table = tmp_path / "pairs.tsv"
    lines = fixture_of("translate").read_text("utf-8").splitlines()
    table.write_text("\n".join([lines[0], *lines[1:] * 5]) + "\n", "utf-8")  # rare characters have no phrase
    settings = sources(table)
    return baseline(quick_config("translate"), options={"twin": twin}, run_dir=str(tmp_path / "run"), **settings).result


def test_copying_scores_the_sources(tmp_path):
    result = run(tmp_path, "copy")
    assert result["model"] == {"encoder": "copy", "parameters": 0}
    assert result["dev"]["bleu"] == result["dev"]["copying"]["bleu"]


def test_the_lexicon_beats_copying_on_its_own_pairs(tmp_path):
    result = run(tmp_path, "lexicon")
    assert result["model"]["encoder"] == "lexicon"
    assert result["model"]["parameters"] > 0
    assert result["dev"]["bleu"] > result["dev"]["copying"]["bleu"]


def test_characters_without_a_phrase_are_copied():
    pairs = [Pair("曰是", "说对的", "", ""), Pair("曰", "说", "", ""), Pair("是", "对的", "", "")] * 5
    assert learn_lexicon(pairs, TwinSection(encoder="lexicon")).translate("曰：是") == "说：对的"


def test_pairs_of_train_are_left_out_of_deduplicated_scores():
    pairs = [Pair("曰：善。", "他说：很好。", "", ""), Pair("不为也", "是不去做的", "", "")]
    outputs = ["他说：很好。", "是不去做啊"]
    scores = score_texts(pairs, outputs, [pairs[0]])
    assert scores["bleu_deduplicated"] == score_texts(pairs[1:], outputs[1:])["bleu"] < scores["bleu"]
    assert "bleu_deduplicated" not in score_texts(pairs, outputs)


def test_the_data_check_finds_each_problem(tmp_path):
    train, dev = tmp_path / "train.tsv", tmp_path / "dev.tsv"
    header, long = "source\ttarget\n", "长" * 201
    train.write_text(f"{header}甲乙\t一二\n甲乙\t一二\n甲乙\t三四\n同\t同\n丙\t{long}\n \t五\n", "utf-8")
    dev.write_text(f"{header}甲乙\t六七\n丁\t三四\n", "utf-8")
    check = PairDataCheck()
    report = check.check({"train": str(train), "dev": str(dev)}, PairLayout(header=True))
    assert report["rows"] == {"train": 5, "dev": 2}
    assert (report["bad_rows"], report["duplicate_texts"], report["contradictory_texts"]) == (1, 2, 1)
    assert report["duplicate_pairs"] == 1
    assert report["identical_pairs"] == {"train": 1, "dev": 0}
    assert report["overlong_pairs"] == {"train": 1, "dev": 0}
    assert report["leaked_texts"] == report["leaked_targets"] == {"dev": 1}
    assert report["near_leaks"] == {"dev": {"source": 1, "target": 1}}
    lines = "\n".join(check.lines(report))
    assert "with over 200 characters" in lines
    assert [line.split()[1] for line in lines.splitlines() if line.startswith("remark: ")] == [
        "20.0%",
        "long",
        "a",
        "dev:",
    ]


def test_the_data_check_leaves_out_held_out_books(tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text("book\tsource\ttarget\nA\t甲\t一\nB\t甲\t二\nC\t乙\t三\n", "utf-8")
    columns = {"source": "source", "target": "target", "book": "book"}
    layout = PairLayout(header=True, columns=columns, held_out_books=HeldOutBooks(dev=("B",), test=("C",)))
    report = PairDataCheck().check(dict.fromkeys(("train", "dev", "test"), str(table)), layout)
    assert report["rows"] == {"train": 1, "dev": 1, "test": 1}
    assert report["leaked_texts"] == {"dev": 1, "test": 0}


@pytest.mark.parametrize(
    ("twin", "suffix"), [(None, "-baseline"), ("copy", "-baseline"), ("lexicon", "-baseline-lexicon")]
)
def test_each_twin_has_a_run_folder(twin, suffix):
    assert load_config(ROOT / "configs/quick/translate.yaml", [], {"twin": twin}).run_dir == (
        f"runs/quick-translate{suffix}"
    )


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the pairs of classical and modern Chinese")
def test_no_side_of_a_held_out_book_is_in_train():
    settings = {f"data.{name}": str(DATA / "train.tsv.gz") for name in ("train", "dev", "test")}
    data = training.load_config(ROOT / "configs/translate-books.yaml", training.assignments(settings)).data
    splits = {name: load_pairs(data, name, data.source(name, 1)).examples for name in ("train", "dev", "test")}
    assert [len(pairs) for pairs in splits.values()] == [296_932, 998, 2_070]
    for side in ("source", "target"):
        known = {getattr(pair, side) for pair in splits["train"]}
        assert not [pair.where for pair in splits["test"] if getattr(pair, side) in known]


@pytest.mark.long
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the pairs of classical and modern Chinese")
def test_copying_on_the_public_test_pairs(tmp_path):
    files = {name: str(DATA / f"{name}.tsv.gz") for name in ("dev", "test")}
    data = {"train": files["dev"], **files, "columns": COLUMNS}
    config = {"task": "translate", "run_dir": str(tmp_path / "run"), "data": data, "model": {"architecture": "rnn"}}
    assert baseline(config).result["test"]["bleu"] == pytest.approx(17.48, abs=0.005)
