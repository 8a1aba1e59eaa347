"""Cached encodings: never a wrong result, whatever the folder contains, and never an error of the cache itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from paddle_tasks.data import array_cache
from paddle_tasks.data.array_cache import cache_folder
from paddle_tasks.data.batching import token_cache as module
from paddle_tasks.data.batching.token_cache import cached_encodings, cached_word_starts, cached_word_vectors
from paddle_tasks.data.corpus.passages import strip_special_tokens
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.units import word_units

TEXTS, PAIRS = ["你好，abc", "", "好\ud83d"], ["好", "你你", ""]
CHARACTERS = sum(map(len, TEXTS))
TOKENIZER = Tokenizer([*SPECIAL_TOKENS, "你", "好", "a", "##b", "##c"])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache of its own, for texts of any size."""
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(module, "MIN_CACHED_CHARACTERS", 1)
    return tmp_path / "cache"


@pytest.fixture
def tokenised(monkeypatch):
    """Count the times that texts are tokenised."""
    calls: list[int] = []
    original = Tokenizer.encode_packed
    monkeypatch.setattr(Tokenizer, "encode_packed", lambda *a, **k: calls.append(1) or original(*a, **k))
    return calls


def lists(packed):
    types = packed.token_type_ids
    return packed.input_ids.tolist(), packed.offsets.tolist(), None if types is None else types.tolist()


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def check(pairs=None, tokenizer=TOKENIZER, texts=TEXTS, max_length=9):
    found = cached_encodings(tokenizer, texts, pairs, max_length=max_length)
    assert lists(found) == lists(tokenizer.encode_packed(texts, pairs, max_length=max_length))
    return found


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["single", "pairs"])
def test_the_second_time_comes_from_disk_and_is_equal(folder, pairs, tokenised):
    first = check(pairs)
    del tokenised[:]
    second = cached_encodings(TOKENIZER, TEXTS, pairs, max_length=9)
    assert not tokenised
    assert lists(second) == lists(first)
    assert [a.dtype for a in (second.input_ids, second.offsets)] == [np.int32, np.int64]
    (entry,) = entries(folder)
    assert entry.name.startswith("tokens-")


def test_everything_that_the_ids_depend_on_changes_the_entry(folder, monkeypatch):
    cased = Tokenizer(TOKENIZER.vocabulary, lowercase=False)
    swapped = Tokenizer([*SPECIAL_TOKENS, "好", "你", "a", "##b", "##c"])
    check()
    check(max_length=4)
    check(tokenizer=cased)
    check(tokenizer=swapped)
    check(PAIRS)
    check(TEXTS)
    check(texts=TEXTS[::-1])
    check(texts=["你", "好，abc", "", "好\ud83d"])  # the same characters, otherwise cut
    check(texts=["你好，abc", "", "好\ud83d", ""])
    check(texts=["你好，abc", "", "好\ud83c"])
    monkeypatch.setattr(module, "CACHE_VERSION", 0)
    check()
    monkeypatch.setattr(module.tokenizers, "__version__", "0.0")
    check()
    assert len(entries(folder)) == 12


def test_texts_and_second_texts_are_not_interchangeable(folder):
    check(texts=["你", "好"], pairs=["a", "b"])
    check(texts=["a", "b"], pairs=["你", "好"])
    check(texts=["你", "好", "a", "b"])
    assert len(entries(folder)) == 3


def test_small_inputs_are_not_cached(folder, monkeypatch):
    monkeypatch.setattr(module, "MIN_CACHED_CHARACTERS", CHARACTERS + 1)
    check()
    assert not folder.exists()
    monkeypatch.setattr(module, "MIN_CACHED_CHARACTERS", CHARACTERS)
    check()
    assert len(entries(folder)) == 1


# ---- words


def cut(tokenizer=TOKENIZER, texts=("你好，abc", "好好你")):
    """Return where words start, as they are kept and as they are made."""
    packed = tokenizer.encode_packed(texts, max_length=9)
    ids, counts = strip_special_tokens(packed)
    found = cached_word_starts(tokenizer, texts, ids, counts)
    np.testing.assert_array_equal(found, word_units(texts, ids, counts, tokenizer.vocabulary))
    return found


def test_words_come_from_disk_the_second_time(folder, monkeypatch):
    first = cut()
    (entry,) = entries(folder)
    assert entry.name.startswith("words-")
    monkeypatch.setattr(module, "word_units", lambda *_: pytest.fail("cut again"))
    packed = TOKENIZER.encode_packed(("你好，abc", "好好你"), max_length=9)
    np.testing.assert_array_equal(
        cached_word_starts(TOKENIZER, ("你好，abc", "好好你"), *strip_special_tokens(packed)), first
    )


def test_everything_that_words_depend_on_changes_the_entry(folder, monkeypatch):
    cut()
    cut(texts=("你好，abc", "好你好"))
    cut(Tokenizer([*SPECIAL_TOKENS, "好", "你", "a", "##b", "##c"]))
    monkeypatch.setattr(module, "dictionary_version", lambda: "0")
    cut()
    assert len(entries(folder)) == 4


@pytest.mark.parametrize("starts", [np.ones(3, bool), np.ones(9, np.int8), None], ids=str)
def test_words_of_another_shape_are_computed_again(folder, starts):
    cut()
    (entry,) = entries(folder)
    np.savez(entry, **({} if starts is None else {"starts": starts}))
    cut()


def test_everything_that_word_vectors_depend_on_changes_the_entry(folder, monkeypatch):
    ids = np.tile(np.arange(6, dtype=np.int32), 40)
    starts, lines = ids % 2 == 0, np.arange(240) // 60
    calls = [(ids, starts, lines, 9, 2, 0), (ids, starts, lines, 9, 3, 0), (ids, starts, lines, 9, 2, 1)]
    calls += [(ids[::-1], starts, lines, 9, 2, 0), (ids, ids >= 0, lines, 9, 2, 0), (ids, starts, lines * 0, 9, 2, 0)]

    def found(ids, starts, lines, n_entries, size, seed):
        return cached_word_vectors(ids, starts, lines, n_entries, size=size, seed=seed)

    made = [found(*call) for call in calls]
    assert len(entries(folder)) == len(calls)
    monkeypatch.setattr(module, "learn_word_vectors", lambda *_, **__: pytest.fail("counted again"))
    for call, first in zip(calls, made, strict=True):
        np.testing.assert_array_equal(found(*call).words, first.words)
        np.testing.assert_array_equal(found(*call).vectors, first.vectors)


# ---- damage


def test_a_damaged_entry_is_computed_again(folder, tokenised):
    check(PAIRS)
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    damaged = [b"", b"no zip file", whole[:-1], whole[: len(whole) // 2], whole + b"x"]
    damaged += [
        whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :] for at in range(0, len(whole), 3) for flip in (1, 255)
    ]
    for content in damaged:
        entry.write_bytes(content)
        check(PAIRS)  # damage in a date or the like does not count
    entry.write_bytes(whole[: len(whole) // 2])
    del tokenised[:]
    cached_encodings(TOKENIZER, TEXTS, PAIRS, max_length=9)
    assert tokenised
    assert entry.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [
        {"input_ids": np.zeros(13, np.int64)},
        {"input_ids": np.full(13, 10, np.int32)},
        {"input_ids": np.full(13, -1, np.int32)},
        {"input_ids": np.zeros(12, np.int32)},
        {"offsets": np.array([0, 8, 10])},
        {"offsets": np.array([0, 8, 8, 13])},
        {"offsets": np.array([0, 8, 7, 13])},
        {"offsets": np.array([1, 8, 10, 13])},
        {"offsets": np.array([0, 8, 10, 13], np.int32)},
        {"token_type_ids": np.zeros(13, np.int8)},
        {"input_ids": np.array([None])},
    ],
    ids=str,
)
def test_an_entry_of_another_shape_is_computed_again(folder, change, tokenised):
    assert len(check().input_ids) == 13
    (entry,) = entries(folder)
    sound = {"input_ids": np.full(13, 9, np.int32), "offsets": np.array([0, 8, 10, 13])}
    np.savez(entry, **sound)
    assert (
        cached_encodings(TOKENIZER, TEXTS, max_length=9).input_ids.tolist() == [9] * 13
    )  # sound, as far as can be told
    np.savez(entry, **{**sound, **change})
    check()


@pytest.mark.parametrize("types", [None, np.zeros(12, np.int8), np.zeros(16, np.int32)], ids=str)
def test_an_entry_of_pairs_without_token_types_is_computed_again(folder, types):
    check(PAIRS)
    (entry,) = entries(folder)
    with np.load(entry) as arrays:
        kept = {name: arrays[name] for name in ("input_ids", "offsets")}
    np.savez(entry, **kept, **({} if types is None else {"token_type_ids": types}))
    check(PAIRS)


def test_a_folder_that_cannot_be_created_is_not_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path / "file" / "cache"))
    check()
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path / "file"))
    check()


def test_a_full_disk_is_not_an_error_and_leaves_no_file(folder, monkeypatch):
    def savez(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(array_cache.np, "savez", savez)
    check()
    assert entries(folder) == []


# ---- the bound


def test_the_least_recently_used_entry_is_deleted(folder, monkeypatch):
    texts = [["好" * n] for n in (50, 51, 52, 53)]
    for n, one in enumerate(texts[:3]):
        check(texts=one, max_length=99)
        now = time.time() - 100 + n
        newest = max(entries(folder), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (now, now))
    first, second, third = sorted(entries(folder), key=lambda path: path.stat().st_mtime)
    other = folder / "not-ours.npz"
    other.write_bytes(b"x" * 10_000)
    check(texts=texts[0], max_length=99)  # used again
    monkeypatch.setattr(array_cache, "MAX_BYTES", 3 * third.stat().st_size + 100)
    check(texts=texts[3], max_length=99)
    assert first.exists()
    assert not second.exists()
    assert third.exists()
    assert len(entries(folder)) == 4
    assert other.exists()


def test_arrays_larger_than_the_cache_are_not_cached(folder, monkeypatch):
    monkeypatch.setattr(array_cache, "MAX_BYTES", 20)
    check()
    assert not folder.exists()


# ---- the folder


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == tmp_path / "cache"
    for unset in ("", None):
        monkeypatch.setenv(array_cache.FOLDER_VARIABLE, unset) if unset is not None else monkeypatch.delenv(
            array_cache.FOLDER_VARIABLE
        )
        assert cache_folder() == Path("/xdg/paddle_tasks")
    for unset in ("", "relative", None):
        monkeypatch.setenv("XDG_CACHE_HOME", unset) if unset is not None else monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache_folder() == tmp_path / ".cache/paddle_tasks"
