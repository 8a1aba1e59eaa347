"""Word segmentation equals jieba's, prints nothing and leaves no files."""

from __future__ import annotations

import logging
from itertools import accumulate

import jieba
import jieba.posseg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.text import words
from paddle_tasks.text.words import can_follow, is_word, part_of_speech, tagged_spans, word_spans, word_starts
from tests.helpers import DATA, python

jieba.setLogLevel(logging.ERROR)

TEXTS = [
    "这家酒店的服务非常好，房间很干净。",
    "小明硕士毕业于中国科学院计算所，后在日本京都大学深造",
    "他来到了网易杭研大厦",  # 杭研 is in no dictionary
    "T恤和iPhone-14卖3.14元,打了50%折 C++ a.b_c&d",
    " 全角　空格\t制表\r\n换行\n\r",
    "𠮷野家 😀",
    "\x00\ufffd",
    "",
    "工信处女干事每月经过下属科室都要亲口交代24口交换机等技术性器件的安装工作",
    "的的的的了了了吗吗吗",
]
PIECES = [
    "中国",
    "人民",
    "研究生",
    "生命",
    "杭",
    "研",
    "大厦",
    "的",
    "了",
    "a",
    "B",
    "3.5",
    "%",
    "\r\n",
    " ",
    "，",
    "𠮷",
]


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text)]


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_jiebas(text):
    assert cut(text) == jieba.lcut(text)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20))
def test_words_are_jiebas_whatever_the_text(text):
    assert cut(text) == jieba.lcut(text)


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "corpus").is_dir(), reason="no corpus")
def test_words_are_jiebas_in_a_corpus():
    lines = (DATA / "corpus" / "CLUECorpusSmall_bert_sampled.txt").read_text(encoding="utf-8").splitlines()[:1000]
    assert [cut(line) for line in lines] == list(map(jieba.lcut, lines))


def test_what_users_teach_jieba_changes_nothing():
    before = cut("他来到了网易杭研大厦")
    jieba.add_word("网易杭研大厦")
    try:
        assert jieba.lcut("他来到了网易杭研大厦") != before
        assert cut("他来到了网易杭研大厦") == before
    finally:
        jieba.del_word("网易杭研大厦")


def expected_starts(texts: list[str]) -> list[bool]:
    return [place == 0 for text in texts for word in jieba.lcut(text) for place in range(len(word))]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_starts_of_many_texts(monkeypatch, chunk):
    monkeypatch.setattr(words, "CHUNK_SIZE", chunk)
    assert word_starts(TEXTS).tolist() == expected_starts(TEXTS)
    assert word_starts(["", ""]).tolist() == word_starts([]).tolist() == []
    assert word_starts(TEXTS).dtype == bool


def test_several_processes_give_the_same(monkeypatch):
    started = []
    context = words.multiprocessing.get_context
    monkeypatch.setattr(words.multiprocessing, "get_context", lambda kind: started.append(kind) or context(kind))
    monkeypatch.setattr(words, "CHUNK_SIZE", 20)
    monkeypatch.setattr(words, "MIN_PARALLEL_SIZE", 1)
    monkeypatch.setattr(words, "affine_cores", lambda: 2)
    monkeypatch.setattr(words, "can_fork", lambda: True)
    assert word_starts(TEXTS).tolist() == expected_starts(TEXTS)
    assert started == ["fork"]
    monkeypatch.setattr(words, "can_fork", lambda: False)
    assert word_starts(TEXTS).tolist() == expected_starts(TEXTS)
    assert started == ["fork"]


@pytest.mark.parametrize("text", TEXTS)
def test_tagged_spans_are_jiebas_and_cover_the_text(text):
    spans = tagged_spans(text)
    assert [(text[start:end], tag) for start, end, tag in spans] == [tuple(pair) for pair in jieba.posseg.cut(text)]
    assert "".join(text[start:end] for start, end, _ in spans) == text
    assert [end for _, end, _ in spans] == list(accumulate(end - start for start, end, _ in spans))


def test_the_dictionary():
    assert is_word("酒店")
    assert not is_word("酒店的")
    assert not is_word("")
    assert can_follow("葡", "萄的币") == [True, False, True]
    assert can_follow("", "葡，") == [True, False]
    assert [part_of_speech(word) for word in ("酒店", "北京", "葡的")] == ["n", "ns", ""]
    only_start = next(word for word, n in words.jieba_tokenizer().FREQ.items() if not n)
    assert not is_word(only_start)
    assert can_follow(only_start[:-1], only_start[-1]) == [True]


def test_it_is_quiet_and_leaves_no_trace(tmp_path):
    code = "from paddle_tasks.text.words import *; print(word_spans('酒店很好'), tagged_spans('酒店')[0][2])"
    outcome = python(f"import sys; {code}; assert 'paddle' not in sys.modules", TMPDIR=str(tmp_path))
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == "[(0, 2), (2, 3), (3, 4)] n\n"
    assert list(tmp_path.iterdir()) == []
