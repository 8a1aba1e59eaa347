"""Reviews with spans counted in tokens: ASTE triplets, and CoNLL files with one token and tag per line."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError
from paddle_tasks.language import _
from paddle_tasks.text.spans import Pair, Span

SEPARATOR = "####"
# BMES and BIOES are reduced to BIO.
_BIO_PREFIX = {"B": "B", "I": "I", "M": "I", "E": "I", "S": "B"}


def join_tokens(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of a list of tokens, and the character range ``start, end`` of each token in it.

    Adjacent Latin words or numbers are separated by a space, unless both are single characters, since those are the
    characters of one word.
    """
    text, ranges = "", []
    for index, token in enumerate(tokens):
        if index and _need_space(tokens[index - 1], token):
            text += " "
        ranges.append((len(text), len(text) + len(token)))
        text += token
    return text, ranges


def _need_space(previous: str, token: str) -> bool:
    ends = previous[-1:] + token[:1]
    return len(ends) == 2 and ends.isascii() and ends.isalnum() and len(previous + token) > 2


# ---- ASTE


def parse_aste(line: str) -> Draft:
    """Parse ``c h a r s####[((a0, a1), (o0, o1), 'POS'), …]``.

    The indices are inclusive and count the tokens, which are separated by spaces; (-1, -1) is an implicit aspect or
    opinion. A list of all token indices instead of the first and last, as in the English data sets, is accepted too.
    Source: Peng et al. 2020, https://arxiv.org/abs/1911.01616.

    Raises:
        DataError: the line does not have this form.
    """
    head, separator, tail = line.rpartition(SEPARATOR)
    if not separator:
        raise DataError(_("expected {form}, found {found!r}").format(form=f"TEXT{SEPARATOR}TRIPLETS", found=line[:40]))
    tokens = head.strip().split(" ")
    if "" in tokens:
        raise DataError(_("two spaces in a row make the token indices ambiguous"))
    text, ranges = join_tokens(tokens)
    pairs = [_parse_triplet(triplet, ranges) for triplet in _parse_list(tail)]
    return Draft(text, [], pairs)


def _parse_list(text: str) -> list[Any]:
    try:
        triplets = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        triplets = None
    if not isinstance(triplets, list):
        message = _("expected a list of triplets after {separator}, found {found!r}")
        raise DataError(message.format(separator=SEPARATOR, found=text[:40]))
    return triplets


def _parse_triplet(triplet: Any, ranges: Sequence[tuple[int, int]]) -> Pair:
    if not isinstance(triplet, tuple) or len(triplet) != 3 or not isinstance(triplet[2], str):
        message = _("expected (aspect, opinion, 'POLARITY'), found {found}")
        raise DataError(message.format(found=str(triplet)[:60]))
    return Pair(_token_span(triplet[0], ASPECT, ranges), _token_span(triplet[1], OPINION, ranges), triplet[2])


def _token_span(indices: Any, label: str, ranges: Sequence[tuple[int, int]]) -> Span | None:
    """Return the span of a tuple ``(first, last)`` or a list of all token indices, or None if it is implicit."""
    if not isinstance(indices, tuple | list) or not indices or not all(type(index) is int for index in indices):
        message = _("{label}: expected (first, last), found {found}")
        raise DataError(message.format(label=label, found=str(indices)[:40]))
    first, last = indices[0], indices[-1]
    if isinstance(indices, list) and indices != list(range(first, last + 1)):
        message = _("{label}: expected consecutive token indices, found {found}")
        raise DataError(message.format(label=label, found=indices))
    if isinstance(indices, tuple) and len(indices) != 2:
        raise DataError(_("{label}: expected (first, last), found {found}").format(label=label, found=indices))
    if first == last == -1:
        return None
    if not 0 <= first <= last < len(ranges):
        message = _("{label}: {first} to {last}: expected token indices from 0 to {largest}, in order")
        raise DataError(message.format(label=label, first=first, last=last, largest=len(ranges) - 1))
    return Span(ranges[first][0], ranges[last][1], label)


# ---- CoNLL


@dataclass
class _Sentence:
    """A sentence while it is read: its first line, tokens and tags, and the first error in it."""

    line: int = 0
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    error: BadRow | None = None


def read_conll(file: str, lines: Iterable[Line | BadRow]) -> Iterator[tuple[int, Draft] | BadRow]:
    """Yield the sentences of a file with one token and tag per line and blank lines between sentences.

    Columns are separated by a tab or by spaces. The token is the first column, the tag the last one. The tags are
    strict BIO, BMES or BIOES. A line that cannot be read makes its whole sentence bad.
    """
    sentence = _Sentence()
    for line in [*lines, (0, "")]:
        if isinstance(line, BadRow):
            sentence.error = sentence.error or line
        elif line[1].strip("\r\n\t ") == "" or line[1].startswith("-DOCSTART-"):
            yield from _finish(sentence)
            sentence = _Sentence()
        else:
            _add_token(sentence, file, line)


def _finish(sentence: _Sentence) -> Iterator[tuple[int, Draft] | BadRow]:
    if sentence.error:
        yield sentence.error
    elif sentence.tokens:
        text, ranges = join_tokens(sentence.tokens)
        yield sentence.line, Draft(text, list(_spans(sentence.tags, ranges)), None)


def _add_token(sentence: _Sentence, file: str, line: Line) -> None:
    text = line[1].rstrip()
    cells = text.split("\t") if "\t" in text else text.split(" ")
    token, tag = cells[0] or " ", cells[-1]  # a token that is a space leaves an empty first cell
    reason = _tag_error(tag, sentence.tags[-1:])
    if len(cells) < 2:
        reason = _("expected a token and its tag, found {found!r}").format(found=text[:40])
    if reason and not sentence.error:
        sentence.error = BadRow(file, line[0], reason)
    sentence.line = sentence.line or line[0]
    sentence.tokens.append(token)
    sentence.tags.append(tag)


def is_tag(tag: str) -> bool:
    """Return whether this is a valid tag, such as ``O`` or ``B-aspect``."""
    prefix, hyphen, label = tag.partition("-")
    return tag == "O" or (prefix in _BIO_PREFIX and bool(hyphen and label))


def _tag_error(tag: str, previous: Sequence[str]) -> str:
    """Return the reason why a tag cannot follow the ``previous`` one (a list of at most one), or an empty string."""
    if not is_tag(tag):
        return _("expected O or a tag such as B-{label}, found {found!r}").format(label=ASPECT, found=tag[:40])
    prefix, _hyphen, label = tag.partition("-")
    is_open = bool(previous) and previous[0].partition("-")[2] == label and previous[0][:1] not in "OSE"
    if tag != "O" and _BIO_PREFIX[prefix] == "I" and not is_open:
        return _("{tag} does not follow B-{label} or I-{label}").format(tag=tag, label=label)
    return ""


def _spans(tags: Sequence[str], ranges: Sequence[tuple[int, int]]) -> Iterator[Span]:
    prefixes = [_BIO_PREFIX.get(tag.partition("-")[0], "O") for tag in tags]
    for first, prefix in enumerate(prefixes):
        if prefix == "B":
            last = first
            while prefixes[last + 1 : last + 2] == ["I"]:
                last += 1
            yield Span(ranges[first][0], ranges[last][1], tags[first].partition("-")[2])
