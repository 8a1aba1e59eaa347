"""The tokenizer alone: golden ids, offsets, truncation, saving and loading. See test_tokenizer_paddlenlp.py too."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError, DataError, SetupError
from paddle_tasks.text import tokenizer as module
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer, learn_vocabulary
from paddle_tasks.text.vocabulary import read_vocabulary

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "wordpiece.json").read_text(encoding="utf-8"))
CJK = range(0x4E00, 0xA000)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(read_vocabulary(GOLDEN / "vocab.txt"))


def encoded(tokenizer, case):
    pairs = None if case["pair"] is None else [case["pair"]]
    return tokenizer.encode([case["text"]], pairs, max_length=case["max_length"])[0]


def as_lists(found):
    return found.input_ids.tolist(), found.token_type_ids.tolist(), found.offsets.tolist()


def expected(case):
    return case["input_ids"], case["token_type_ids"], case["offsets"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["text"][:12]))
def test_golden(tokenizer, case):
    found = encoded(tokenizer, case)
    assert as_lists(found) == expected(case)
    assert {found.input_ids.dtype, found.token_type_ids.dtype, found.offsets.dtype} == {np.dtype(np.int32)}
    assert found.offsets.shape == (len(found.input_ids), 2)


def test_the_golden_cases_tell_a_wrong_setting():
    cased = Tokenizer(read_vocabulary(GOLDEN / "vocab.txt"), lowercase=False)
    assert sum(as_lists(encoded(cased, case)) != expected(case) for case in CASES) >= 2


# ---- properties

any_text = st.text(st.one_of(st.characters(), st.sampled_from("你好ＡéÉİ \u3000\u0301～😀\u200d\ud83d한")), max_size=60)


def made_for(*texts, **options):
    return Tokenizer(learn_vocabulary(texts, **options), lowercase=options.get("lowercase", True))


@given(any_text, st.booleans())
def test_offsets_are_monotone_and_inside_the_text(text, lowercase):
    offsets = made_for(text, lowercase=lowercase).encode([text], max_length=1000)[0].offsets[1:-1]
    starts, ends = offsets[:, 0], offsets[:, 1]
    assert np.all(starts < ends)
    assert np.all(np.diff(starts) >= 0)
    assert np.all(np.diff(ends) >= 0)
    assert offsets.size == 0 or (starts[0] >= 0 and ends[-1] <= len(text))


@given(st.text(st.sampled_from("我你好的abcABCéÀ，。 \u3000～1２\u0301\u200b\x00豈😀"), max_size=60), st.booleans())
def test_a_chinese_token_stands_where_its_offsets_say(text, lowercase):
    tokenizer = made_for(text, lowercase=lowercase)
    found = tokenizer.encode([text], max_length=1000)[0]
    tokens = [tokenizer.vocabulary[i] for i in found.input_ids]
    chinese = [(token, o) for token, o in zip(tokens, found.offsets, strict=True) if ord(token[0]) in CJK]
    assert [text[start:end] for _, (start, end) in chinese] == [token for token, _ in chinese]
    assert len(chinese) == sum(ord(c) in CJK for c in text)


@given(st.text(st.sampled_from("abcABC你éÀçÑ1２"), max_size=60))
def test_letters_stand_where_their_offsets_say_though_accents_went(text):
    tokenizer = made_for(text)
    found = tokenizer.encode([text], max_length=1000)[0]
    for token_id, (start, end) in list(zip(found.input_ids, found.offsets, strict=True))[1:-1]:
        plain = unicodedata.normalize("NFD", text[start:end].lower())[:1]
        assert tokenizer.vocabulary[token_id].removeprefix("##") == plain


@given(st.lists(st.tuples(any_text, any_text), min_size=1, max_size=5), st.integers(3, 20))
def test_a_batch_equals_its_texts_one_by_one(rows, max_length):
    firsts, seconds = [a for a, _ in rows], [b for _, b in rows]
    tokenizer = made_for(*firsts)
    alone = [tokenizer.encode([a], max_length=max_length)[0] for a in firsts]
    assert list(map(as_lists, tokenizer.encode(firsts, max_length=max_length))) == list(map(as_lists, alone))
    paired = [tokenizer.encode([a], [b], max_length=max_length)[0] for a, b in rows]
    together = tokenizer.encode(firsts, seconds, max_length=max_length)
    assert list(map(as_lists, together)) == list(map(as_lists, paired))


@given(any_text, any_text, st.integers(3, 20))
def test_truncation_cuts_tails_and_leaves_no_place_unused(a, b, max_length):
    tokenizer = made_for(a, b)
    whole = tokenizer.encode([a], [b], max_length=1000)[0]
    cut = tokenizer.encode([a], [b], max_length=max_length)[0]
    assert len(cut.input_ids) == min(max_length, len(whole.input_ids))
    for segment in (0, 1):
        kept = cut.input_ids[cut.token_type_ids == segment]
        of_whole = whole.input_ids[whole.token_type_ids == segment]
        assert kept[-1] == tokenizer.sep_id
        assert kept[:-1].tolist() == of_whole[: len(kept) - 1].tolist()


# ---- behaviour


def test_special_tokens_have_their_ids_wherever_they_stand(tokenizer):
    ids = [tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id]
    assert [tokenizer.vocabulary[i] for i in ids] == list(SPECIAL_TOKENS)
    assert tokenizer.unk_id == len(tokenizer) - 1
    found = tokenizer.encode(["".join(SPECIAL_TOKENS)], max_length=10)[0]
    assert found.input_ids.tolist() == [tokenizer.cls_id, *ids, tokenizer.sep_id]
    assert found.offsets[5].tolist() == [20, 26]


def test_a_large_batch_is_cut_into_chunks(tokenizer, monkeypatch):
    texts = ["我", "爱北京", "", "世界", "你好", "店"] * 2
    whole = list(map(as_lists, tokenizer.encode(texts, texts[::-1], max_length=8)))
    monkeypatch.setattr(module, "CHUNK_SIZE", 5)
    assert list(map(as_lists, tokenizer.encode(texts, texts[::-1], max_length=8))) == whole
    assert tokenizer.encode([], max_length=8) == []


def test_a_lone_surrogate_is_dropped_and_offsets_hold(tokenizer):
    found = tokenizer.encode(["我\ud83d爱"], max_length=8)[0]
    assert found.input_ids.tolist() == tokenizer.encode(["我爱"], max_length=8)[0].input_ids.tolist()
    assert found.offsets.tolist() == [[0, 0], [0, 1], [2, 3], [0, 0]]


def test_threads_may_share_a_tokenizer(tokenizer):
    texts = ["这家酒店的早餐很好，房间也干净！" * 20] * 50
    lengths = [8, 64, 300] * 10
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: tokenizer.encode(texts, max_length=n), lengths))
    assert [{len(e.input_ids) for e in batch} for batch in found] == [{n} for n in lengths]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"texts": "我爱", "max_length": 8}, TypeError, "found a single text"),
        ({"texts": ["我"], "pairs": "爱", "max_length": 8}, TypeError, "found a single text"),
        ({"texts": ["我"], "pairs": [], "max_length": 8}, ValueError, "found 0 for 1"),
        ({"texts": ["我"], "max_length": 1}, ConfigError, r"at least 2 .*found 1"),
        ({"texts": ["我"], "pairs": ["爱"], "max_length": 2}, ConfigError, r"at least 3 .*found 2"),
    ],
)
def test_wrong_calls_are_refused(tokenizer, arguments, error, message):
    with pytest.raises(error, match=message):
        tokenizer.encode(**arguments)


def test_the_module_needs_neither_paddle_nor_paddlenlp():
    code = "import sys, paddle_tasks.text.tokenizer; sys.exit(bool({'paddle', 'paddlenlp'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


# ---- files


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))), st.booleans())
def test_a_saved_tokenizer_loads_with_the_same_fingerprint(tmp_path_factory, entries, lowercase):
    saved = Tokenizer(list(dict.fromkeys([*SPECIAL_TOKENS, *entries])), lowercase=lowercase)
    folder = tmp_path_factory.mktemp("tokenizer") / "model"
    saved.save(folder)
    loaded = Tokenizer.load(folder)
    assert (loaded.vocabulary, loaded.lowercase, loaded.fingerprint) == (
        saved.vocabulary,
        saved.lowercase,
        saved.fingerprint,
    )
    assert sorted(file.name for file in folder.iterdir()) == ["tokenizer_config.json", "vocab.txt"]


def test_the_fingerprint_tells_every_difference():
    vocabularies = [[*SPECIAL_TOKENS, "好", "的"], [*SPECIAL_TOKENS, "的", "好"], [*SPECIAL_TOKENS, "好的"]]
    made = [Tokenizer(v, lowercase=lowercase) for v in vocabularies for lowercase in (True, False)]
    assert len({tokenizer.fingerprint for tokenizer in made}) == 6


def test_a_pickled_tokenizer_gives_the_same_ids(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert all(as_lists(encoded(copy, case)) == expected(case) for case in CASES)


def folder_with(tmp_path, settings, **files):
    Tokenizer([*SPECIAL_TOKENS, "好", "a", "A"]).save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(settings, encoding="utf-8")
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(content, encoding="utf-8")
    return tmp_path


HUGGING_FACE = """{
  "added_tokens_decoder": {"0": {"content": "[PAD]", "lstrip": false, "special": true}}, "clean_up": true,
  "cls_token": {"content": "[CLS]", "__type": "AddedToken"}, "do_lower_case": false, "mask_token": "[MASK]",
  "model_max_length": 512, "never_split": null, "strip_accents": null, "tokenize_chinese_chars": true,
  "tokenizer_class": "BertTokenizer", "additional_special_tokens": null
}"""


def test_the_settings_of_other_libraries_are_followed(tmp_path):
    assert not Tokenizer.load(folder_with(tmp_path, HUGGING_FACE, added_tokens='{"[MASK]": 4}')).lowercase
    (tmp_path / "tokenizer_config.json").unlink()
    assert Tokenizer.load(tmp_path).lowercase


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object, found a list"),
        ('{"do_lower_case": "no"}', r"do_lower_case is 'no', expected True or False"),
        ('{"strip_accents": false}', "strip_accents is False, expected None or True"),
        ('{"do_lower_case": false, "strip_accents": true}', "strip_accents is True, expected None or False"),
        ('{"tokenize_chinese_chars": false}', "tokenize_chinese_chars is False"),
        ('{"do_basic_tokenize": false}', "do_basic_tokenize is False"),
        ('{"never_split": ["好"]}', "never_split is"),
        ('{"cls_token": "<s>"}', r"cls_token is '<s>', expected '\[CLS\]'"),
        ('{"additional_special_tokens": ["[E1]"]}', r"found '\[E1\]'"),
        ('{"added_tokens_decoder": true}', "found 'True'"),
        ('{"additional_special_tokens": "新"}', "found '新'"),
        ('{"added_tokens_decoder": {"9": {"content": "新"}}}', "found '新'"),
    ],
)
def test_settings_that_would_change_the_ids_are_refused(tmp_path, settings, message):
    with pytest.raises(DataError, match=message):
        Tokenizer.load(folder_with(tmp_path, settings))


def test_tokens_added_beside_the_vocabulary_are_refused(tmp_path):
    with pytest.raises(DataError, match="found '新'"):
        Tokenizer.load(folder_with(tmp_path, "{}", added_tokens='{"新": 8}'))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SetupError, match="no such folder"):
        Tokenizer.load(tmp_path / "model")
