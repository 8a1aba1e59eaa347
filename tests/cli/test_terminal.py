"""What a person sees on a terminal of 80 columns, in both languages; and what a program gets in its place."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import typer

from paddle_tasks import doctor, language
from paddle_tasks.cli import predict as predicting
from paddle_tasks.cli.commands import app
from paddle_tasks.cli.help import commands_below
from paddle_tasks.wrapping import width_of

from ..helpers import Outcome
from .conftest import QUICK
from .terminal import WIDTH, in_terminal, too_wide

LANGUAGES = pytest.mark.parametrize("name", ["en", "zh"])
COMMANDS = sorted(typer.main.get_command(app).commands)
TEXT = "房间干净，就是早餐太差了"
CHINESE = re.compile("[一-鿿]")


@pytest.fixture
def terminal(cli, monkeypatch):
    """The command line, with stdout as a terminal of 80 columns without colours."""

    def run(*arguments: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        return cli(*arguments, stdin=stdin)

    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    return run


def all_commands() -> list[list[str]]:
    bench = typer.main.get_command(app).commands["bench"]
    return [[], *([name] for name in COMMANDS), *(["bench", one.name] for one in list(commands_below(bench))[1:])]


# ---- help


@LANGUAGES
@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_help_fits_and_has_no_noise(cli, monkeypatch, request, name, command):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    language.use(name)
    request.addfinalizer(lambda: language.use("en"))
    shown = cli(*command, "--help").stdout
    assert too_wide(shown) == []
    assert not re.search(r"\]\.\.\.|<\w+>|\{\w+\}|\[required\]|\[default|list\[", shown)
    if name == "zh":
        prose = [line for line in shown.splitlines() if re.search("[a-z]", line) and "  paddle-tasks " not in line]
        assert [
            line for line in prose if len(re.findall(r"\b[a-z]{3,}\b", line)) > 6 and not CHINESE.search(line)
        ] == []


def test_the_first_screen(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    shown = cli("--help").stdout
    assert shown.startswith(
        "Usage: paddle-tasks COMMAND … [OPTIONS]\n\n"
        "Chinese NLP with PaddlePaddle: models that are ready to use, and your own,\n"
        "trained on a laptop or a GPU.\n\n"
        "Try first:\n"
        f'  paddle-tasks predict sentiment "{TEXT}"\n'
    )
    assert "..." not in shown


@pytest.mark.usefixtures("in_chinese")
def test_the_first_screen_in_chinese(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    shown = cli("train", "--help").stdout
    assert shown.startswith("用法：paddle-tasks train CONFIG [KEY=VALUE …] [选项]\n\n训练并评估一个模型")
    headings = [line for line in shown.splitlines() if line.endswith("：") and width_of(line) < 12]
    assert headings == ["参数：", "选项：", "通用选项：", "示例："]


def test_examples_fit_and_are_commands(cli):
    for command in typer.main.get_command(app).commands.values():
        for line in (command.epilog or "").splitlines():
            assert len(line) <= WIDTH - 2
            assert line.startswith(("paddle-tasks ", "eval "))


# ---- predictions


def test_answers_are_for_people(terminal, run):
    shown = terminal("predict", "opinion", TEXT).stdout.splitlines()
    assert shown[0] == "【房间｜aspect】【干净｜opinion】，就是【早餐｜aspect】【太差｜opinion】了"
    assert re.fullmatch(r"  房间: 干净  positive 0\.\d\d", shown[1])
    line, score = terminal("predict", run, "很好", "很差").stdout, r"\d\.\d\d( \(unsure\))?"
    assert re.fullmatch(rf"(positive|negative) {score}  很好\n(positive|negative) {score}  很差\n", line)


def test_long_answers_are_wrapped_and_bad_rows_named(terminal, run):
    outcome = terminal("predict", run, stdin=f"{TEXT * 20}\n \n好\n".encode())
    assert outcome.code == 2
    assert too_wide(outcome.stdout) == []
    assert TEXT * 20 in re.sub(r"\s", "", outcome.stdout)
    assert "standard input:2: the text is blank" in outcome.stdout


@pytest.mark.usefixtures("in_chinese")
def test_answers_in_chinese(terminal):
    assert re.fullmatch(
        rf"负面 \(negative\) 0\.\d\d（没有把握）  {TEXT}\n", terminal("predict", "sentiment", TEXT).stdout
    )


@pytest.mark.parametrize("options", [["--json"], ["--fields", "input,label"]])
def test_json_can_be_asked_for(terminal, run, options):
    assert json.loads(terminal("predict", run, "很好", *options).stdout)["input"] == "很好"


def test_numbers_have_six_decimal_places(cli, run):
    for arguments in (["predict", run, "很好"], ["predict", run, "很好", "--explain"]):
        shown = cli(*arguments).stdout
        assert json.loads(shown)["score"] > 0
        assert not re.search(r"\d\.\d{7}", shown)


def test_numbers_of_the_input_are_kept(cli, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "好", "price": 1.23456789}\n', encoding="utf-8")
    assert json.loads(cli("predict", "sentiment", "--input", "a.jsonl").stdout)["price"] == 1.23456789


def test_a_pipe_gets_json_without_being_asked():
    assert not predicting.parse_output(None, None, {}, as_json=False).for_people


def test_a_text_without_opinions_says_so(terminal):
    assert terminal("predict", "opinion", "今天下雨").stdout == "今天下雨\n  no opinions found\n"


def test_explaining_shows_the_same_probability(terminal):
    plain = terminal("predict", "sentiment", TEXT).stdout
    assert terminal("predict", "sentiment", TEXT, "--explain").stdout.splitlines()[1].startswith(plain.split("  ")[0])


# ---- scores


def test_scores_are_for_people(terminal, run):
    outcome = terminal("evaluate", run)
    assert outcome.stderr == ""
    heading, accuracy, *others = outcome.stdout.replace("\n  /", " /").splitlines()
    assert re.fullmatch(r"\S+: test, 6 rows of \S+test\.tsv", heading)
    assert re.fullmatch(r"  accuracy \d\.\d{4}", accuracy)
    assert len(others) < 6


def test_scores_have_six_decimal_places_in_json(terminal, cli, run):
    asked = terminal("evaluate", run, "--json").stdout
    assert json.loads(asked)["rows"] == 6
    assert re.search(r"\d\.\d{6}\b", asked)
    assert not re.search(r"\d\.\d{7}", asked)


@pytest.mark.usefixtures("in_chinese")
def test_the_lines_of_scores_stand_below_each_other_in_chinese(cli, settings):
    shown = cli("baseline", QUICK, *settings, "--quiet").stdout.splitlines()
    assert [line.split(" ")[0] for line in shown] == ["验证集", "测试集", "运行目录"]
    starts = [re.match(r"\S+ +", line).group() for line in shown]
    assert {width_of(start) for start in starts} == {10}


@pytest.mark.parametrize("command", [["evaluate", "--split", "dev"], ["predict", "很好"]])
def test_an_interrupted_run_is_mentioned_once(cli, run, tmp_path, command):
    folder = tmp_path / "stopped"
    shutil.copytree(run, folder)
    result = json.loads((folder / "result.json").read_text("utf-8"))
    (folder / "result.json").write_text(json.dumps({**result, "status": "interrupted"}), encoding="utf-8")
    name, *others = command
    note = re.compile(r"note: stopped was interrupted after step \d+; this is its best model so far\n")
    assert note.fullmatch(cli(name, "stopped", *others).stderr)
    assert cli(name, "stopped", *others, "--quiet").stderr == ""
    assert cli(name, run, *others).stderr == ""


# ---- whole commands in a terminal of their own


@LANGUAGES
def test_typical_mistakes_fit(name):
    for arguments in (["trian"], ["train"], ["predict", "nowhere" * 20, TEXT]):
        code, shown = in_terminal(*arguments, language=name)
        assert (code, too_wide(shown)) == (2, [])


@pytest.mark.long
@LANGUAGES
def test_training_and_looking_at_it_fits(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    short = [QUICK, "training.epochs=1"]
    for arguments in (
        ["train", *short, "run_dir=runs/a"],
        ["sweep", *short, "run_dir=runs/s", "--seeds", "1,2", "--grid", "model.dropout=0.1,0.3"],
        ["baseline", *short, "run_dir=runs/a-baseline"],
        ["train", *short, "run_dir=runs/a", "-v"],
        ["report", "runs"],
        ["check-data", "sentiment", "builtin/sentiment", "builtin/sentiment", "builtin/sentiment"],
        ["list"],
        ["predict", "sentiment", TEXT, "--explain"],
        ["predict", "rewrite", TEXT],
    ):
        code, shown = in_terminal(*arguments, language=name)
        # A command to be pasted stands on a line of its own, which is never divided.
        divided = [line for line in too_wide(shown) if not re.match(r"    \S*paddle-tasks ", line)]
        assert (code, divided) == (0, []), shown
        assert "0.0 min" not in shown
        assert "Warning:" not in shown


@pytest.mark.usefixtures("in_chinese")
def test_the_findings_of_the_doctor_fit(monkeypatch, capsys):
    message = "文件夹 ~/.paddlenlp 不可写；" * 9
    findings = [doctor.Finding("model cache", "warn", message, "export PPNLP_HOME=FOLDER " * 5)]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert doctor.main([]) == 0
    shown = capsys.readouterr().out
    assert too_wide(shown) == []
    assert len(shown.splitlines()) > 5
    assert message in re.sub(r"\s", "", shown).replace("文件夹~/.paddlenlp不可写", "文件夹 ~/.paddlenlp 不可写")
