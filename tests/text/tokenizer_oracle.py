"""Our tokenizer against PaddleNLP's two tokenizers on the texts of the data folder.

`python -m tests.text.tokenizer_oracle` compares all of them and prints the tables of docs/tokenizer.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import json
import os
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer, learn_vocabulary

DATA = Path(os.environ.get("PADDLE_TASKS_DATA", Path(__file__).parents[3] / "shared" / "data"))
BATCH = 1000
NO_LIMIT = 10**6
NO_TEXT = {"id", "label", "label_des", "label_desc", "url", "version"}

Read = Callable[[Path, int], Iterator[str]]


def column(*indices: int, header: bool = False) -> Read:
    def read(path: Path, every: int) -> Iterator[str]:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig") as file:
            for line in itertools.islice(file, int(header), None, every):
                cells = line.rstrip("\n").split("\t")
                yield from (cells[index] for index in indices if index < len(cells))

    return read


def spaced(path: Path, every: int) -> Iterator[str]:
    for line in column(0)(path, every):
        yield line.split("####")[0].replace(" ", "")


def json_strings(path: Path, every: int) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        if path.name.startswith("cmrc"):  # one document
            yield from itertools.islice(strings(json.load(file)), 0, None, every)
            return
        for line in itertools.islice(file, 0, None, every):
            yield from strings(json.loads(line)) if line.strip() else ()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings([inner for key, inner in value.items() if key not in NO_TEXT])
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def table(column_index: int) -> Read:
    def read(path: Path, every: int) -> Iterator[str]:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                text = archive.read(archive.namelist()[0]).decode("utf-8-sig")
        else:
            text = path.read_text(encoding="utf-8-sig")
        return (row[column_index] for row in itertools.islice(csv.reader(io.StringIO(text)), 1, None, every))

    return read


def archive(whole_files: bool) -> Read:
    def read(path: Path, every: int) -> Iterator[str]:
        with tarfile.open(path, "r|gz") as tar:
            members = (member for member in tar if member.name.endswith(".txt"))
            for member in itertools.islice(members, 0, None, every):
                text = tar.extractfile(member).read().decode("utf-8")
                yield from [text] if whole_files else text.split("\n")

    return read


SOURCES: dict[str, tuple[str, Read]] = {
    "ChnSentiCorp, test": ("sentiment/chnsenticorp/test.tsv", column(1, header=True)),
    "ChnSentiCorp, train and dev": ("sentiment/chnsenticorp/*[!t].tsv", column(1, header=True)),
    "IMDb": ("sentiment/imdb/*.tar.gz", archive(whole_files=True)),
    "online_shopping_10_cats": ("sentiment/unlabelled/*.zip", table(2)),
    "EPRSTMT, unlabelled": ("sentiment/unlabelled/*.json", json_strings),
    "THUCNews titles": ("news/thucnews_titles/[td]*.txt", column(0)),
    "TNEWS, tsv": ("clue/tnews/*.tsv", column(0)),
    "TNEWS, json with keywords": ("clue/tnews/dev.json", json_strings),
    "IFLYTEK": ("clue/iflytek/*.json", json_strings),
    "AFQMC": ("clue/afqmc/*.txt", column(0, 1)),
    "restaurant_aste": ("opinion/restaurant_aste/*.txt", spaced),
    "COTE-BD": ("opinion/cote_bd/*.txt", json_strings),
    "makeup_reviews": ("opinion/makeup_reviews/*_reviews.csv", table(1)),
    "modern_chinese_target": ("corpus/*.tar.gz", archive(whole_files=False)),
    "CLUECorpusSmall": ("corpus/*.txt", column(0)),
    "CMRC 2018": ("corpus/cmrc*.json", json_strings),
    "Chinese Wikipedia": ("corpus/*.jsonl", json_strings),
    "vernacular novels": ("novels/*.tar.gz", archive(whole_files=False)),
    "four novels": ("novels/*.txt", column(0)),
    "translation": ("translation/*.tsv.gz", column(1, 2, header=True)),
    "CA8": ("word2vec/*.txt", column(0)),
}


def texts_of(name: str, every: int) -> Iterator[str]:
    """Yield every n-th text of a set (of an archive the texts of every n-th file)."""
    pattern, read = SOURCES[name]
    for path in sorted(DATA.glob(pattern)):
        yield from read(path, every)


def batches(texts: Iterable[str], size: int = BATCH) -> Iterator[list[str]]:
    rest = iter(texts)
    while batch := list(itertools.islice(rest, size)):
        yield batch


def pieces_vocabulary(texts: Iterable[str]) -> list[str]:
    """Learn characters and frequent words, and add the ends of words as word pieces."""
    learnt = learn_vocabulary(texts, min_count=2, min_word_count=5)
    words = [entry for entry in learnt if entry.isalnum() and len(entry) > 2]
    ends = Counter(f"##{word[-length:]}" for word in words for length in (2, 3))
    return list(dict.fromkeys([*learnt, *sorted(ends)]))


class Paddlenlp:
    """PaddleNLP's fast and slow BERT tokenizer from a folder that our tokenizer has saved."""

    def __init__(self, ours: Tokenizer) -> None:
        from paddlenlp.transformers import BertTokenizer
        from paddlenlp.transformers.bert.tokenizer_fast import BertTokenizerFast

        self.folder = (
            tempfile.TemporaryDirectory()
        )  # the slow tokenizer copies its vocabulary from there when it is saved
        ours.save(Path(self.folder.name))
        self.fast = BertTokenizerFast.from_pretrained(self.folder.name)
        self.slow = BertTokenizer.from_pretrained(self.folder.name)

    def encode(self, texts: list[str], pairs: list[str] | None, max_length: int) -> list[tuple[Any, Any, Any]]:
        found = self.fast(
            texts,
            text_pair=pairs,
            max_length=max_length,
            truncation=True,
            return_offsets_mapping=True,
            return_token_type_ids=True,
        )
        return list(zip(found["input_ids"], found["token_type_ids"], found["offset_mapping"], strict=True))

    def slow_ids(self, text: str) -> list[int]:
        return list(self.slow(text)["input_ids"])


def differing(ours: Tokenizer, theirs: Paddlenlp, texts: list[str], pairs: list[str] | None, limit: int) -> list[str]:
    """Return the texts for which `encode` or `encode_packed` differs from the fast tokenizer."""
    mine = ours.encode(texts, pairs, max_length=limit)
    packed = rows_of(ours.encode_packed(texts, pairs, max_length=limit))
    expected = theirs.encode(texts, pairs, limit)
    rows = zip(texts, mine, packed, expected, strict=True)
    return [text for text, a, b, c in rows if not is_equal(a, c) or b != (list(c[0]), list(c[1]))]


def rows_of(packed: PackedIds) -> list[tuple[list[int], list[int]]]:
    """Return ids and token types of each row."""
    types = np.zeros_like(packed.input_ids) if packed.token_type_ids is None else packed.token_type_ids
    return [(packed.input_ids[a:b].tolist(), types[a:b].tolist()) for a, b in itertools.pairwise(packed.offsets)]


def is_equal(mine: Any, expected: tuple[Any, Any, Any]) -> bool:
    found = (mine.input_ids.tolist(), mine.token_type_ids.tolist(), [tuple(o) for o in mine.offsets.tolist()])
    return found == (list(expected[0]), list(expected[1]), [tuple(o) for o in expected[2]])


def compare(ours: Tokenizer, theirs: Paddlenlp, name: str, every: int) -> tuple[int, int, int]:
    """Return the numbers of texts, characters and differences; every tenth batch is also compared in pairs."""
    n_texts = n_characters = n_differences = 0
    for number, batch in enumerate(batches(texts_of(name, every))):
        n_differences += len(differing(ours, theirs, batch, None, NO_LIMIT))
        if number % 10 == 0:
            n_differences += len(differing(ours, theirs, batch, [*batch[1:], ""], 64))
        n_texts, n_characters = n_texts + len(batch), n_characters + sum(map(len, batch))
    return n_texts, n_characters, n_differences


def is_symbol(character: str) -> bool:
    """Return whether only PaddleNLP's slow tokenizer makes a word of the character (the last five are in its list)."""
    return (unicodedata.category(character).startswith("S") and not character.isascii()) or character in "²º〇µŋ"


def compare_slow(ours: Tokenizer, theirs: Paddlenlp, name: str, every: int) -> tuple[int, int, int, Counter[str]]:
    """Return the numbers of texts, of differing texts, and of those that differ even with spaces around symbols.

    The last value is how often each symbol occurs in differing texts.
    """
    n_texts = n_differing = n_unexplained = 0
    symbols: Counter[str] = Counter()
    for text in texts_of(name, every):
        n_texts += 1
        slow = theirs.slow_ids(text)
        if ids(ours, text) == slow:
            continue
        n_differing += 1
        n_unexplained += ids(ours, "".join(f" {c} " if is_symbol(c) else c for c in text)) != slow
        symbols.update({c for c in text if is_symbol(c)})
    return n_texts, n_differing, n_unexplained, symbols


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode([text], max_length=NO_LIMIT)[0].input_ids.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="compare every n-th text")
    parser.add_argument(
        "--slow", type=int, default=20_000, help="about how many texts of a set to compare with the slow tokenizer"
    )
    parser.add_argument("--sets", nargs="*", choices=SOURCES, default=list(SOURCES), metavar="SET")
    options = parser.parse_args()
    part = itertools.chain.from_iterable(texts_of(name, 100) for name in SOURCES)
    ours = Tokenizer(pieces_vocabulary(part))
    theirs, say = Paddlenlp(ours), sys.stdout.write
    say(f"vocabulary: {len(ours)} entries\n")
    for name in options.sets:
        n_texts, n_characters, n_differences = compare(ours, theirs, name, options.every)
        say(f"| {name} | {n_texts:,} | {n_characters:,} | {n_differences} |")
        n_slow, n_other, n_unexplained, symbols = compare_slow(
            ours, theirs, name, max(options.every, -(-n_texts // options.slow))
        )
        frequent = " ".join(symbol for symbol, _ in symbols.most_common(8))
        say(f" {n_slow:,} | {n_other} | {n_unexplained} | {frequent} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
