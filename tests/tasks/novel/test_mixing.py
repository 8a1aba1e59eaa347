"""The mixture with the n-gram twin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paddle_tasks.tasks.novel.mixing import best_weight, mixture_metrics

from .test_baseline import fit
from .test_task import build, read, score


def test_a_mixture_is_better_than_its_parts_on_the_chapters_that_chose_its_weight():
    task = read()
    own = score(task, build(task))
    twin = fit(task, 1).score_characters(task.splits["dev"])
    weight = best_weight(own, twin)
    found = mixture_metrics(own, twin, weight)
    assert found["mixture_loss"] <= min(own.metrics()["loss"], twin.metrics()["loss"]) + 1e-6
    chosen = own.texts.is_target
    probs = 0.25 * np.exp(-own.losses[chosen].astype(float)) + 0.75 * np.exp(-twin.losses[chosen].astype(float))
    share = (own.texts.ids[chosen] == 0).mean()
    expected = -np.log(probs).mean() + share * math.log(own.n_unknown_types)
    assert mixture_metrics(own, twin, 0.25)["mixture_loss"] == pytest.approx(expected, rel=1e-5)


def test_an_evaluation_scores_the_mixture_with_the_weight_of_dev():
    task = read(**{"evaluation.mixture_order": 2})
    model = build(task)
    dev = task.splits["dev"]
    other = task.load_split("test", str(dev.examples[0].where.rpartition(":")[0]))
    alone = task.evaluate(model, other, lambda: None).metrics
    assert alone["mixture_weight"] == task.evaluate(model, dev, lambda: None).metrics["mixture_weight"]
    assert alone["mixture_loss"] < alone["loss"]
