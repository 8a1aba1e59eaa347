"""The data of pretraining: repeated documents, held-out lines, digests and bad rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from paddle_tasks.config import validate
from paddle_tasks.data import array_cache
from paddle_tasks.data.corpus import corpora
from paddle_tasks.data.corpus.corpora import MaskingSection, PretrainingData, load_documents
from paddle_tasks.data.corpus.documents import Document
from paddle_tasks.data.corpus.near_duplicates import NearDuplicates
from paddle_tasks.data.tables.splits import require_good
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.text.masking import Masking

ALPHABET = [chr(code) for code in range(0x4E00, 0x5E00)]
SOURCE = {"path": "train.txt", "blank_lines": "part"}


def random_line(seed: int, length: int = 40) -> str:
    """A line without a gram that stands in another one."""
    return "".join(Random(seed).sample(ALPHABET, length))


def section(folder: Path, train: Any = SOURCE, dev: Any = "dev.txt", **keys: Any) -> PretrainingData:
    """Make a section the way YAML does; a source may be given by its path alone."""
    keys = {"train": train, "dev": dev, **keys}
    for name in ("train", "dev", "test", "held_out"):
        if name in keys:
            sources = keys[name] if isinstance(keys[name], list) else [keys[name]]
            keys[name] = [{"path": source} if isinstance(source, str) else source for source in sources]
    return validate({"folder": str(folder), **keys}, PretrainingData, "data")


def write(path: Path, *documents: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join("\n".join(document) for document in documents) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten documents of two lines to train on, and one to be scored on."""
    write(tmp_path / "train.txt", *([random_line(2 * n), random_line(2 * n + 1)] for n in range(10)))
    write(tmp_path / "dev.txt", [random_line(1000)])
    return tmp_path


def lines_of(found: Any) -> list[tuple[str, ...]]:
    return [document.lines for document in found.examples]


# ---- how often


@pytest.mark.parametrize("times", [0.3, 1.0, 1.5, 2.0, 3.25])
def test_documents_are_repeated_as_often_as_times_says(tmp_path, times):
    n_documents = 2000
    write(tmp_path / "train.txt", *([f"第{n}篇"] for n in range(n_documents)))
    found = load_documents(section(tmp_path, {**SOURCE, "times": times}), "train", 1)
    counts = Counter(document.lines for document in found.examples)
    whole, part = divmod(times, 1)
    assert set(counts.values()) <= {int(whole), int(whole) + 1} - {0}
    more = sum(count == whole + 1 for count in counts.values())
    assert abs(more / n_documents - part) <= 4 * (part * (1 - part) / n_documents) ** 0.5
    assert whole == 0 or len(counts) == n_documents
    assert found.n_lines == n_documents
    # The same document comes twice in a row: the order of the files stays.
    order = [int(lines[0][1:-1]) for lines in lines_of(found)]
    assert order == sorted(order)


def test_the_seed_and_the_source_choose_which_are_repeated_once_more(tmp_path):
    write(tmp_path / "train.txt", *([f"第{n}篇"] for n in range(60)))
    source = {**SOURCE, "times": 0.5}

    def chosen(seed: int, sources: Any = source) -> list[tuple[str, ...]]:
        return lines_of(load_documents(section(tmp_path, sources), "train", seed))

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)
    both = chosen(1, [source, source])
    assert both[: len(chosen(1))] == chosen(1)
    assert both[len(chosen(1)) :] != chosen(1)


# ---- what is held out


def test_planted_copies_are_dropped_and_counted(folder):
    exact, near, far = random_line(500), random_line(501), random_line(502)
    write(folder / "held.txt", [exact, random_line(503), near], [far])
    lines = [random_line(seed) for seed in range(600, 604)]
    planted = [
        [lines[0], exact, lines[1]],
        [near[:-1] + "〇"],  # 35 of 37 grams
        [lines[2], far[:20] + "〇" + far[21:]],  # 31 of 41: not near
        [f" {exact} ", lines[3]],
    ]
    write(folder / "train.txt", *planted)
    found = load_documents(section(folder, held_out="held.txt"), "train", 1)
    assert lines_of(found) == [(lines[0], lines[1]), tuple(planted[2]), (lines[3],)]
    assert found.counts == {"lines": 8, "dropped_lines": 3}
    assert found.remark.startswith("data.train: 3 of 8 lines dropped")
    lower = load_documents(section(folder, held_out="held.txt", held_out_similarity=0.7), "train", 1)
    assert lines_of(lower) == [(lines[0], lines[1]), (lines[2],), (lines[3],)]
    assert lower.counts == {"lines": 8, "dropped_lines": 4}
    untouched = load_documents(section(folder), "train", 1)
    assert lines_of(untouched)[0] == (lines[0], exact, lines[1])
    assert (untouched.counts, untouched.remark) == ({"lines": 8, "dropped_lines": 0}, "")


def test_a_document_whose_whole_text_is_held_out_is_dropped(folder):
    parts = [random_line(700, 30), random_line(701, 30)]
    write(folder / "held.txt", ["".join(parts)])
    write(folder / "train.txt", parts, [parts[0], random_line(702)])
    found = load_documents(section(folder, held_out="held.txt"), "train", 1)
    assert lines_of(found) == [(parts[0], random_line(702))]
    assert found.counts == {"lines": 4, "dropped_lines": 2}


def test_the_order_of_the_remaining_documents_stays(folder):
    write(folder / "held.txt", [random_line(0), random_line(1), random_line(7)])
    found = load_documents(section(folder, held_out="held.txt"), "train", 1)
    before = load_documents(section(folder), "train", 1).examples
    assert found.examples[0] == before[1]
    assert found.examples[2] == Document((random_line(6),), before[3].where)
    assert found.counts == {"lines": 20, "dropped_lines": 3}


def test_dev_and_test_are_never_filtered(folder):
    keys = {"test": "train.txt", "held_out": ["dev.txt", "train.txt"]}
    for name, n_lines in (("dev", 1), ("test", 20)):
        found = load_documents(section(folder, **keys), name, 1)
        assert found.counts == {"lines": n_lines, "dropped_lines": 0}
        assert sum(map(len, lines_of(found))) == n_lines
    assert not load_documents(section(folder, **keys), "train", 1).examples


def test_filtering_an_empty_source_works(folder):
    """Chapters of another part only: nothing is left of that source."""
    write(folder / "novel.txt", ["第一回 甲", random_line(800)])
    write(folder / "held.txt", [random_line(801)])
    sizes = []
    for part in ("train", "dev", "test"):
        source = {"path": "novel.txt", "chapters": part}
        found = load_documents(section(folder, [source, SOURCE], held_out="held.txt"), "train", 1)
        sizes.append(len(found.examples) - 10)
    assert sorted(sizes) == [0, 0, 1]


# ---- digests


def digest(folder: Path, name: str = "train", seed: int = 1, **keys: Any) -> str:
    return load_documents(section(folder, **keys), name, seed).sha256


def test_the_digest_changes_with_everything_that_documents_depend_on(folder):
    write(folder / "held.txt", [random_line(900)])
    write(folder / "other.txt", [random_line(901)])
    given = {"train": [SOURCE, "other.txt"], "held_out": "held.txt"}
    found = [
        digest(folder, **given),
        digest(folder, seed=2, **given),
        digest(folder, **{**given, "train": SOURCE}),
        digest(folder, **{**given, "train": ["other.txt", SOURCE]}),
        digest(folder, **{**given, "train": [{**SOURCE, "times": 2.0}, "other.txt"]}),
        digest(folder, **{**given, "train": ["train.txt", "other.txt"]}),
        digest(folder, **{**given, "held_out": []}),
        digest(folder, **{**given, "held_out": ["held.txt", "dev.txt"]}),
        digest(folder, **{**given, "train": SOURCE, "held_out": ["other.txt", "held.txt"]}),
        digest(folder, **given, held_out_similarity=0.7),
    ]
    for name in ("train.txt", "other.txt", "held.txt"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + "尾\n".encode())
        found.append(digest(folder, **given))
        (folder / name).write_bytes(before)
    assert len(set(found)) == len(found)
    assert digest(folder, **given) == found[0]


def test_the_digest_changes_with_nothing_else(folder, tmp_path_factory):
    write(folder / "held.txt", [random_line(900)])
    given = {"held_out": "held.txt"}
    first, dev = digest(folder, **given), digest(folder, "dev", **given)
    write(folder / "unused.txt", [random_line(902)])
    masking = {"unit": "word", "rate": 0.3}
    others = {"dev": "train.txt", "test": "dev.txt", "masking": masking, "on_bad_row": "skip", "next_sentence": True}
    assert digest(folder, **given, **others) == first
    assert digest(folder, train={**SOURCE, "origin": "its publisher"}, **given) == first
    assert digest(folder, "dev", held_out_similarity=0.5) == dev
    assert digest(folder, held_out_similarity=0.5) == digest(folder)
    moved = tmp_path_factory.mktemp("moved")
    for path in folder.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    assert digest(moved, **given) == first


def test_the_digest_depends_on_which_file_has_which_content(folder):
    write(folder / "many" / "a.txt", ["甲"])
    write(folder / "many" / "b.txt", ["乙"])
    given = {"train": {"path": "many", "members": ["*.txt"], "exclude": ["c*"]}}
    first = digest(folder, **given)
    for ignored in ("c.txt", "d.md", ".hidden.txt"):
        write(folder / "many" / ignored, ["丙"])
    assert digest(folder, **given) == first
    write(folder / "many" / "a.txt", ["乙"])
    write(folder / "many" / "b.txt", ["甲"])
    assert digest(folder, **given) != first
    write(folder / "many" / "deep" / "e.txt", ["甲"])
    assert len({first, digest(folder, **given), digest(folder, train=given["train"], seed=2)}) == 3


def test_splits_of_the_same_files_have_different_digests_if_they_differ(folder):
    keys = {"dev": SOURCE, "held_out": "dev.txt"}
    assert digest(folder, **keys) != digest(folder, "dev", **keys)


# ---- what is broken


def bad_and_good(path: Path) -> None:
    rows = [{"text": random_line(1)}, {"wrong": "甲"}, {"text": random_line(2)}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_bad_rows_are_named_and_stop_or_are_skipped(folder):
    bad_and_good(folder / "rows.jsonl")
    found = load_documents(section(folder, [{"path": "rows.jsonl", "columns": ["text"]}, SOURCE]), "train", 1)
    assert len(found.examples) == 12
    assert [(Path(row.file).name, row.line) for row in found.bad_rows] == [("rows.jsonl", 2)]
    with pytest.raises(DataError, match=r"data\.train: 1 of 13 rows cannot be used:\n.*rows\.jsonl:2: no field 'text'"):
        require_good(found, "stop")
    assert require_good(found, "skip") is found


@pytest.fixture
def looked_through(tmp_path, monkeypatch):
    """Keep what is found of texts of any size, and count the times that texts are looked through."""
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(corpora, "MIN_CACHED_CHARACTERS", 0)
    calls: list[int] = []
    find = NearDuplicates.find
    monkeypatch.setattr(NearDuplicates, "find", lambda *given: calls.append(1) or find(*given))
    return calls


def test_results_of_the_held_out_search_are_cached(folder, looked_through):
    (folder / "held_out.txt").write_text(random_line(3) + "\n", encoding="utf-8")
    given = section(folder, held_out="held_out.txt")
    first = load_documents(given, "train", 0)
    assert looked_through
    assert first.n_dropped_lines == 1
    looked_through.clear()
    again = load_documents(given, "train", 0)
    assert not looked_through
    assert (lines_of(again), again.n_dropped_lines) == (lines_of(first), 1)


@pytest.mark.parametrize("change", ["held_out", "train", "held_out_similarity", "entry"])
def test_the_search_is_repeated_if_any_input_changes(folder, looked_through, change):
    (folder / "held_out.txt").write_text(random_line(3) + "\n", encoding="utf-8")
    load_documents(section(folder, held_out="held_out.txt"), "train", 0)
    looked_through.clear()
    if change == "held_out":
        (folder / "held_out.txt").write_text(random_line(4) + "\n", encoding="utf-8")
    elif change == "train":
        write(folder / "train.txt", [random_line(3)], [random_line(5)])
    elif change == "entry":
        for entry in (folder / "cache").iterdir():
            np.savez(entry, found=np.zeros(1, bool))
    similarity = 0.7 if change == "held_out_similarity" else 0.8
    found = load_documents(section(folder, held_out="held_out.txt", held_out_similarity=similarity), "train", 0)
    assert looked_through
    assert found.n_dropped_lines == 1
    assert random_line(4 if change == "held_out" else 3) not in {line for lines in lines_of(found) for line in lines}


@pytest.mark.parametrize("on_bad_row", ["stop", "skip"])
def test_bad_rows_of_held_out_sources_are_errors(folder, on_bad_row):
    bad_and_good(folder / "held.jsonl")
    given = section(folder, held_out={"path": "held.jsonl", "columns": ["text"]}, on_bad_row=on_bad_row)
    with pytest.raises(DataError, match=r"data\.held_out: .*held\.jsonl:2: no field 'text'"):
        load_documents(given, "train", 1)
    assert load_documents(given, "dev", 1).examples


@pytest.mark.parametrize("where", ["train", "dev", "held_out"])
def test_a_missing_file_is_named(folder, where):
    given = section(folder, **{where: "trian.txt"})
    with pytest.raises(DataError, match=r"trian\.txt: no such file or folder; did you mean '.*train\.txt'"):
        load_documents(given, "dev" if where == "dev" else "train", 1)


def test_a_split_that_is_not_configured_has_no_sources(folder):
    given = section(folder)
    assert (given.has("train"), given.has("test")) == (True, False)
    assert given.sources("test") == ()
    assert [source.path for source in given.sources("dev")] == ["dev.txt"]


def test_a_split_needs_at_least_one_source(folder):
    with pytest.raises(ConfigError, match=r"(?s)train: .*at least 1 item.*dev: .*at least 1 item"):
        section(folder, [], [])


def test_the_section_gives_its_masking():
    found = validate({"rate": 0.2, "mask_prob": 0.5, "random_prob": 0.5}, MaskingSection, "data.masking")
    assert found.masking == Masking(0.2, 0.5, 0.5)
    assert validate({}, MaskingSection, "data.masking").masking == Masking()


@pytest.mark.parametrize("probs", [{"mask_prob": 1.0}, {"mask_prob": 0.6, "random_prob": 0.5}])
def test_masking_probabilities_above_one_are_refused(folder, probs):
    with pytest.raises(ConfigError, match=r"masking: expected mask_prob \+ random_prob of at most 1"):
        section(folder, masking=probs)
