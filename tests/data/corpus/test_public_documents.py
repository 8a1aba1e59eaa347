"""The public novels and reviews as documents."""

from __future__ import annotations

from typing import Any

import pytest

from paddle_tasks.data.corpus.chapters import assign_split, folder_number
from paddle_tasks.data.corpus.documents import Document, read_documents
from paddle_tasks.data.tables.rows import BadRow

from ...helpers import DATA, needs
from .test_documents import section

NOVELS = DATA / "novels"
ASTE = DATA / "opinion" / "restaurant_aste" / "train.txt"
needs_data = needs(NOVELS)


@needs_data
class TestPublicData:
    @pytest.mark.parametrize(
        ("book", "chapters"), [("红楼梦", 120), ("西游记", 100), ("三国演义", 120), ("水浒传", 120)]
    )
    def test_the_novels_have_all_their_chapters(self, book: str, chapters: int) -> None:
        found = {
            part: [row.where.rpartition("#第")[2] for row in self.documents(f"novels/{book}.txt", chapters=part)]
            for part in ("train", "dev", "test")
        }
        assert sorted(row for rows in found.values() for row in rows) == sorted(
            f"{n}回" for n in range(1, chapters + 1)
        )
        assert {n for n in range(1, chapters + 1) if assign_split(book, n) == "dev"} == {
            int(n[:-1]) for n in found["dev"]
        }

    def test_held_out_chapters_are_the_same_in_both_folders(self) -> None:
        archive = "novels/vernacular_novels_raw.tar.gz"
        for part in ("dev", "test"):
            one = self.documents(archive, members=["*/红楼梦/*"], chapters=part)
            other = self.documents("novels/红楼梦.txt", chapters=part)
            numbers = [folder_number(each.where.split("/")[-2]) for each in one]
            assert sorted(numbers) == [int(each.where.rpartition("#第")[2].removesuffix("回")) for each in other]
            titles = {"".join(each.lines[0].partition("回")[2].split()) for each in other}
            assert len(titles & {each.lines[0] for each in one}) > 0.8 * len(one)  # some are spelt otherwise

    def test_a_book_can_be_left_out(self) -> None:
        found = self.documents("novels/vernacular_novels_raw.tar.gz", members=["*/text.txt"], exclude=["*雍正剑侠图*"])
        assert len(found) == 2883 - 2 - 75
        assert not [each for each in found if "雍正" in each.where]

    def test_spaced_reviews_read_naturally(self) -> None:
        found = self.documents(str(ASTE), format="tsv", separator="####", columns=[0], spaced=True)
        assert len(found) == 19_485
        assert any("burger king的好吃" in each.lines[0] for each in found)

    @staticmethod
    def documents(path: str, **keys: Any) -> list[Document]:
        found = list(read_documents(section(path, **keys), DATA))
        assert not [row for row in found if isinstance(row, BadRow)]
        return [row for row in found if isinstance(row, Document)]
