"""Find the columns of a table: by a header with usual names, by the configuration, or by what the columns hold."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from paddle_tasks.data.tables.records import column_index
from paddle_tasks.data.tables.values import MISSING
from paddle_tasks.errors import DataError, join_all, join_names
from paddle_tasks.language import _, join, mark

_TEXT = (
    *("text", "text_a", "sentence", "review", "content", "comment", "title"),
    *("文本", "评论", "内容", "标题", "句子", "正文", "文章", "微博", "新闻", "评价", "评语", "短文本"),
    *("评论内容", "评价内容", "文本内容", "新闻内容", "新闻标题", "微博内容", "微博中文内容"),
    *("評論", "內容", "標題", "評價", "文字"),
    *("texts", "sentences", "reviews", "comments", "utterance", "document", "news", "headline", "tweet", "body"),
    *("message", "review_text", "review_body", "raw_text", "query", "question", "data"),
)
_LABEL = (
    *("label", "labels", "label_desc", "class", "category", "sentiment", "polarity", "标签", "类别", "情感"),
    *("分类", "类型", "情感倾向", "情感极性", "情感标签", "极性", "倾向", "情绪", "意图", "主题", "标注", "标记"),
    *("標籤", "類別", "分類", "類型", "情緒"),
    *("label_id", "class_id", "class_label", "category_id", "target", "tag", "topic", "intent", "emotion"),
    *("gold_label", "rating", "stars"),
)
_NAME = (
    *("name", "label_desc", "label_des", "label_zh", "名称"),
    *("names", "label_name", "class_name", "category_name", "description", "desc"),
    *("名字", "标签名", "标签名称", "类别名", "类别名称", "类名", "中文名", "中文名称", "说明", "描述", "含义", "名稱"),
)
_KEY = (
    *("label", "labels", "label_id", "class", "class_id", "category", "category_id", "id", "index", "key", "code"),
    *("value", "标签", "类别", "分类", "编号", "序号", "代码", "标签编号", "类别编号", "標籤", "類別", "編號"),
)
_FIRST = ("text_a", "sentence1", "s1", "query", "question1", "premise", "文本1", "句子1")
_SECOND = ("text_b", "sentence2", "s2", "title", "question2", "hypothesis", "文本2", "句子2")
_MORE_FIRST = ("sentence_a", "text1", "q1", "query1", "sent1", "文本a", "句子a", "问题1", "文本一", "句子一", "问题一")
_MORE_SECOND = ("sentence_b", "text2", "q2", "query2", "sent2", "文本b", "句子b", "问题2", "文本二", "句子二", "问题二")

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "text": _TEXT,
    "text_a": (*_FIRST, *_MORE_FIRST),
    "text_b": (*_SECOND, *_MORE_SECOND),
    "name": _NAME,
    "label_key": _KEY,
    "label": _LABEL,
}
"""The usual column names of each field; the first that occurs is taken. See `normalise_name`."""

_GUESS_ROWS = 1000
_MIN_ROWS = 3
_MAX_NAME_LENGTH = 60
"""A longer cell is no usual name; the quotes and spaces around it count too."""
_MAX_CHANCE = 0.05
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_QUOTES = "\"'`“”‘’「」『』"
_SEPARATORS = re.compile(r"[\s_\-]+")


@lru_cache(maxsize=1024)
def normalise_name(name: str) -> str:
    """Return a column's name for comparisons: without quotes, separators, and differences of case and width.

    ``"Text_A"`` in quotes, ``text a`` and ``ＴｅｘｔＡ`` all give ``texta``.
    """
    narrow = unicodedata.normalize("NFKC", name).strip("\ufeff \t")
    return _SEPARATORS.sub("", narrow.strip(_QUOTES).casefold())


def is_usual_name(name: str, fields: Sequence[str] | None = None) -> bool:
    """Return whether a name is a usual column name of one of the fields; by default, of any field."""
    if len(name) > _MAX_NAME_LENGTH:  # a text; this function is called for every cell of a file
        return False
    return any(normalise_name(name) in _usual_names(field) for field in (SYNONYMS if fields is None else fields))


@cache
def _usual_names(field: str) -> Mapping[str, None]:
    return dict.fromkeys(map(normalise_name, SYNONYMS.get(field, (field,))))


def match_names(fields: Sequence[str], names: Sequence[str], where: str) -> Mapping[str, str | int]:
    """Return the name of each field's column: its first usual name that occurs among ``names``.

    Args:
        fields: the fields.
        names: the cells of the header, or the keys of the first JSON object.
        where: the start of error messages.

    Raises:
        DataError: a field has no usual name among them.
    """
    columns = usual_columns(fields, names)
    if columns is None:
        message = _("{where}: cannot tell which columns hold {fields} among {names}; name them, as in {settings}")
        settings = " ".join(f"data.columns.{field}=NAME" for field in fields)
        values = {"fields": join_all(fields), "names": _list_names(names), "settings": settings}
        raise DataError(message.format(where=where, **values))
    return columns


def _list_names(names: Sequence[str]) -> str:
    return join_names([name if len(name) <= 40 else f"{name[:39]}…" for name in names])


def usual_columns(fields: Sequence[str], names: Sequence[str]) -> dict[str, str | int] | None:
    """Return the name of each field's column, or None if a field has no usual name among ``names``.

    A column serves one field only.
    """
    columns: dict[str, str | int] = {}
    for field in fields:
        keys = {normalise_name(name): name for name in reversed(names) if name not in columns.values()}
        present = [keys[name] for name in _usual_names(field) if name in keys]
        if not present:
            return None
        columns[field] = present[0]
    return columns


@dataclass(frozen=True)
class Table:
    """The records of a table, of which the first may be a header.

    Attributes:
        where: ``file:line`` of the first record.
        form: the format, for messages.
        rows: the cells of the records that can be read.
    """

    where: str
    form: str
    rows: Sequence[Sequence[str]]

    @property
    def first(self) -> list[str]:
        """The cells of the first record without white space at their ends."""
        return [cell.strip() for cell in self.rows[0]]

    def column(self, index: int, n_rows: int | None = None) -> list[str]:
        """Return the cells of a column, without those of records with another number of columns."""
        width = len(self.rows[0])
        return [row[index].strip() for row in self.rows[:n_rows] if len(row) == width]


@dataclass(frozen=True)
class Columns:
    """What is configured about the columns of a table.

    Attributes:
        columns: the name or index of each field's column, or None to find them.
        header: whether the first record names the columns, or None to find out.
        known_labels: labels that are never the name of a column.
    """

    columns: Mapping[str, str | int] | None
    header: bool | None
    known_labels: Collection[str] = ()


def find_columns(table: Table, fields: Sequence[str], configured: Columns) -> tuple[Mapping[str, int], bool]:
    """Return the column index of each field, and whether the first record is a header.

    Raises:
        DataError: the columns cannot be identified, or the first record may be a header but does not name them.
    """
    first = table.first
    if configured.columns:
        columns = {
            field: column_index(column, first, f"{table.where}: data.columns.{field}")
            for field, column in configured.columns.items()
        }
        return columns, _is_header(table, columns, configured)
    if configured.header or (configured.header is None and _names_columns(table, fields)):
        return {field: first.index(str(name)) for field, name in match_names(fields, first, table.where).items()}, True
    columns = _guess_columns(table, fields)
    if configured.header is None and (reason := _header_reason(table, columns["label"], configured.known_labels)):
        raise _doubtful(table, columns, reason)
    return columns, False


def _names_columns(table: Table, fields: Sequence[str]) -> bool:
    """Return whether the first record has a usual name: as a row it would add a label to the data without notice.

    A usual name that occurs again in its column, such as a class ``情感``, is no evidence unless all fields have one.
    """
    first = table.first
    if usual_columns(fields, first) is not None:
        return True
    usual = [index for index, cell in enumerate(first) if is_usual_name(cell, fields)]
    return any(first[index] not in _other_cells(table, index) for index in usual)


def _other_cells(table: Table, index: int) -> list[str]:
    """Return the cells of a column below the first record; repetitions of that record do not count."""
    width, first = len(table.rows[0]), table.first
    return [
        row[index].strip() for row in table.rows[1:] if len(row) == width and [cell.strip() for cell in row] != first
    ]


def _is_header(table: Table, columns: Mapping[str, int], configured: Columns) -> bool:
    """Return whether the first record is a header, if the columns are configured."""
    if configured.header is not None:
        return configured.header
    if any(isinstance(column, str) for column in (configured.columns or {}).values()):
        return True
    if any(is_usual_name(table.first[index], [field]) for field, index in columns.items()):
        return True
    reason = _header_reason(table, columns["label"], configured.known_labels) if "label" in columns else ""
    if reason and reason != _NAME_AMONG_NUMBERS:
        raise _doubtful(table, columns, reason)
    return bool(reason)


_NAME_AMONG_NUMBERS = mark("is a name, but all other labels are numbers")
_UNIQUE_NAME = mark("occurs in no other row")


def _header_reason(table: Table, index: int, known_labels: Collection[str]) -> str:
    """Return why the first cell of the label column may be the name of the column, or an empty string.

    It is one if it is a name among numbers. A name that occurs nowhere else may be a rare class too, unless the
    chance that the first of the rows has a label of its own is small.
    """
    label = table.first[index]
    others = [cell for cell in _other_cells(table, index) if cell and cell not in MISSING]
    if not label or not others or _NUMBER.fullmatch(label) or label in known_labels or label in others:
        return ""
    if all(_NUMBER.fullmatch(cell) for cell in others):
        return _NAME_AMONG_NUMBERS
    n_unique = sum(count == 1 for count in Counter(others).values())
    is_unlikely = n_unique == 0 or (n_unique + 1) / (len(others) + 1) <= _MAX_CHANCE
    return _UNIQUE_NAME if is_unlikely and len(others) >= _MIN_ROWS else ""


def _doubtful(table: Table, columns: Mapping[str, int], reason: str) -> DataError:
    positions = " ".join(f"data.columns.{field}={index}" for field, index in columns.items())
    message = _(
        "{where}: the first row ({names}) may be a header: {label!r} {reason}; set data.header=true {positions} if it "
        "is one, or data.header=false if it is a row"
    )
    names, label = _list_names(table.first), table.first[columns["label"]]
    return DataError(message.format(where=table.where, names=names, label=label, reason=_(reason), positions=positions))


def _guess_columns(table: Table, fields: Sequence[str]) -> dict[str, int]:
    """Return the column index of each field in a table without header.

    The column with the fewest distinct values is the label; if several have as few, one of numbers, then the one with
    the shortest cells. The other columns are the texts, in their order.
    """
    width = len(table.rows[0])
    if "label" not in fields or width != len(fields):
        message = _(
            "{where}: the first row ({names}, read as {format}) has no usual name of a column for {fields}; expected a "
            "header with such names, another data.format, or positions from 0, as in {settings}"
        )
        names, missing = _list_names(table.first), join(_missing_fields(fields, table.first))
        values = {"names": names, "format": table.form, "fields": missing, "settings": example_positions(fields)}
        raise DataError(message.format(where=table.where, **values))
    cells = [table.column(index, _GUESS_ROWS) for index in range(width)]
    label = min(range(width), key=lambda index: _label_rank(cells[index]))
    texts = (field for field in fields if field != "label")
    return {"label": label, **dict(zip(texts, (index for index in range(width) if index != label), strict=True))}


def _missing_fields(fields: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the fields without a usual name among some names; all fields if they have one each."""
    return [field for field in fields if usual_columns([field], names) is None] or list(fields)


def example_positions(fields: Sequence[str]) -> str:
    """Return settings that give the positions of columns, such as ``data.columns.text=0 data.columns.label=1``."""
    return " ".join(f"data.columns.{field}={index}" for index, field in enumerate(fields))


def _label_rank(cells: Sequence[str]) -> tuple[int, bool, int]:
    """Return a key that is smallest for the column of labels; the first cell may be the column's name."""
    are_numbers = all(_NUMBER.fullmatch(cell) or cell in MISSING for cell in (cells[1:] or cells))
    return len(set(cells)), not are_numbers, sum(map(len, cells))


def is_repeated_header(cells: Sequence[str], header: Sequence[str] | None, columns: Mapping[str, int]) -> bool:
    """Return whether a record repeats the header of its file, or is a header in a file that does not start with one.

    Args:
        cells: the record's cells.
        header: the header's cells, or None if the file does not start with a header.
        columns: the column index of each field.
    """
    if header is not None:
        # The shortest cell first: labels differ from the column's name in nearly all rows.
        pairs = sorted(zip(cells, header, strict=False), key=lambda pair: len(pair[0]))
        return len(cells) == len(header) and all(_is_same_name(cell, name) for cell, name in pairs)
    if max(columns.values()) >= len(cells):
        return False
    fields = sorted(columns, key=lambda field: len(cells[columns[field]]))
    return all(is_usual_name(cells[columns[field]], [field]) for field in fields)


def _is_same_name(cell: str, name: str) -> bool:
    return len(cell) <= len(name) + _MAX_NAME_LENGTH and normalise_name(cell) == normalise_name(name)
