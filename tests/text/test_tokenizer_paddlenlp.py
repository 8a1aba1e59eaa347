"""The tokenizer against PaddleNLP's: the texts of the data folder, any Unicode, truncation, saved folders."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer, learn_vocabulary
from tests.text import tokenizer_oracle as oracle

GOLDEN = Path(__file__).parent / "golden"
EVERY = 997  # a prime, so that no pattern in a file's order hides anything
needs_data = pytest.mark.skipif(
    not oracle.DATA.is_dir(), reason=f"no data folder {oracle.DATA}; PADDLE_TASKS_DATA may name another"
)


@pytest.fixture(scope="module")
def samples():
    return {name: list(oracle.texts_of(name, EVERY)) for name in oracle.SOURCES}


@pytest.fixture(scope="module")
def ours(samples):
    """Characters seen twice and word pieces, so that whole words, pieces and [UNK] all occur."""
    return Tokenizer(oracle.pieces_vocabulary(itertools.chain.from_iterable(samples.values())))


@pytest.fixture(scope="module")
def theirs(ours):
    return oracle.Paddlenlp(ours)


@pytest.fixture(scope="module")
def golden():
    return Tokenizer.load(GOLDEN)


@pytest.fixture(scope="module")
def golden_theirs(golden):
    return oracle.Paddlenlp(golden)


@pytest.mark.long
@needs_data
@pytest.mark.parametrize("name", oracle.SOURCES)
def test_every_set_gets_the_fast_tokenizers_ids(samples, ours, theirs, name):
    texts = samples[name]
    assert texts, f"no text of {name} found under {oracle.DATA}"
    assert oracle.differing(ours, theirs, texts, None, oracle.NO_LIMIT) == []
    assert oracle.differing(ours, theirs, texts, [*texts[1:], ""], 64) == []


@pytest.mark.long
@needs_data
def test_the_comparison_can_fail(samples, ours, theirs):
    everything = list(itertools.chain.from_iterable(samples.values()))
    cased = Tokenizer(ours.vocabulary, lowercase=False)
    assert len(oracle.differing(cased, theirs, everything, None, oracle.NO_LIMIT)) > 100
    swapped = Tokenizer([*ours.vocabulary[:5], *ours.vocabulary[6:], ours.vocabulary[5]])
    assert len(oracle.differing(swapped, theirs, everything, None, oracle.NO_LIMIT)) > 100
    ids = [encoded.input_ids for encoded in ours.encode(everything, max_length=oracle.NO_LIMIT)]
    assert sum(ours.unk_id in row for row in ids) > 10


def test_the_comparison_detects_a_wrong_table(golden, golden_theirs):
    broken = pickle.loads(pickle.dumps(golden))
    broken.word_table.values[ord("店")] = broken.unk_id
    texts = ["这家店", "这家", "店"]
    assert oracle.differing(golden, golden_theirs, texts, texts[::-1], 9) == []
    assert oracle.differing(broken, golden_theirs, texts, None, 9) == ["这家店", "店"]
    assert oracle.differing(broken, golden_theirs, texts, texts[::-1], 9) == ["这家店", "店"]


def test_the_golden_ids_are_still_paddlenlps(golden, golden_theirs):
    for case in json.loads((GOLDEN / "wordpiece.json").read_text(encoding="utf-8")):
        pairs = None if case["pair"] is None else [case["pair"]]
        found = golden_theirs.encode([case["text"]], pairs, case["max_length"])[0]
        expected = (case["input_ids"], case["token_type_ids"], [tuple(offsets) for offsets in case["offsets"]])
        assert found == expected


@pytest.fixture(scope="module", params=[True, False], ids=["lower case", "cased"])
def alphabet(request):
    """Both tokenizers over the first 12,000 characters of Unicode; the rest is [UNK] to them."""
    characters = map(chr, range(0x3000))
    mine = Tokenizer(learn_vocabulary(characters, lowercase=request.param), lowercase=request.param)
    return mine, oracle.Paddlenlp(mine)


any_text = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("你a\u0301İßſﬁ１\u200d\u3000～[]"), max_size=40
)


@settings(max_examples=300)
@given(text=any_text)
def test_any_text_gets_the_fast_tokenizers_ids(alphabet, text):
    assert oracle.differing(*alphabet, [text], None, oracle.NO_LIMIT) == []


def test_characters_of_every_block_get_the_fast_tokenizers_ids(alphabet):
    characters = [chr(c) for c in range(0, 0x30000, 23) if not 0xD800 <= c <= 0xDFFF]
    assert oracle.differing(*alphabet, [f"a{c}b{c}{c} {c}" for c in characters], None, oracle.NO_LIMIT) == []


def test_pairs_are_cut_as_the_fast_tokenizer_cuts_them(golden, golden_theirs):
    lengths = list(itertools.product(range(7), range(7)))
    firsts, seconds = ["这" * a for a, _ in lengths], ["店" * b for _, b in lengths]
    for max_length in range(4, 17):
        assert oracle.differing(golden, golden_theirs, firsts, seconds, max_length) == []


@pytest.mark.parametrize("lowercase", [True, False])
def test_paddlenlp_reads_a_saved_folder(tmp_path, lowercase):
    from paddlenlp.transformers import AutoTokenizer, BertTokenizer, ErnieTokenizer

    saved = Tokenizer([*SPECIAL_TOKENS, "好", "Abc", "abc", "É", "e"], lowercase=lowercase)
    saved.save(tmp_path)
    expected = saved.encode(["好Abc[MASK] É"], max_length=16)[0].input_ids.tolist()
    for kind in (BertTokenizer, ErnieTokenizer, AutoTokenizer):
        assert kind.from_pretrained(str(tmp_path))("好Abc[MASK] É")["input_ids"] == expected
    assert oracle.Paddlenlp(saved).encode(["好Abc[MASK] É"], None, 16)[0][0] == expected


@pytest.mark.parametrize("kind", ["fast", "slow"])
def test_a_folder_saved_by_paddlenlp_is_read(tmp_path, golden, golden_theirs, kind):
    getattr(golden_theirs, kind).save_pretrained(str(tmp_path))
    assert Tokenizer.load(tmp_path).fingerprint == golden.fingerprint
