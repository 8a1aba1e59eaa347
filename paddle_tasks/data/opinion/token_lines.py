"""Reviews whose spans are counted in tokens: ASTE's triplets, and a token and its tag a line as CoNLL has it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError
from paddle_tasks.text.spans import Pair, Span

SEPARATOR = "####"
# BMES and BIOES say more than BIO, which is all that is needed.
_PARTS = {"B": "B", "I": "I", "M": "I", "E": "I", "S": "B"}


def join(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return a text out of its tokens, and the characters of each.

    Only between Latin words or numbers is there a space, and not where both are single characters: these are spelt.
    """
    text, places = "", []
    for place, token in enumerate(tokens):
        if place and _are_words(tokens[place - 1], token):
            text += " "
        places.append((len(text), len(text) + len(token)))
        text += token
    return text, places


def _are_words(before: str, token: str) -> bool:
    ends = before[-1:] + token[:1]
    return len(ends) == 2 and ends.isascii() and ends.isalnum() and len(before + token) > 2


# ---- ASTE


def aste(line: str) -> Draft:
    """Parse ``c h a r s####[((a0, a1), (o0, o1), 'POS'), …]``.

    The ends are inclusive and count tokens with a space between them; (-1, -1) is an implicit aspect or opinion. A
    list of places instead of two ends, as the English data sets have it, is understood too.
    Source: Peng et al. 2020, https://arxiv.org/abs/1911.01616.

    Raises:
        DataError: it is not of this form.
    """
    head, mark, tail = line.rpartition(SEPARATOR)
    if not mark:
        raise DataError(f"expected TEXT{SEPARATOR}TRIPLETS, found {line[:40]!r}")
    tokens = head.rstrip().split(" ")
    if "" in tokens:
        raise DataError("two spaces in a row: the places of what follows cannot be told")
    text, places = join(tokens)
    pairs = [_triplet(found, places) for found in _literal(tail)]
    return Draft(text, [], pairs)


def _literal(text: str) -> list[Any]:
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise DataError(f"expected a list of triplets behind {SEPARATOR}, found {text[:40]!r}") from None
    if not isinstance(found, list):
        raise DataError(f"expected a list of triplets behind {SEPARATOR}, found {text[:40]!r}")
    return found


def _triplet(found: Any, places: Sequence[tuple[int, int]]) -> Pair:
    if not isinstance(found, tuple) or len(found) != 3 or not isinstance(found[2], str):
        raise DataError(f"expected (aspect, opinion, 'POLARITY'), found {str(found)[:60]}")
    return Pair(_at(found[0], ASPECT, places), _at(found[1], OPINION, places), found[2])


def _at(ends: Any, label: str, places: Sequence[tuple[int, int]]) -> Span | None:
    """Return the span of inclusive ends, or of the places of all its tokens."""
    if not isinstance(ends, tuple | list) or not ends or not all(type(end) is int for end in ends):
        raise DataError(f"{label}: expected (first, last), found {str(ends)[:40]}")
    first, last = ends[0], ends[-1]
    if isinstance(ends, list) and ends != list(range(first, last + 1)):
        raise DataError(f"{label}: expected places one after another, found {ends}")
    if isinstance(ends, tuple) and len(ends) != 2:
        raise DataError(f"{label}: expected (first, last), found {ends}")
    if first == last == -1:
        return None
    if not 0 <= first <= last < len(places):
        raise DataError(f"{label}: {first} to {last}: expected places from 0 to {len(places) - 1}, in their order")
    return Span(places[first][0], places[last][1], label)


# ---- CoNLL


@dataclass
class _Sentence:
    """The tokens and tags of a sentence as they are read, and the first thing that is wrong with it."""

    line: int = 0
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    wrong: BadRow | None = None


def conll(file: str, lines: Iterable[Line | BadRow]) -> Iterator[tuple[int, Draft] | BadRow]:
    """Yield the sentences of a file with a token and its tag on each line and blank lines between sentences.

    Token and tag stand apart by a tab or by spaces, in the first and the last column. The tags are BIO, read
    strictly, or BMES or BIOES. A line that cannot be read makes its sentence bad.
    """
    sentence = _Sentence()
    for line in [*lines, (0, "")]:
        if isinstance(line, BadRow):
            sentence.wrong = sentence.wrong or line
        elif line[1].strip("\r\n\t ") == "" or line[1].startswith("-DOCSTART-"):
            yield from _ended(sentence)
            sentence = _Sentence()
        else:
            _add(sentence, file, line)


def _ended(sentence: _Sentence) -> Iterator[tuple[int, Draft] | BadRow]:
    if sentence.wrong:
        yield sentence.wrong
    elif sentence.tokens:
        text, places = join(sentence.tokens)
        yield sentence.line, Draft(text, list(_spans(sentence.tags, places)), None)


def _add(sentence: _Sentence, file: str, line: Line) -> None:
    cells = line[1].split("\t") if "\t" in line[1] else line[1].split(" ")
    token, tag = cells[0] or " ", cells[-1].strip()  # a space that is a token leaves nothing before the separator
    reason = _wrong_tag(tag, sentence.tags[-1:])
    if len(cells) < 2:
        reason = f"expected a token and its tag, found {line[1][:40]!r}"
    if reason and not sentence.wrong:
        sentence.wrong = BadRow(file, line[0], reason)
    sentence.line = sentence.line or line[0]
    sentence.tokens.append(token)
    sentence.tags.append(tag)


def is_tag(tag: str) -> bool:
    """Tell whether this may be the tag of a token."""
    part, mark, label = tag.partition("-")
    return tag == "O" or (part in _PARTS and bool(mark and label))


def _wrong_tag(tag: str, before: Sequence[str]) -> str:
    """Return what is wrong with a tag behind another, or an empty string."""
    if not is_tag(tag):
        return f"expected O or a tag such as B-{ASPECT}, found {tag[:40]!r}"
    part, _, label = tag.partition("-")
    opened = bool(before) and before[0].partition("-")[2] == label and before[0][0] not in "OSE"
    if tag != "O" and _PARTS[part] == "I" and not opened:
        return f"{tag} does not follow B-{label} or I-{label}"
    return ""


def _spans(tags: Sequence[str], places: Sequence[tuple[int, int]]) -> Iterator[Span]:
    parts = [_PARTS.get(tag.partition("-")[0], "O") for tag in tags]
    for first, part in enumerate(parts):
        if part == "B":
            last = first
            while parts[last + 1 : last + 2] == ["I"]:
                last += 1
            yield Span(places[first][0], places[last][1], tags[first].partition("-")[2])
