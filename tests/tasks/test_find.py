"""Finding tasks by name."""

from __future__ import annotations

import pytest

from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError


def test_a_task_is_in_the_package_of_its_name():
    assert tasks.find("sentiment").__module__ == "paddle_tasks.tasks.sentiment.task"
    assert "sentiment" in tasks.names()
    assert not [name for name in tasks.names() if name.startswith("_")]


@pytest.mark.usefixtures("in_chinese")
def test_an_unknown_task_is_refused_in_chinese():
    with pytest.raises(ConfigError, match=r"^没有任务 'sentimnt'；是不是想写 'sentiment'？（可选：.*、sentiment、"):
        tasks.find("sentimnt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sentimnt", "task: 'sentimnt' is unknown; did you mean 'sentiment'"),
        ("classification", "task: 'classification' is unknown"),
        (None, r"task: missing \(one of "),
        (5, "task: 5 is unknown"),
        (["sentiment"], "is unknown"),
    ],
)
def test_an_unknown_task_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        tasks.find(name)
