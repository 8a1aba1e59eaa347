"""Many reviews together: the summary, its table and its chart."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from matplotlib.image import imread

from paddle_tasks.errors import DataError
from paddle_tasks.tasks.opinion.display import IMPLICIT
from paddle_tasks.tasks.opinion.summary import SUMMARY, AspectSummary, Summary, summarise, table, write_chart

from .records import record

RECORDS = [
    record("WiFi很慢，房间大", ("WiFi", "慢", "negative"), ("房间", "大", "positive")),
    record("wifi快，房间", ("wifi", "快", "positive"), alone="房间"),
    record("ＷＩＦＩ慢又贵", ("ＷＩＦＩ", "慢", "negative"), (None, "贵", "negative")),
    record("没说什么"),
]
WITHOUT_PAIRS = [{key: value for key, value in row.items() if key != "triplets"} for row in RECORDS]


def test_counts_shares_and_typical_opinions_by_hand():
    summary = summarise(RECORDS)
    assert (summary.n_reviews, summary.polarities) == (4, ["positive", "negative"])
    assert summary.aspects == [
        AspectSummary("WiFi", 3, {"negative": 2, "positive": 1}, [("慢", 2), ("快", 1)]),
        AspectSummary("房间", 2, {"positive": 1}, [("大", 1)]),
        AspectSummary(None, 1, {"negative": 1}, [("贵", 1)]),
    ]
    assert [aspect.share("negative") for aspect in summary.aspects] == [pytest.approx(2 / 3), 0, 1]


def test_without_pairs_aspects_are_counted():
    summary = summarise(WITHOUT_PAIRS)
    assert [(aspect.name, aspect.mentions) for aspect in summary.aspects] == [("WiFi", 3), ("房间", 2)]
    assert summary.polarities == []
    assert summary.aspects[0].share("positive") == 0


def test_reviews_without_any_span_are_refused():
    with pytest.raises(DataError, match="nothing to summarise: no aspect and no opinion was found in 2 texts"):
        summarise([record("甲"), record("乙")])


# ---- the table


def cells(summary: Summary) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table(summary).rows]


def test_the_table_has_a_row_for_each_aspect():
    printed = table(summarise(RECORDS), ["a remark"])
    assert printed.title == "3 aspects in 4 reviews"
    assert printed.columns == ["", "aspect", "mentions", "positive", "negative", "typical opinions"]
    assert cells(summarise(RECORDS)) == [
        ["1", "WiFi", "3", "33%", "67%", "慢 2, 快 1"],
        ["2", "房间", "2", "100%", "0%", "大 1"],
        ["3", IMPLICIT, "1", "0%", "100%", "贵 1"],
    ]
    assert [cell.tone for cell in printed.rows[0]] == ["", "", "", "positive", "negative", ""]
    assert [printed.columns[column] for column in printed.aligned_right] == ["", "mentions", "positive", "negative"]
    assert printed.remarks == ["a remark"]


def test_the_table_of_reviews_without_pairs_has_counts_alone():
    printed = table(summarise(WITHOUT_PAIRS))
    assert printed.columns == ["", "aspect", "mentions"]
    assert cells(summarise(WITHOUT_PAIRS)) == [["1", "WiFi", "3"], ["2", "房间", "2"]]


def test_an_aspect_without_opinions_has_no_shares():
    only_mentioned = record("大堂，房间大", ("房间", "大", "positive"), alone="大堂")
    assert cells(summarise([only_mentioned]))[1] == ["2", "大堂", "1", "–", ""]


@pytest.mark.usefixtures("in_chinese")
def test_the_table_is_in_chinese():
    printed = table(summarise(RECORDS))
    assert printed.title == "4 条评论中的 3 个方面词"
    assert printed.columns == ["", "方面词", "提及次数", "正面 (positive)", "负面 (negative)", "典型观点词"]
    assert cells(summarise(RECORDS))[2][:3] == ["3", "（未明说）", "1"]


def summary_of(n_aspects: int) -> Summary:
    return Summary(1, [AspectSummary(f"a{number}", 1, {}, []) for number in range(n_aspects)], [])


def test_the_table_has_the_first_rows_alone():
    assert [row[1] for row in cells(summary_of(40))] == [f"a{number}" for number in range(30)]


# ---- the chart


def texts(path) -> list[str]:
    return [element.text or "" for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_has_aspects_and_polarities(tmp_path):
    assert write_chart(summarise(RECORDS), tmp_path / "a.svg")
    assert {"WiFi", "房间", IMPLICIT, "positive", "negative", "opinions"} <= set(texts(tmp_path / "a.svg"))


def test_the_chart_of_reviews_without_pairs_has_mentions(tmp_path):
    assert write_chart(summarise(WITHOUT_PAIRS), tmp_path / "a.svg")
    names = set(texts(tmp_path / "a.svg"))
    assert {"WiFi", "房间", "mentions"} <= names
    assert not {"opinions", "positive"} & names


def test_the_chart_has_the_first_bars_alone(tmp_path):
    write_chart(summary_of(40), tmp_path / "a.svg")
    names = [name for name in texts(tmp_path / "a.svg") if name.startswith("a")]
    assert names == [f"a{number}" for number in range(15)]


# ---- the record format


def test_writing_records_gives_the_chart_and_the_table(tmp_path):
    assert SUMMARY.suffixes == (".png", ".svg")
    printed = SUMMARY.write_file(RECORDS, tmp_path / "a.svg")
    assert printed.title == "3 aspects in 4 reviews"
    assert printed.remarks == [f"chart {tmp_path / 'a.svg'}, the first 3"]
    assert "WiFi" in texts(tmp_path / "a.svg")


def test_the_remarks_name_what_is_left_out(tmp_path):
    many = [record(f"甲{number:02}好", (f"甲{number:02}", "好", "positive")) for number in range(33)]
    assert SUMMARY.write_file(many, tmp_path / "a.svg").remarks == [
        "… and 3 more aspects",
        f"chart {tmp_path / 'a.svg'}, the first 15",
    ]


def test_a_chart_without_a_font_is_numbered_and_says_so(tmp_path, no_font):
    *_, last = SUMMARY.write_file(RECORDS, tmp_path / "a.png").remarks
    assert last.startswith("No installed font has all characters of the aspects, so the chart shows their numbers")
    assert imread(tmp_path / "a.png")[:, :, :3].min() < 0.9
