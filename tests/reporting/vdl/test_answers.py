"""What the dashboard answers: orders, constants, levels of baselines, settings that differ."""

from __future__ import annotations

import pytest

from paddle_tasks.reporting.vdl.answers import as_level, choose_settings, leave_out_constants, list_runs, order_tabs


def test_scalars_are_the_first_page_whatever_the_order():
    tabs = ["static_graph", "text", "scalar", "roc_curve", "image", "audio"]
    for given in (tabs, tabs[::-1]):
        assert order_tabs(given) == ["scalar", "image", "text", "roc_curve", "audio", "static_graph"]


def test_runs_are_in_the_order_of_their_names_on_every_page():
    names = ["seed-10", "seed-2", "news-baseline", "news", "news-sweep/c=1", "empty"]
    listing = {"runs": names[:5], "tags": [["a"], ["b"], ["c"], ["d"], ["e"]]}
    assert list_runs(listing, names) == {
        "runs": ["empty", "news", "news-baseline", "news-sweep/c=1", "seed-2", "seed-10"],
        "tags": [[], ["d"], ["c"], ["e"], ["b"], ["a"]],
    }


@pytest.mark.parametrize(
    ("first", "second", "is_shown"),
    [
        ([3.0, 3.0], [3.0], False),
        ([3.0, 3.0], [], False),
        ([3.0], [3.0], False),
        ([3.0, 3.0], [4.0], True),
        ([3.0, 4.0], [3.0], True),
        ([3.0, 3.0, 4.0], [], True),
        ([3.0], [], True),
    ],
)
def test_a_tag_whose_points_are_all_equal_is_left_out(first, second, is_shown):
    values = {("one", "dev/x"): first, ("two", "dev/x"): second, ("one", "dev/f1"): [1.0, 2.0]}
    listing = {"runs": ["one", "two"], "tags": [["dev/x", "dev/f1"], ["dev/x"] if second else []]}
    shown = leave_out_constants(listing, lambda run, tag: values[run, tag], ())
    assert ("dev/x" in shown["tags"][0]) == is_shown
    assert "dev/f1" in shown["tags"][0]
    kept = leave_out_constants(listing, lambda run, tag: values[run, tag], {"dev/x"})
    assert kept == listing


def test_the_point_of_a_baseline_becomes_a_level():
    assert as_level([[1000, 1, 0.75]], 300) == [[1000, 0, 0.75], [1000, 300, 0.75]]
    assert as_level([[1000, 1, 0.75]], 1) == [[1000, 1, 0.75]], "there is no other run"
    two = [[1000, 1, 0.5], [2000, 2, 0.6]]
    assert as_level(two, 300) == two


def indicators(**values: list) -> dict:
    return {"metrics": ["m"], "hparams": [{"name": name, "values": found} for name, found in values.items()]}


def test_settings_that_differ_come_first_and_constants_are_left_out():
    found = indicators(task=["news"], layers=[2, 4], rate=[0.1, 0.2], extra=["a"])
    trials = [{"hparams": {"task": "news", "rate": 0.1, "layers": 2}}, {"hparams": {"task": "news", "rate": 0.2}}]
    trials.append({"hparams": {"rate": 0.1, "layers": 4, "extra": "a"}})
    chosen = choose_settings(found, trials)
    assert [setting["name"] for setting in chosen["hparams"]] == ["rate", "layers"]
    assert chosen["metrics"] == ["m"]


def test_all_settings_of_a_single_run_stay():
    found = indicators(task=["news"], rate=[0.1])
    assert choose_settings(found, [{"hparams": {"task": "news", "rate": 0.1}}]) == found
