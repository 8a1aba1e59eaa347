"""Shipped stories and pairs of sentences: complete, free of repetitions, and in nothing that was published."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import pytest

from paddle_tasks.data.corpus.analogies import read_analogies
from paddle_tasks.data.corpus.chapters import heading_number, split_chapters
from paddle_tasks.data.corpus.documents import CorpusSection, read_documents
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.metrics.generated_text import repeated_share
from paddle_tasks.text.copied_text import KnownTexts

from .helpers import DATA
from .test_samples import SPLITS, cells, lines, near_duplicates, repeated

# ---- the stories

STORIES = {"义渡记": ("回", 6000), "修表铺": ("章", 4000)}
"""The unit of the headings and the minimum number of characters of each story."""
each_story = pytest.mark.parametrize("story", STORIES)


def story_lines(story: str) -> list[str]:
    return (SAMPLES / "novel" / f"{story}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


def chapters_of(story: str, split: str) -> set[int]:
    section = CorpusSection(path="builtin/novel", members=(f"{story}.txt",), chapters=split)
    return {heading_number(document.lines[0]) for document in read_documents(section, Path())}


def test_every_story_is_checked_here():
    assert {path.stem for path in (SAMPLES / "novel").glob("*.txt")} == set(STORIES)


@each_story
def test_stories_have_eight_chapters_of_similar_lengths(story):
    unit, min_length = STORIES[story]
    chapters = [(number, "".join(lines)) for number, lines in split_chapters(story_lines(story))]
    assert [number for number, _ in chapters] == list(range(1, 9))
    assert all(
        text.startswith(f"第{numeral}{unit} ") for numeral, (_, text) in zip("一二三四五六七八", chapters, strict=True)
    )
    lengths = [len(text) for _, text in chapters]
    assert sum(lengths) >= min_length
    assert max(lengths) < 1.5 * min(lengths)


@each_story
def test_stories_have_a_dev_and_a_test_chapter(story):
    parts = [chapters_of(story, split) for split in SPLITS]
    assert list(map(len, parts)) == [6, 1, 1]
    assert set().union(*parts) == set(range(1, 9))


@each_story
def test_stories_are_chinese_prose_without_repetitions(story):
    lines = story_lines(story)
    assert all(line and line == line.strip() for line in lines)
    assert not re.search(r"[^\n\u4e00-\u9fffLM，。、；：！？…“”‘’《》 ]", "\n".join(lines))
    assert not repeated(lines)
    text = "".join(line for line in lines if heading_number(line) is None)
    assert repeated_share([text], 8) < 0.005
    for opening, closing in ("“”", "‘’", "《》"):
        assert all(line.count(opening) == line.count(closing) for line in lines)


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "novels").is_dir(), reason=f"no novels in {DATA}")
def test_no_passage_of_a_story_is_from_a_published_novel():
    archive = CorpusSection(path="novels/vernacular_novels_raw.tar.gz", members=("*/text.txt",), markup=True)
    books = CorpusSection(path="novels", members=("*.txt",))
    known = KnownTexts("".join(d.lines) for section in (archive, books) for d in read_documents(section, DATA))
    for story in STORIES:
        text = "\n".join(line for line in story_lines(story) if heading_number(line) is None)
        text = re.sub("[^。！？”]*且听下回分解。", "", text)  # the usual end of a chapter
        start, end = known.find(text).longest()
        assert end - start < 12, text[start:end]
    assert known.find("滚滚长江东逝水，浪花淘尽英雄").longest() == (0, 14)


# ---- translate


PAIR_ROWS = [row for split in SPLITS for row in cells("translate", split)]


def test_pairs_of_sentences_are_of_twelve_works():
    assert {lines(split, "translate")[0] for split in SPLITS} == {"book\tclassical\tmodern"}
    assert [len(cells("translate", split)) for split in SPLITS] == [240, 30, 30]
    assert sorted(Counter(book for book, _classical, _modern in PAIR_ROWS).values()) == [25] * 12
    assert {book for book, *_texts in cells("translate", "test")} == {book for book, *_texts in PAIR_ROWS}


def test_pairs_of_sentences_are_different_and_short():
    for column, longest in ((1, 48), (2, 80)):
        texts = [row[column] for row in PAIR_ROWS]
        assert not repeated(texts)
        assert 4 <= min(map(len, texts)) <= max(map(len, texts)) <= longest
        assert not list(near_duplicates(texts, 0.5))
    assert not [row for row in PAIR_ROWS if row[1] == row[2]]
    assert all(classical[-1] in "。！？；”" and modern[-1] in "。！？；”" for _book, classical, modern in PAIR_ROWS)


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "translation").is_dir(), reason=f"no translations in {DATA}")
def test_no_pair_of_sentences_is_from_published_ones():
    published = "\n".join(
        gzip.decompress((DATA / "translation" / f"{split}.tsv.gz").read_bytes()).decode() for split in SPLITS
    )
    known = KnownTexts([published])
    for _book, *texts in PAIR_ROWS:
        for text in texts:
            start, end = known.find(text).longest()
            assert end - start < 11, text[start:end]


# ---- word2vec

QUESTIONS = {split: list(read_analogies(SAMPLES / "word2vec" / f"{split}.txt")) for split in ("dev", "test")}


def test_sample_questions_have_four_words_and_are_in_one_split():
    words = {split: [question.words for question in questions] for split, questions in QUESTIONS.items()}
    assert {split: len(questions) for split, questions in words.items()} == {"dev": 7, "test": 6}
    assert all(len(set(question)) == 4 for questions in words.values() for question in questions)
    assert not set(words["dev"]) & set(words["test"])
    counts = Counter(question.section for question in QUESTIONS["dev"] + QUESTIONS["test"])
    readme = (SAMPLES / "word2vec" / "README.md").read_text(encoding="utf-8")
    assert all(section in readme for section in counts)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the data sets in {DATA}")
def test_sample_questions_are_not_those_of_the_benchmark():
    files = (DATA / "word2vec").glob("ca8_*.txt")
    published = {question.words for file in files for question in read_analogies(file)}
    assert len(published) > 10_000
    assert not published & {question.words for questions in QUESTIONS.values() for question in questions}
