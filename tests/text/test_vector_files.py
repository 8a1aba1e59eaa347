"""Vector files: what gensim wrote is read, what is written is read back, and damaged files are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import DataError
from paddle_tasks.text.vector_files import read_vectors, write_vectors

from ..golden.word_vectors import FOLDER

LETTERS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n␣\x00"), min_size=1, max_size=5)


def test_both_files_of_gensim_hold_the_same():
    (words, vectors), (other_words, others) = (read_vectors(FOLDER / name) for name in ("gensim.txt", "gensim.bin"))
    assert words == other_words
    assert {"全\u3000角", "a\u00a0b", "🙂", "Paris", "PARIS"} < set(words)
    assert (vectors == others).all()
    assert vectors.shape == (62, 6)


@pytest.mark.parametrize("form", ["text", "binary"])
@given(words=st.lists(LETTERS, min_size=1, max_size=6, unique=True), seed=st.integers(0, 9))
def test_what_is_written_is_read_back(tmp_path_factory, form, words, seed):
    path = tmp_path_factory.mktemp("vectors") / "v"
    vectors = np.random.default_rng(seed).normal(size=(len(words), 3)).astype(np.float32)
    write_vectors(path, words, vectors, form)
    found, values = read_vectors(path)
    assert found == words
    assert (values == vectors).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a first line with the number of words"),
        (b"2 2\na 1 2\n", "too short for|ends after"),
        (b"900000000 300\na 1 2\n", "too short for 900,000,000 vectors of 300 numbers"),
        (b"2 2\na 1 2\nb 1\n\n\n\n\n", "ends after|not in word2vec's"),
        (b"2 2\na 1 2\nb nan 1\n", "the vector of 'b' has a number that is not finite"),
        (b"1 2\na \x00\x00\x00\x00\x00\x00\x00\x00\nb \x00\x00", "not in word2vec's text or binary format"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "v")


def test_of_a_repeated_word_the_first_vector_counts(tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\na 1 2\nb 3 4\na 5 6\n")
    words, vectors = read_vectors(tmp_path / "v")
    assert (words, vectors.tolist()) == (["a", "b"], [[1, 2], [3, 4]])


def test_words_that_no_file_can_hold_are_refused(tmp_path):
    for words in (["a\nb", "c"], ["", "c"], ["a b", "a␣b"]):
        with pytest.raises(DataError, match=r"line break|differ only in a space"):
            write_vectors(tmp_path / "v", words, np.ones((2, 2), np.float32), "text")
    assert not list(tmp_path.iterdir())
