"""Mistakes in configurations and in their YAML, explained in Chinese."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from paddle_tasks import yaml_format
from paddle_tasks.config import parse_yaml, read, validate
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.errors import ConfigError


@pytest.mark.usefixtures("in_chinese")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "x.yaml:2：键 'a' 重复，第 1 行已经有了"),
        ("a: [1\n", "x.yaml:2：YAML 语法有误：到文件末尾还缺右方括号 ']'"),
        ("a: b: c\n", "x.yaml:1：YAML 语法有误：此处不能再有冒号；含冒号的文本请加引号，否则请检查缩进"),
        ("a: 1\n\tb: 2\n", "x.yaml:2：YAML 语法有误：缩进中有制表符，请改用空格"),
        ('a: "x\n', "x.yaml:2：YAML 语法有误：到文件末尾引号仍未闭合"),
        ("a:\n  b: 1\n c: 2\n", "x.yaml:3：YAML 语法有误：这一行的缩进与上文没有对齐"),
    ],
)
def test_broken_yaml_is_explained_in_chinese(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x.yaml")
    assert str(caught.value) == message


@pytest.mark.usefixtures("in_chinese")
def test_all_mistakes_are_explained_in_chinese(tmp_path):
    with pytest.raises(ConfigError) as caught:
        validate({"train": "a", "folds": 5, "fold": 7, "encodng": "x"}, DataSection, "x.yaml")
    assert str(caught.value).splitlines() == [
        "x.yaml：2 个问题",
        "  fold：应为折的序号，0 到 4（共 5 折），实际为 7",
        "  encodng：没有这个配置项；是不是想写 'encoding'？",
    ]
    (tmp_path / "news.yaml").touch()
    with pytest.raises(ConfigError, match=r"new\.yaml：没有这个配置文件；是不是想写 '.*news.yaml'？$"):
        read(tmp_path / "new.yaml")


@pytest.mark.parametrize("problem", yaml_format.YAML_PROBLEMS)
def test_the_sentences_about_yaml_are_those_of_pyyaml(problem):
    sources = Path(yaml.__file__).parent
    source = "".join((sources / name).read_text("utf-8") for name in ("scanner.py", "parser.py"))
    words = problem.partition(", but ")[0].removesuffix("'\\t' that cannot start any token")
    assert words in source.replace("\\'", "'")
