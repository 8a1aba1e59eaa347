"""Reviews with spans and pairs in every format; bad rows name their line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paddle_tasks.data.opinion.examples import KnownNames, OpinionLayout, normalise_polarity
from paddle_tasks.data.opinion.readers import load_opinions, opinion_format, read_opinions
from paddle_tasks.errors import DataError
from paddle_tasks.text.spans import Pair, Span

from .helpers import DEAR, GOOD, PAIRS, TASTE, TEXT, bad, good, region, task, write

OWN = {
    "text": TEXT,
    "spans": [{"start": s.start, "end": s.end, "label": s.label} for s in (TASTE, GOOD, DEAR)],
    "pairs": [
        {"aspect": 0, "opinion": 1, "polarity": "positive"},
        {"aspect": None, "opinion": 2, "polarity": "NEG"},
    ],
}
ENTITIES = [
    {"id": 7 + at, "start_offset": s.start, "end_offset": s.end, "label": s.label}
    for at, s in enumerate((TASTE, GOOD, DEAR))
]
DOCCANO = {
    "id": 1,
    "text": TEXT,
    "entities": ENTITIES,
    "relations": [
        {"id": 1, "from_id": 8, "to_id": 7, "type": "正面"},
        {"id": 2, "from_id": 9, "to_id": 9, "type": "负面"},
    ],
}


STUDIO = task(
    region("a", TASTE),
    region("b", GOOD),
    region("c", DEAR),
    {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["positive"]},
    {"id": "c", "type": "choices", "value": {"choices": ["negative"]}},
)
CONLL = "".join(
    f"{c} {t}\n"
    for c, t in zip(
        TEXT, ["B-aspect", "I-aspect", "B-opinion", "I-opinion", "O", "B-opinion", "I-opinion", "O"], strict=True
    )
)
ASTE = f"{' '.join(TEXT)}####[((0, 1), (2, 3), 'POS'), ((-1, -1), (5, 6), 'Negative')]\n"


@pytest.fixture
def file(tmp_path):
    return lambda content, name="a.txt": write(tmp_path / name, content)


# ---- the forms


@pytest.mark.parametrize(
    ("form", "content", "pairs"),
    [
        ("jsonl", [OWN], PAIRS),
        ("aste", ASTE, PAIRS),
        ("aste", "\ufeff" + ASTE, PAIRS),
        ("doccano", [DOCCANO], PAIRS),
        ("doccano", [{"text": TEXT, "label": [[s.start, s.end, s.label] for s in (DEAR, GOOD, TASTE)]}], None),
        ("label_studio", json.dumps([STUDIO]), PAIRS),
        ("label_studio", json.dumps([STUDIO], indent=2), PAIRS),
        ("label_studio", [STUDIO], PAIRS),
        ("conll", CONLL, None),
        ("conll", CONLL.replace(" ", "\t_\t"), None),
    ],
)
def test_each_format_is_recognised_and_read(file, form, content, pairs):
    path = file(content)
    assert opinion_format(path, OpinionLayout()) == form
    for layout in ({}, {"format": form}):
        (found,) = good(path, **layout)
        assert (found.text, found.spans, found.pairs) == (TEXT, (TASTE, GOOD, DEAR), pairs)
    assert found.where.startswith(f"{path}:")


def test_line_numbers_are_right_in_every_format(file):
    for content, lines in (
        ([OWN, OWN], [1, 2]),
        ("\n" + ASTE + "\n" + ASTE.rstrip(), [2, 4]),
        (CONLL + "\n\n" + CONLL, [1, 11]),
        (f"[{json.dumps(STUDIO)},\n\n{json.dumps(STUDIO)}]", [1, 3]),
    ):
        path = file(content)
        assert [row.where for row in good(path)] == [f"{path}:{line}" for line in lines]


def test_no_pairs_differs_from_pairs_not_annotated(file):
    assert good(file([{**OWN, "pairs": []}]))[0].pairs == ()
    assert good(file([{"text": TEXT, "spans": OWN["spans"]}]))[0].pairs is None
    assert good(file([{**DOCCANO, "relations": []}]))[0].pairs == ()


def test_cote_marks_all_occurrences_or_the_first(file):
    path = file([{"s": "乌镇很美，我爱乌镇", "ot": "乌镇"}])
    assert opinion_format(path, OpinionLayout()) == "cote"
    first, second = Span(0, 2, "aspect"), Span(7, 9, "aspect")
    assert good(path)[0].spans == (first, second)
    assert good(path, occurrences="first")[0].spans == (first,)
    assert load_opinions("train", str(path), OpinionLayout()).sha256 != (
        load_opinions("train", str(path), OpinionLayout(occurrences="first")).sha256
    )
    assert "does not occur in the text" in bad(file([{"s": "乌镇很美", "ot": "西塘"}]))
    assert good(file([{"s": "哈哈哈", "ot": "哈哈"}]))[0].spans == (Span(0, 2, "aspect"),)


def test_tokens_of_several_characters_give_the_right_offsets(file):
    line = "我 用 iPhone 6s ， 屏 幕 200 分 ，5 星####[((2, 3), (7, 8), 'POS'), ((-1, -1), (9, 10), 'NEU')]\n"
    (found,) = good(file(line))
    assert found.text == "我用iPhone 6s，屏幕200分，5星"
    assert [found.text[s.start : s.end] for s in found.spans] == ["iPhone 6s", "200分", "，5星"]


def test_the_lists_of_english_triplets(file):
    (found,) = good(file("The battery life is great .####[([1, 2], [4], 'POS')]\n"))
    assert [found.text[s.start : s.end] for s in found.spans] == ["battery life", "great"]


def test_conll_joins_single_characters_and_accepts_other_schemes(file):
    rows = "i B-a|p M-a|6 E-a|很 O|好 S-o|I B-a|phone I-a|6s I-a"
    (found,) = good(file("".join(row + "\n" for row in rows.split("|")), "a.conll"))
    assert found.text == "ip6很好I phone 6s"
    assert [(found.text[s.start : s.end], s.label) for s in found.spans] == [
        ("ip6", "a"),
        ("好", "o"),
        ("I phone 6s", "a"),
    ]
    (found,) = good(file("好\tB-o\n \tI-o\n吃\tI-o\n"))
    assert (found.text, found.spans) == ("好 吃", (Span(0, 3, "o"),))


def test_label_studio_offsets_may_count_utf16_units(file):
    text = "😀😀味道很好"
    span = Span(2, 4, "aspect")
    for shift in (0, 2):
        (found,) = good(file(json.dumps([task(region("a", span, text, shift), text=text)])))
        assert (found.spans, found.pairs) == ((span,), None)


REVIEWS = "id,Reviews\n1,味道很好\n2,太贵\n3,不错\n"
LABELS = "id,AspectTerms,A_start,A_end,OpinionTerms,O_start,O_end,Categories,Polarities\n"


def test_two_csvs(file):
    path = file("\ufeff" + REVIEWS, "my_reviews.csv")
    file(
        LABELS
        + "1,味道,0,2,很好,2,4,整体,正面\n2,_, , ,太贵,0,2,价格,负面\n2,_, , ,贵,0,1,价格,负面\n"
        + "3,好,0,1,_, , ,x,中性\n",
        "my_labels.csv",
    )
    layout = OpinionLayout()
    split = load_opinions("train", str(path), layout)
    assert [(e.text, e.pairs) for e in split.examples] == [
        ("味道很好", (Pair(TASTE, GOOD, "positive"),)),
        ("太贵", (Pair(None, Span(0, 2, "opinion"), "negative"),)),
    ]
    assert split.examples[1].where == f"{path}:3"
    labels = path.with_name("my_labels.csv")
    assert [str(row) for row in split.bad_rows] == [
        f"{labels}:4: review 2: opinion 0 to 1: expected '贵', but the text there is '太'; it occurs at 1 to 2",
        f"{labels}:5: review 3: aspect 0 to 1: expected '好', but the text there is '不'; it does not occur in the"
        " text",
    ]
    assert load_opinions("train", str(labels), layout).examples == split.examples
    before = split.sha256
    labels.write_text(LABELS + "1,味道,0,2,很好,2,4,整体,负面\n", encoding="utf-8")
    assert load_opinions("train", str(path), layout).sha256 != before
    labels.unlink()
    with pytest.raises(DataError, match=r"no my_labels.csv beside it"):
        load_opinions("train", str(path), layout)


# ---- what is wrong


def span(start: Any, end: Any, label: Any = "aspect", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label, **more}


def pair(**sides: Any) -> dict[str, Any]:
    return {"aspect": 0, "opinion": 1, "polarity": "positive", **sides}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": " ", "spans": []}, "empty text"),
        ({"text": 5, "spans": []}, "text: expected a text, found 5"),
        ({"text": TEXT, "span": []}, "no field 'spans', only text, span; did you mean 'span'?"),
        ({"text": TEXT, "spans": [[0, 1]]}, "spans: expected objects, found [0, 1]"),
        ({"text": TEXT, "spans": [span(0, 9)]}, "aspect 0 to 9: expected a start before its end in the text of 8"),
        ({"text": TEXT, "spans": [span(2, 2)]}, "aspect 2 to 2: expected a start before its end"),
        ({"text": TEXT, "spans": [span(-1, 2)]}, "aspect -1 to 2"),
        ({"text": TEXT, "spans": [span(True, 2)]}, "start: expected a whole number, found true"),
        ({"text": TEXT, "spans": [span("0", 2)]}, 'start: expected a whole number, found "0"'),
        ({"text": TEXT, "spans": [span(0, 2, "")]}, "empty label"),
        ({"text": "很 好", "spans": [span(1, 2)]}, "aspect 1 to 2: covers nothing but white space"),
        (
            {"text": TEXT, "spans": [span(0, 2, term="很好")]},
            "expected '很好', but the text there is '味道'; it occurs at 2 to 4",
        ),
        ({**OWN, "pairs": [pair(opinion=3)]}, "opinion 3: expected null or the index, from 0, of one of the 3 spans"),
        ({**OWN, "pairs": [pair(polarity="")]}, "empty polarity"),
        ({**OWN, "pairs": [{"aspect": 0, "polarity": "positive"}]}, "no field 'opinion'"),
        ({**OWN, "pairs": [pair(aspect=None, opinion=None)]}, "a pair with neither aspect nor opinion"),
        ({**OWN, "pairs": [pair(aspect=1, opinion=0)]}, "'很好' (opinion) is the aspect of a pair"),
        (
            {**OWN, "pairs": [pair(), pair(polarity="NEG")]},
            "'很好' (opinion) of '味道' (aspect) is both positive and negative",
        ),
        ({"text": "好\ud800", "spans": []}, "half of a character"),
    ],
)
def test_a_bad_row_of_ours_is_named(file, row, reason):
    found = bad(file([OWN, row]), format="jsonl")
    assert found.startswith("a.txt:2: ")
    assert reason in found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("好 吃####[((0, 1), (2, 3), 'POS')]", "a.txt:1: opinion: 2 to 3: expected token indices from 0 to 1"),
        ("好 吃####[((1, 0), (0, 0), 'POS')]", "aspect: 1 to 0: expected token indices from 0 to 1, in order"),
        ("好 吃####[((0, 0), (1, 1))]", "expected (aspect, opinion, 'POLARITY'), found ((0, 0), (1, 1))"),
        ("好 吃####[((0, 0), (1, 1), 'POS'", "expected a list of triplets after ####"),
        ("好 吃####__import__('os')", "expected a list of triplets after ####"),
        ("好  吃####[]", "two spaces in a row"),
        ("好 吃####[([0, 2], [1], 'POS')]", "expected consecutive token indices"),
        ("好 吃####[]\n好 吃", "a.txt:2: expected TEXT####TRIPLETS"),
        ("好 B-a\n吃 I-b\n\n好 O\n", "a.txt:2: I-b does not follow B-b or I-b"),
        ("好 B-a\n吃 S-a\n\n好 O\n味 B-a\n道 E-a\n真 I-a\n", "a.txt:7: I-a does not follow"),
        ("好 B-a\n吃\n", "a.txt:2: expected a token and its tag"),
        ("好 B-a\n吃 A\n", "a.txt:2: expected O or a tag such as B-aspect, found 'A'"),
        (json.dumps([{**STUDIO, "annotations": []}]), "a.txt:1: the task is not annotated"),
        (
            json.dumps([task(region("a", TASTE, shift=1))]),
            "expected '味道', but the text there is '道很'; it occurs at 0",
        ),
        (
            json.dumps([task(region("a", TASTE), {"type": "relation", "from_id": "a", "to_id": "z", "labels": ["x"]})]),
            "a relation refers to the id 'z', but no span has it",
        ),
        (
            json.dumps([{**STUDIO, "annotations": STUDIO["annotations"] + task()["annotations"]}]),
            "2 annotations that do not agree",
        ),
        (json.dumps([STUDIO, 5]), "expected objects in the array, found 5"),
        (
            json.dumps({**DOCCANO, "relations": [{"id": 1, "from_id": 7, "to_id": 99, "type": "x"}]}),
            "the id '99', but no span has it",
        ),
        (json.dumps({"text": TEXT, "label": [[0, 2]]}), "label: expected [start, end, label], found [0, 2]"),
    ],
)
def test_a_bad_row_of_the_others_is_named(file, content, reason):
    assert reason in bad(file(content))


def test_a_broken_array_is_refused_as_a_whole(file):
    with pytest.raises(
        DataError, match=r"a\.txt:2: expected a JSON array: not valid JSON near column 2 \(Expecting value\)"
    ):
        list(read_opinions(file("[" + json.dumps(STUDIO) + "\n,]"), OpinionLayout()))


def test_names_that_train_does_not_have_are_named(file):
    path = file([OWN, {**OWN, "spans": [span(0, 2, "aspct")], "pairs": []}])
    assert "unknown label 'aspct'; did you mean 'aspect'?" in bad(path, KnownNames(("aspect", "opinion"), None))
    path = file([{**OWN, "pairs": [pair(polarity="mixed")]}])
    assert "unknown polarity 'mixed' (one of negative, positive" in bad(
        path, KnownNames(None, ("negative", "positive"))
    )
    assert good(path)[0].pairs == (Pair(TASTE, GOOD, "mixed"),)


def test_lines_that_do_not_decode(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(ASTE.encode() + "很好####[]\n".encode("gb18030") + ASTE.encode())
    assert bad(path).startswith("a.txt:2: not valid utf-8")
    path.write_bytes(ASTE.encode("gb18030"))
    assert good(path, encoding="gb18030", format="aste")[0].text == TEXT


@pytest.mark.parametrize("content", ["味道很好\n", '{"text": "好"}\n', "text,label\n好,1\n"])
def test_an_unknown_format_is_refused(file, content):
    with pytest.raises(DataError, match=r"cannot tell its format from .*set data.format to the right one"):
        list(read_opinions(file(content), OpinionLayout()))


def test_empty_and_missing_files(file, tmp_path):
    for layout in (OpinionLayout(), OpinionLayout("aste"), OpinionLayout("label_studio")):
        with pytest.raises(DataError, match=r"a.txt: the file is empty"):
            list(read_opinions(file("\n"), layout))
    with pytest.raises(DataError, match="no such file"):
        list(read_opinions(tmp_path / "b.txt", OpinionLayout("aste")))


@pytest.mark.parametrize(
    ("spelling", "name"), [("POS", "positive"), ("Negative", "negative"), (" 中性 ", "neutral"), ("mixed", "mixed")]
)
def test_polarities_in_any_spelling(spelling, name):
    assert normalise_polarity(spelling) == name


@pytest.mark.usefixtures("in_chinese")
@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ([{"start": 0, "end": 9, "label": "aspect"}], "aspect（0 到 9）：起点应在终点之前，且都在文本的 4 个字符之内"),
        (
            [{"start": 0, "end": 2, "label": "aspect", "term": "很好"}],
            "aspect（0 到 2）：应为 '很好'，但文本在这个位置是 '味道'；这个词在 2 到 4",
        ),
        ([{"start": "0", "end": 2, "label": "aspect"}], 'start：应为整数，实际为 "0"'),
        ([{"start": 0, "end": 2, "lable": "aspect"}], "没有字段 'label'，只有 start、end、lable；是不是想写 'lable'？"),
    ],
)
def test_bad_spans_are_explained_in_chinese(tmp_path, spans, reason):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "味道很好", "spans": spans}), encoding="utf-8")
    (bad,) = read_opinions(path, OpinionLayout())
    assert str(bad) == f"{path}:1：{reason}"


def test_long_keys_are_shortened_in_the_message(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "好", "9" * 5000: 1}), encoding="utf-8")
    with pytest.raises(DataError, match=r"keys text, 9{39}… of") as caught:
        list(read_opinions(path, OpinionLayout()))
    assert len(str(caught.value)) < 700
