"""Chapters: their spelling, those that train has too, and parts of a split."""

from __future__ import annotations

import pytest

from paddle_tasks.data.corpus.corpora import DocumentData
from paddle_tasks.data.corpus.novels import Chapter, NovelData, load_chapters, spread, write_text
from paddle_tasks.data.corpus.overlap import shared_shares
from paddle_tasks.errors import DataError

TALE = "却说那年腊月天寒地冻，渡口无船，行人三五成群，都在亭中烤火闲谈，等候天明。"


def data(folder, **changes):
    sources = {name: [{"path": str(folder / f"{name}.txt"), "blank_lines": "part"}] for name in ("train", "dev")}
    return NovelData.model_validate({**sources, **changes}, strict=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text(f"{TALE}\n次日清晨，雪霁天晴。\n", encoding="utf-8")
    edition = TALE.replace("，", "、").replace("。", " ．")
    own = "春来江水绿如蓝，两岸桃花照眼明，渔歌互答，此乐何极。"
    (tmp_path / "dev.txt").write_text(f"{edition}\n{own}\n\n{own}他　们\n", encoding="utf-8")
    return tmp_path


def test_shares_are_those_of_windows_of_letters():
    assert shared_shares(
        [TALE, "全然不同的一段文字与前者并无相同之处", ""], [TALE.replace("，", "\n")], 12
    ).tolist() == [1, 0, 0]
    (half,) = shared_shares(["一二三四五六七八九十甲乙"], ["五六七八九十甲乙"], 4)
    assert half == pytest.approx(5 / 9)


def test_a_chapter_of_another_edition_is_left_out(folder):
    section = data(folder)
    train = load_chapters(section, "train", 0)
    dev = load_chapters(section, "dev", 0, train.examples)
    assert [len(dev.examples), len(dev.left_out)] == [1, 1]
    assert dev.counts["chapters_left_out_for_text_of_train"] == 1
    assert "1 chapters left out, since train has much of their text" in dev.remark
    whole = load_chapters(data(folder, max_overlap=None), "dev", 0, train.examples)
    assert len(whole.examples) == 2
    assert whole.sha256 != dev.sha256


def test_a_split_without_other_chapters_is_refused(folder):
    (folder / "dev.txt").write_text(TALE, encoding="utf-8")
    section = data(folder)
    train = load_chapters(section, "train", 0).examples
    with pytest.raises(DataError, match=r"data\.dev: all 1 chapters share over 20% .* data\.max_overlap=null"):
        load_chapters(section, "dev", 0, train)


def test_texts_are_written_in_one_spelling(folder):
    section = data(folder, replace={"．": "。"})
    assert write_text("他 　说．\n 好", section) == "他 说。\n好"
    assert write_text("他 　说", data(folder, spaces="dropped")) == "他说"
    assert load_chapters(section, "train", 0).examples[0].text.count("\n") == 1


def test_a_part_of_a_split_is_spread_over_it():
    chapters = [Chapter("字" * 10, str(number)) for number in range(10)]
    assert [chapter.where for chapter in spread(chapters, 30)] == ["0", "4", "9"]
    assert len(spread(chapters, 1)) == 1
    assert spread(chapters, None) == spread(chapters, 100) == chapters


def test_the_section_is_one_of_documents():
    assert issubclass(NovelData, DocumentData)
