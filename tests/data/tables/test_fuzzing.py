"""Damaged and odd files: every reader gives rows, bad rows or one message, and nothing else."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.config import validate
from paddle_tasks.data.corpus.documents import CorpusSection, Document, read_documents
from paddle_tasks.data.opinion.examples import OpinionExample, OpinionLayout
from paddle_tasks.data.opinion.readers import read_opinions
from paddle_tasks.data.tables.label_names import read_label_names
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import UserError
from paddle_tasks.inference.inputs import InputLayout, Inputs, read_inputs
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.vector_files import read_vectors
from paddle_tasks.text.vocabulary import SPECIAL_TOKENS

from ...fuzzing import ODD_TEXTS, damaged, examples, json_values, outcome

TABLE = 'text\tlabel\n房间很干净，下次还来\t1\n"差"\t0\n早餐太差\t0\n'
LINES = '{"text": "房间很干净", "label": 1}\n{"text": "差", "label": ["0"]}\n'
COLUMNS = [None, {"text": 0, "label": 1}, {"text": "text", "label": "label"}, {"text": 9, "label": -1}]
ENCODINGS = ["utf-8", "gb18030", "utf-16", "utf-32", "big5", "hz", "utf-7", "iso2022_jp", "cp037"]


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            packed.addfile(info, io.BytesIO(member))
    return content.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, member in members.items():
            packed.writestr(name, member)
    return content.getvalue()


REVIEWS = {
    f"aclImdb/{split}/{label}/0_{rating}.txt": b"fine<br />"
    for split in ("train", "test")
    for label, rating in (("neg", 2), ("pos", 9))
}
WHOLE = {
    "a.tsv": TABLE.encode(),
    "a.csv": TABLE.replace("\t", ",").encode(),
    "a.tsv.gz": gzip.compress(TABLE.encode()),
    "a.jsonl": LINES.encode(),
    "a.json": json.dumps([json.loads(line) for line in LINES.splitlines()]).encode(),
    "a.tar.gz": archive(REVIEWS),
}
OPINIONS = {
    "a.jsonl": b'{"text": "good food", "spans": [{"start": 0, "end": 4, "label": "x"}], "pairs": []}\n',
    "b.json": b'[{"data": {"text": "good"}, "annotations": [{"result": [{"id": "a", "type": "labels", "value": '
    b'{"start": 0, "end": 4, "labels": ["x"]}}]}]}]',
    "c.jsonl": b'{"id": 1, "text": "good", "entities": [{"id": 2, "start_offset": 0, "end_offset": 4, "label": "x"}],'
    b' "relations": []}\n',
    "d.txt": "好 B-x\n吃 I-x\n\n差 O\n".encode(),
    "e.txt": "好 吃####[((0, 0), (1, 1), 'POS')]\n".encode(),
}
CORPORA = {
    "a.txt": "第一回\n很久以前\n\n第二回\n后来\n".encode(),
    "a.zip": zipped({"x/a.txt": b"one\n", "../b.txt": b"two\n", "/c.txt": b"three\n"}),
    "a.tar.gz": archive({"x/a.txt": b"one\n", "../b.txt": b"two\n", "/c.txt": b"three\n"}),
    "a.json": b'{"content": ["a", {"content": "b&hellip;"}]}',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


def drawn_file(data: st.DataObject, folder: Path, whole: dict[str, bytes]) -> Path:
    """Write a damaged copy of one of the files."""
    name = data.draw(st.sampled_from(sorted(whole)))
    path = folder / name
    path.write_bytes(data.draw(damaged(whole[name])))
    return path


def assert_rows(found: Any, kind: type) -> None:
    """Check that a reader gave rows of a kind, and that a message is of a readable length."""
    if isinstance(found, UserError):
        assert 0 < len(str(found)) < 5000
        return
    assert all(isinstance(row, (kind, BadRow)) for row in found)
    assert all(len(str(row)) < 5000 for row in found if isinstance(row, BadRow))


@examples(300)
@given(data=st.data())
def test_rows_of_tables(folder, data):
    path = drawn_file(data, folder, WHOLE)
    layout = Layout(
        data.draw(st.sampled_from([None, "tsv", "csv", "jsonl", "imdb"])),
        data.draw(st.sampled_from(ENCODINGS)),
        data.draw(st.sampled_from([None, True, False])),
        data.draw(
            st.sampled_from(
                [None, {"text": 0, "label": 1}, {"text": "text", "label": "label"}, {"text": 9, "label": -1}]
            )
        ),
    )
    assert_rows(outcome(lambda: list(read_rows(path, ("text", "label"), layout))), Row)


CELLS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=8), json_values().map(repr))


@examples(200)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=5), separator=st.sampled_from("\t,"))
def test_tables_of_odd_cells(folder, rows, separator):
    path = folder / ("odd.tsv" if separator == "\t" else "odd.csv")
    path.write_text("\n".join(separator.join(row) for row in rows), encoding="utf-8", errors="surrogatepass")
    assert_rows(outcome(lambda: list(read_rows(path, ("text", "label"), Layout()))), Row)


@examples(200)
@given(values=st.lists(st.fixed_dictionaries({}, optional={"text": json_values(), "label": json_values()}), max_size=4))
def test_json_lines_of_odd_values(folder, values):
    path = folder / "odd.jsonl"
    path.write_text("\n".join(map(dumped, values)), encoding="utf-8")
    assert_rows(outcome(lambda: list(read_rows(path, ("text", "label"), Layout()))), Row)


def dumped(value: Any) -> str:
    """Return JSON; Python writes whole numbers of more than 4,300 digits no more than it reads them."""
    try:
        return json.dumps(value)
    except ValueError:
        return '{"text": ' + "9" * 5000 + "}"


@examples(150)
@given(data=st.data())
def test_opinions(folder, data):
    path = drawn_file(data, folder, OPINIONS)
    form = data.draw(st.sampled_from([None, "label_studio", "doccano", "conll", "aste", "cote"]))
    assert_rows(outcome(lambda: list(read_opinions(path, OpinionLayout(form)))), OpinionExample)


@examples(200)
@given(data=st.data())
def test_corpora(folder, data):
    path = drawn_file(data, folder, CORPORA)
    keys = {"columns": ["content"]} if path.suffix == ".json" else {}
    keys["encoding"] = data.draw(st.sampled_from(ENCODINGS))
    section = validate({"path": str(path), **keys}, CorpusSection, "x")
    assert_rows(outcome(lambda: list(read_documents(section, folder))), Document)


@examples(200)
@given(data=st.data())
def test_label_names(folder, data):
    names = {
        "n.csv": b"label,name\n0,a\n1,b\n",
        "n.txt": b"a\nb\n",
        "n.json": b'{"0": "a"}',
        "n.jsonl": b'{"label": 0}',
    }
    found = outcome(read_label_names, str(drawn_file(data, folder, names)))
    assert isinstance(found, (dict, UserError))


@examples(200)
@given(data=st.data())
def test_inputs_of_predictions(folder, data):
    path = drawn_file(data, folder, {**WHOLE, "a.txt": TABLE.encode()})
    layout = InputLayout(("text",), ("text", "label"))
    found = outcome(read_inputs, (), path, layout)
    assert isinstance(found, (Inputs, UserError))
    if isinstance(found, Inputs):
        outcome(lambda: found.ids)
        assert all(row.error or row.text.strip() for row in found.rows)


@examples(200)
@given(content=damaged(b"2 3\na 1 2 3\nb 0.5 1e3 -1\n"))
def test_word_vectors(folder, content):
    (folder / "v.txt").write_bytes(content)
    found = outcome(read_vectors, folder / "v.txt")
    assert isinstance(found, UserError) or len(found[0]) == len(found[1])


@examples(150)
@given(data=st.data())
def test_vocabularies_and_settings_of_tokenizers(folder, data):
    whole = "".join(f"{token}\n" for token in [*SPECIAL_TOKENS, "好", "吃"]).encode()
    (folder / "vocab.txt").write_bytes(data.draw(st.one_of(st.just(whole), damaged(whole))))
    settings = json_values() | st.dictionaries(st.sampled_from(SETTINGS), json_values(), max_size=3)
    (folder / "tokenizer_config.json").write_text(dumped(data.draw(settings)), encoding="utf-8")
    found = outcome(Tokenizer.load, folder)
    assert isinstance(found, (Tokenizer, UserError))
    if isinstance(found, Tokenizer):
        (encoded,) = found.encode([data.draw(st.text(max_size=20))], max_length=8)
        assert 2 <= len(encoded.input_ids) <= 8


SETTINGS = ["do_lower_case", "strip_accents", "never_split", "added_tokens_decoder", "additional_special_tokens"]
SETTINGS += ["cls_token", "do_basic_tokenize"]
