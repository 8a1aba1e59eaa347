"""The ``data:`` section: folds instead of a dev file, and the settings of a vocabulary."""

from __future__ import annotations

import pytest

from paddle_tasks.config import validate
from paddle_tasks.data.tables.folds import Part
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.errors import ConfigError

from ...helpers import table


def section(**settings) -> DataSection:
    return validate({"train": "a.tsv", **settings}, DataSection, "x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"  dev: expected a file, or data\.folds, which makes a fold of train dev, found None$"),
        ({"dev": "b.tsv", "folds": 5, "fold": 0}, r"  dev: expected null beside data\.folds.*, found 'b\.tsv'$"),
        ({"dev": "b.tsv", "fold": 0}, r"  fold: expected data\.folds too.*, found 0$"),
        ({"folds": 5}, r"  fold: expected the number of one of the 5 folds, 0 to 4, found None$"),
        ({"folds": 5, "fold": 5}, r"  fold: expected the number of one of the 5 folds, 0 to 4, found 5$"),
        ({"folds": 5, "fold": -1}, r"  fold: .*greater than or equal to 0, found -1$"),
        ({"folds": 1, "fold": 0}, r"1 problem\n  folds: .*greater than or equal to 2, found 1$"),
        ({"folds": "5", "fold": 0}, r"1 problem\n  folds: "),
        ({"dev": "b.tsv", "vocabulary": {"min_words": 2}}, r"  vocabulary\.min_words: unknown key"),
        ({"dev": "b.tsv", "vocabulary": {"max_size": 5}}, r"  vocabulary\.max_size: .*greater than 5"),
        ({"dev": "b.tsv", "vocabulary": {"min_count": 0}}, r"  vocabulary\.min_count: .*greater than 0"),
        (
            {"dev": "b.tsv", "vocabulary": {"rare_words": "unknown"}},
            r"  vocabulary\.rare_words: expected characters, or a data\.vocabulary\.min_word_count too, found",
        ),
    ],
)
def test_invalid_input_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        section(**settings)


def test_a_fold_is_dev_and_the_others_are_train():
    data = section(folds=5, fold=2, test="c.tsv")
    assert data.source("dev", 7) == Source("a.tsv", "train", Part(5, 2, 7, held_out=True), reports_bad_rows=False)
    assert data.source("train", 7) == Source("a.tsv", "train", Part(5, 2, 7, held_out=False))
    assert [data.has(name) for name in ("train", "dev", "test")] == [True, True, True]
    assert not section(folds=5, fold=2).has("test")


def test_without_folds_each_split_is_its_file(tmp_path):
    paths = {name: str(table(tmp_path / f"{name}.tsv", ("label", "text"))) for name in ("train", "dev", "test")}
    data = section(**paths)
    assert {name: data.source(name, 7) for name in paths} == {name: Source(paths[name], name) for name in paths}
    assert section(train=paths["train"], dev=paths["train"]).source("train", 7).part is None
