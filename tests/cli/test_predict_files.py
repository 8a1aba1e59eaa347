"""`predict` over files and standard input: other columns, rows with errors, and formats of the output."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_tasks import train

from ..helpers import ROOT, run_process

MAIN = [sys.executable, "-m", "paddle_tasks"]
REVIEWS = 'id,text,label,extra\n7,房间很干净,1,"a,b"\n8,,0,\n9,服务差,0,x\n10,短\n'


@pytest.fixture
def reviews(tmp_path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text(REVIEWS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def gb18030_run(tmp_path_factory) -> Path:
    """Return a run that was trained as the README trains on own data, which no test may change."""
    folder = tmp_path_factory.mktemp("gb18030")
    rows = [("房间很干净", "好评"), ("服务太差", "差评"), ("早餐好吃", "好评"), ("又脏又吵", "差评")] * 3
    for split in ("train", "dev", "test"):
        text = "".join(f"{review},{label}\n" for review, label in [("评论", "情感"), *rows])
        (folder / f"{split}.csv").write_text(text, encoding="gb18030")
    quick = ROOT / "configs" / "quick" / "sentiment.yaml"
    data = {"columns": {"text": "评论", "label": "情感"}, "encoding": "gb18030"}
    files = {split: str(folder / f"{split}.csv") for split in ("train", "dev", "test")}
    return train(quick, run_dir=folder / "mine", data={**data, **files}, **{"logging.visualdl": False}).folder


def answers(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# ---- input


def test_standard_input_is_read_without_an_option(cli):
    outcome = cli("predict", "sentiment", stdin="好吃\n难吃\n".encode())
    assert (outcome.code, outcome.stderr) == (0, "")
    records = answers(outcome.stdout)
    assert [(record["line"], record["input"], record["label"]) for record in records] == [
        (1, "好吃", "positive"),
        (2, "难吃", "negative"),
    ]
    assert cli("predict", "sentiment", "--input", "-", stdin="好吃\n难吃\n".encode()).stdout == outcome.stdout


def test_a_text_comes_before_standard_input(cli):
    assert [record["input"] for record in answers(cli("predict", "sentiment", "好", stdin=b"x\n").stdout)] == ["好"]


@pytest.mark.long
@pytest.mark.parametrize("form", ["{} predict sentiment", "{} predict sentiment --input /dev/stdin"])
def test_a_pipe_of_a_shell(form):
    command = form.format(f"{sys.executable} -m paddle_tasks")
    done = subprocess.run(
        ["bash", "-c", f"printf '好吃\\n难吃\\n' | {command}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, [record["line"] for record in answers(done.stdout)]) == (0, [1, 2])


@pytest.mark.long
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_a_process_substitution():
    command = f"{sys.executable} -m paddle_tasks predict sentiment --input <(printf 'text,label\\n好吃,1\\n')"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert [record["input"] for record in answers(done.stdout)] == ["好吃"]


@pytest.mark.long
def test_no_standard_input():
    done = subprocess.run(
        [*MAIN, "predict", "sentiment"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("paddle-tasks: nothing to predict: expected a text, or --input FILE")


def test_a_run_reads_a_file_like_its_train_data(cli, gb18030_run):
    outcome = cli("predict", gb18030_run, "--input", gb18030_run.parent / "test.csv")
    assert (outcome.code, outcome.stderr) == (0, "")
    first = answers(outcome.stdout)[0]
    assert list(first)[:4] == ["line", "情感", "input", "label"]
    assert (first["line"], first["情感"], first["input"]) == (2, "好评", "房间很干净")


def test_a_run_with_another_encoding_still_reads_standard_input_in_utf_8(cli, gb18030_run):
    outcome = cli("predict", gb18030_run, stdin="房间很干净\n".encode())
    assert answers(outcome.stdout)[0]["input"] == "房间很干净"
    outcome = cli("predict", gb18030_run, "--encoding", "utf-16-le", stdin="房间\n".encode("utf-16-le"))
    assert answers(outcome.stdout)[0]["input"] == "房间"


def test_columns_of_another_file_are_named(cli, gb18030_run, reviews):
    message = cli.fails("predict", gb18030_run, "--input", reviews)
    assert "reviews.csv:1: --column: no column '评论', only id, text, label, extra" in message
    outcome = cli("predict", gb18030_run, "--input", reviews, "--column", "text", "--fields", "line,input")
    assert answers(outcome.stdout)[0] == {"line": 2, "input": "房间很干净"}


# ---- rows


def test_other_columns_are_handed_through_and_bad_rows_are_records(cli, reviews):
    outcome = cli("predict", "sentiment", "--input", reviews)
    assert outcome.code == 2
    assert outcome.stderr == (
        f"paddle-tasks: 2 of 4 rows could not be predicted; the first one: {reviews}:3: the text is blank\n"
    )
    first, second, third, fourth = answers(outcome.stdout)
    assert list(first) == ["line", "id", "label_input", "extra", "input", "label", "score", "probabilities"]
    assert (first["line"], first["id"], first["label_input"], first["extra"]) == (2, "7", "1", "a,b")
    assert second == {"line": 3, "id": "8", "label_input": "0", "extra": "", "error": "the text is blank"}
    assert (third["line"], third["input"]) == (4, "服务差")
    assert fourth == {"line": 5, "error": "expected 4 columns, found 2"}


def test_a_row_that_a_pipeline_refuses_is_an_error_of_its_own(cli):
    lines = "今天天气真[MASK]。\n没有\n\n[MASK]好\n"
    outcome = cli("predict", "fill-mask", "--top-k", "1", stdin=lines.encode())
    records = answers(outcome.stdout)
    assert (outcome.code, [record["line"] for record in records]) == (2, [1, 2, 3, 4])
    assert records[1]["error"].startswith("'没有': contains no [MASK]")
    assert records[2]["error"] == "the text is blank"
    alone = answers(cli("predict", "fill-mask", "--top-k", "1", "[MASK]好").stdout)[0]
    assert records[3] == {"line": 4, **alone}
    assert "2 of 4 rows could not be predicted; the first one: standard input:2: '没有'" in outcome.stderr


def test_rows_without_a_prediction_are_left_out_of_other_formats(cli, tmp_path):
    outcome = cli("predict", "opinion", "--doccano", "a.jsonl", "--input", "-", stdin="房间干净\n\n早餐差\n".encode())
    assert outcome.code == 2
    assert [row["text"] for row in answers((tmp_path / "a.jsonl").read_text(encoding="utf-8"))] == [
        "房间干净",
        "早餐差",
    ]


def test_a_table_of_columns_is_refused(cli, tmp_path):
    (tmp_path / "columns.json").write_text('{"text": {"0": "好", "1": "差"}}', encoding="utf-8")
    assert "one object with text, each an object" in cli.fails("predict", "sentiment", "--input", "columns.json")


@pytest.mark.parametrize("pipeline", ["sentiment", "opinion", "rewrite", "news"])
def test_every_pipeline_reads_tables(cli, tmp_path, pipeline):
    (tmp_path / "a.csv").write_text("评论,id\n房间很干净,7\n", encoding="utf-8")
    outcome = cli("predict", pipeline, "--input", "a.csv", "--quiet")
    assert (outcome.code, answers(outcome.stdout)[0]["input"]) == (0, "房间很干净")
    assert answers(outcome.stdout)[0]["id"] == "7"


# ---- output


def test_fields_are_chosen_and_written_as_csv(cli, tmp_path):
    (tmp_path / "reviews.csv").write_text("id,text,label\n7,房间很干净,1\n9,服务差,0\n", encoding="utf-8")
    outcome = cli("predict", "sentiment", "--input", "reviews.csv", "--fields", "id,label,score", "--output", "out.csv")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    header, *rows = csv.reader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8")))
    assert header == ["id", "label", "score"]
    whole = answers(cli("predict", "sentiment", "--input", "reviews.csv").stdout)
    assert rows == [[record["id"], record["label"], str(max(record["probabilities"].values()))] for record in whole]


def test_errors_are_kept_when_fields_are_chosen(cli, reviews, tmp_path):
    outcome = cli("predict", "sentiment", "--input", reviews, "--fields", "id,label", "--output", "out.tsv")
    assert outcome.code == 2
    rows = list(csv.reader((tmp_path / "out.tsv").open(encoding="utf-8"), delimiter="\t"))
    assert rows[0] == ["id", "label", "line", "error"]
    assert rows[1] == ["7", "positive", "", ""]
    assert rows[2] == ["8", "", "3", "the text is blank"]


def test_an_unknown_field_is_refused(cli):
    message = cli.fails("predict", "sentiment", "好", "--fields", "lable")
    assert "--fields: no field 'lable'; did you mean 'label'? (one of input, label, score, " in message
    assert "--fields a,,b: expected names with commas" in cli.fails("predict", "sentiment", "好", "--fields", "a,,b")
    assert "--fields: not with --clue" in cli.fails("predict", "sentiment", "好", "--fields", "id", "--clue")


@pytest.mark.parametrize(
    ("encoding", "pipeline", "text"),
    [
        ("gbk", "sentiment", "太棒了😀·"),
        *(
            pytest.param(encoding, pipeline, text, marks=pytest.mark.long)
            for encoding in ("gbk", "ascii", "latin-1")
            for pipeline, text in (("sentiment", "太棒了😀·"), ("fill-mask", "乔治·[MASK]盛顿😀"))
            if (encoding, pipeline) != ("gbk", "sentiment")
        ),
    ],
)
def test_json_is_valid_in_every_encoding(encoding, pipeline, text):
    done = run_process([*MAIN, "predict", pipeline, text], PYTHONIOENCODING=encoding)
    assert done.code == 0
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["input"] == text


@pytest.mark.long
def test_json_of_other_commands_is_valid_in_every_encoding(tmp_path):
    table = tmp_path / "😀.csv"
    table.write_text("text,label\n好😀,开心·\n差,难过\n", encoding="utf-8")
    done = run_process([*MAIN, "check-data", "sentiment", str(table), "--json"], PYTHONIOENCODING="gbk")
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["labels"]["train"] == {"开心·": 1, "难过": 1}
    quick = str(ROOT / "configs" / "quick" / "sentiment.yaml")
    done = run_process([*MAIN, "config", quick, "--schema"], PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["title"]


# ---- long texts


def test_a_truncated_text_is_marked_with_one_warning(cli, run):
    long = "房间很干净" * 200
    outcome = cli("predict", run, long, "很好", long)
    records = answers(outcome.stdout)
    assert [record.get("truncated") for record in records] == [True, None, True]
    assert outcome.stderr == (
        'warning: 2 of 3 texts: longer than the model reads, which has read only a part of each ("truncated": true)\n'
    )
    assert cli("predict", run, long, "--quiet").stderr == ""
