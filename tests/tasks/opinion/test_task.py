"""Opinion extraction as a task: labels and polarities, data without pairs, long reviews, scores, errors."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from paddle_tasks import tasks
from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.opinion.features import TaggedTokens
from paddle_tasks.tasks.opinion.prediction import OpinionNames, Prediction
from paddle_tasks.tasks.opinion.scoring import ScoredReviews, mark_spans
from paddle_tasks.text.spans import Pair, Span, encode
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train

from ...training.reading import visualdl_points, visualdl_texts
from ..conftest import dev_records, fixture_of, quick_config, read_task

FIXTURE = fixture_of("opinion")
opinion = pytest.mark.parametrize("name", ["opinion"], indirect=True)


def lines(path, *records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def task_of(*overrides: str):
    task = tasks.find("opinion")(load_config(quick_config("opinion"), overrides))
    task.read()
    return task


# ---- labels, polarities, settings


def test_aspects_and_opinions_come_first_among_the_labels(tmp_path):
    spans = [{"start": at, "end": at + 1, "label": label} for at, label in enumerate(["x", "opinion", "a", "aspect"])]
    path = lines(tmp_path / "a.jsonl", {"text": "甲乙丙丁", "spans": spans, "pairs": []})
    assert read_task("opinion", path).names == OpinionNames(("aspect", "opinion", "a", "x"), ())
    task = read_task("opinion", path, "data.labels=[x, opinion, aspect, a, b]", "data.polarities=[good, bad]")
    assert task.names.labels == ("aspect", "opinion", "x", "a", "b")


def test_polarities_are_those_of_train_in_a_stable_order():
    assert read_task("opinion", FIXTURE).names.polarities == ("negative", "neutral", "positive")
    assert read_task("opinion", FIXTURE, "data.polarities=[positive, neutral, negative]").names.polarities == (
        "positive",
        "neutral",
        "negative",
    )
    assert read_task("opinion", FIXTURE, "model.pairs=false").names == OpinionNames(("aspect", "opinion"), ())


def test_a_label_of_the_held_out_fold_alone_is_known(tmp_path):
    def record(number: int, label: str):
        return {"text": f"甲{number}", "spans": [{"start": 0, "end": 1, "label": label}]}

    path = lines(tmp_path / "a.jsonl", *(record(number, "rare" if number == 4 else "often") for number in range(6)))
    folds = [f"data.train={path}", "data.dev=null", "data.test=null", "data.folds=6"]
    for fold in range(6):
        assert task_of(*folds, f"data.fold={fold}").names.labels == ("often", "rare")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.loss.label_smoothing=0.1"], r"training\.loss: unknown key"),
        (["training.max_length=2"], "training.max_length: 2 leaves no room besides"),
        (["data.window_overlap=94"], "data.window_overlap: 94 is not less than the 94 tokens of a window"),
        (["model.pairs=false", "evaluation.metric=triplet_f1"], "triplet_f1 needs pairs, and model.pairs is false"),
        (
            ["model.encoder=transformer", "model.max_positions=20"],
            "training.max_length: 96 is more than the 20 tokens that transformer reads",
        ),
        (["data.labels=[aspect]"], "unknown label 'opinion'"),
        (["data.polarities=[positive]"], "unknown polarity"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises((ConfigError, DataError), match=message):
        read_task("opinion", FIXTURE, *settings).build_model()


def test_pairs_of_other_labels_are_refused_and_their_spans_learnt(tmp_path):
    spans = [{"start": 0, "end": 1, "label": "product"}, {"start": 1, "end": 2, "label": "feeling"}]
    pairs = [{"aspect": 0, "opinion": 1, "polarity": "positive"}]
    path = lines(tmp_path / "a.jsonl", {"text": "甲乙", "spans": spans, "pairs": pairs})
    with pytest.raises(ConfigError, match=r"labels aspect and opinion, found feeling, product; model.pairs=false"):
        read_task("opinion", path)
    assert read_task("opinion", path, "model.pairs=false").names == OpinionNames(("feeling", "product"), ())


def test_reviews_without_any_span_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.train: no span in"):
        read_task("opinion", lines(tmp_path / "a.jsonl", {"text": "甲", "spans": []}))


# ---- data without pairs


def test_data_with_aspects_alone_can_be_learnt(tmp_path):
    path = lines(
        tmp_path / "a.jsonl", *({"s": f"{target}很好{target}", "ot": target} for target in ("甲乙", "丙", "丁"))
    )
    with pytest.raises(ConfigError, match=r"pair_f1 needs pairs, and data\.train has none"):
        read_task("opinion", path, "evaluation.metric=pair_f1")
    task = read_task("opinion", path)
    assert task.names == OpinionNames(("aspect",), ())
    model = task.build_model()
    assert not hasattr(model, "pairs")
    evaluation = task.evaluate(model, task.splits["dev"], lambda: None)
    assert not [name for name in evaluation.metrics if "triplet" in name or "pair" in name]
    assert [len(record["gold"]) for record in evaluation.predictions] == [2, 2, 2]
    assert set(task.predict(model, ["甲乙"])[0]) == {"input", "spans"}


# ---- tokens


def tagged(n_tokens: int = 6) -> TaggedTokens:
    """Return tokens with two aspects and two opinions: the first one has an implicit aspect, the second one both."""
    aspects, opinions = ((0, 2), (5, 6)), ((2, 3), (3, 5))
    pairs = np.array([[1, 0], [0, 2], [0, 1]])
    spans = [Span(*characters, "a") for characters in aspects] + [Span(*characters, "o") for characters in opinions]
    offsets = np.array([[at, at + 1] for at in range(n_tokens)], np.int32)
    return TaggedTokens(np.arange(10, 10 + n_tokens), encode(spans, offsets, ["a", "o"]), aspects, opinions, pairs)


def test_a_part_keeps_whole_spans_and_their_pairs():
    part = tagged().part(2, 6)
    assert part.ids.tolist() == [12, 13, 14, 15]
    assert (part.aspects, part.opinions) == (((3, 4),), ((0, 1), (1, 3)))
    assert part.pairs.tolist() == [[1, 0], [0, 1]]
    halved = tagged().part(0, 4)
    assert (halved.aspects, halved.opinions, halved.pairs.tolist()) == (((0, 2),), ((2, 3),), [[1], [0]])


def test_reviews_are_cut_between_spans():
    assert [part.ids.tolist() for part in tagged().parts(4)] == [[10, 11, 12], [13, 14, 15]]
    assert sum(len(part.aspects) + len(part.opinions) for part in tagged().parts(4)) == 4
    assert len(tagged().parts(6)) == 1


def test_the_loss_counts_tagged_tokens_and_multiplies_that_of_pairs():
    task = read_task("opinion", FIXTURE, "training.batch_size=12")
    model = task.build_model()
    model.eval()
    (batch,) = task.train_batches(0, 0)
    total, count = task.loss(model, batch)
    texts = [json.loads(line)["text"] for line in FIXTURE.read_text(encoding="utf-8").splitlines()]
    assert count == sum(len("".join(text.split())) for text in texts)
    own = model.losses(batch.input_ids, batch.token_type_ids, batch.lengths, batch.gold)
    heavy = read_task("opinion", FIXTURE, "training.batch_size=12", "model.pair_loss_weight=3")
    assert float(heavy.loss(model, batch)[0] - total) == pytest.approx(2 * float(own.pairs.sum()), rel=1e-4)
    assert float(own.pairs.sum()) > 1


# ---- scores


TEXT = "房间很大，服务差"
ROOM, BIG, SERVICE, BAD = Span(0, 2, "aspect"), Span(3, 4, "opinion"), Span(5, 7, "aspect"), Span(7, 8, "opinion")


def scored() -> ScoredReviews:
    """Return two reviews: one with a boundary error, a missed span and a triplet of wrong polarity, one with none."""
    examples = [
        OpinionExample(TEXT, (ROOM, BIG, SERVICE, BAD), (Pair(ROOM, BIG, "good"), Pair(SERVICE, BAD, "bad")), "a:1"),
        OpinionExample("还行", (), None, "a:2"),
    ]
    wide = Span(2, 4, "opinion")
    predictions = [
        Prediction(
            ((ROOM, 0.9), (wide, 0.75), (BAD, 0.8)),
            ((Pair(ROOM, wide, "good"), 0.6), (Pair(None, BAD, "bad"), 0.5)),
            {ROOM: 0.9, BIG: 0.125, SERVICE: 0.25, BAD: 0.8},
            6.0,
            8,
        ),
        Prediction(((Span(0, 2, "opinion"), 0.75),), ((Pair(None, Span(0, 2, "opinion"), "good"), 0.5),), {}, 1.0, 2),
    ]
    return ScoredReviews(examples, predictions, OpinionNames(("aspect", "opinion"), ("bad", "good")))


def test_scores_by_hand():
    metrics = scored().metrics()
    assert metrics["loss"] == 0.7
    assert (metrics["precision"], metrics["recall"]) == (0.5, 0.5)
    assert (metrics["aspect_f1"], metrics["opinion_f1"]) == (pytest.approx(2 / 3), pytest.approx(2 / 5))
    assert (metrics["triplets"], metrics["triplet_precision"], metrics["triplet_f1"]) == (2, 0, 0)
    clean = scored().subset(np.array([False, True])).metrics()
    assert (clean["f1"], clean["loss"]) == (0, 0.5)


def test_triplets_of_reviews_without_annotated_pairs_are_not_scored():
    annotated = (Pair(None, BIG, "good"),)
    examples = [OpinionExample(TEXT, (BIG,), pairs, "") for pairs in (annotated, None)]
    prediction = Prediction(((BIG, 0.9),), ((annotated[0], 0.8),), {BIG: 0.9}, 1.0, 8)
    metrics = ScoredReviews(
        examples, [prediction, prediction], OpinionNames(("aspect", "opinion"), ("bad", "good"))
    ).metrics()
    assert (metrics["triplet_precision"], metrics["triplet_recall"], metrics["triplets"]) == (1, 1, 1)


def test_errors_have_a_kind_and_their_surprise_as_loss():
    errors = list(scored().errors())
    assert [(error["kind"], error["where"]) for error in errors] == [
        ("boundary", "a:1"),
        ("missed", "a:1"),
        ("spurious", "a:2"),
    ]
    assert [error["loss"] for error in errors] == pytest.approx([math.log(8), math.log(4), math.log(4)])
    assert errors[0]["gold"]["text"] == "大"
    assert errors[0]["predicted"] == {"start": 2, "end": 4, "label": "opinion", "text": "很大", "prob": 0.75}


def test_records_and_sample_texts():
    first, second = scored().records()
    assert [span["text"] for span in first["predicted"]] == ["房间", "很大", "差"]
    assert [triplet["aspect"] and triplet["aspect"]["text"] for triplet in first["triplets"]] == ["房间", None]
    assert "gold_triplets" not in second
    assert scored().sample_texts()["review_1"].split(" ‖ ") == [
        "predicted: 【房间｜aspect】【很大｜opinion】，服务【差｜opinion】"
        " → 房间 · 很大 · good 0.60 → – · 差 · bad 0.50",
        "annotated: 【房间｜aspect】很【大｜opinion】，【服务｜aspect】【差｜opinion】"
        " → 房间 · 大 · good → 服务 · 差 · bad",
    ]
    assert mark_spans("甲乙丙", [Span(1, 3, "b"), Span(0, 2, "a")]) == "【甲乙｜a】丙"


# ---- runs


@opinion
def test_a_loaded_model_predicts_as_the_trained_one(overfitted, predictor):
    records = dev_records(overfitted)
    loaded = predictor([record["text"] for record in records])
    for record, again in zip(records, loaded, strict=True):
        assert again["input"] == record["text"]
        for name, before in (("spans", record["predicted"]), ("triplets", record["triplets"])):
            probs = [item.pop("prob") for item in again[name]]
            assert probs == pytest.approx([item.pop("prob") for item in before], abs=1e-5)
            assert again[name] == before
        assert record["predicted"] == record["gold"]
        assert sorted(map(str, record["triplets"])) == sorted(map(str, record["gold_triplets"]))
    assert predictor([]) == []


@opinion
def test_texts_with_characters_without_a_token_are_read(predictor):
    texts = [" ", "\u200b", "a", "房 间\n干净"]
    for text, record in zip(texts, predictor.task.predict(predictor.model, texts), strict=True):
        assert record["input"] == text
        assert all(text[span["start"] : span["end"]] == span["text"] for span in record["spans"])


def test_errors_are_in_the_order_of_kinds_and_losses_and_scores_have_twins(tmp_path):
    head = FIXTURE.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "train.jsonl").write_text("".join(head[:8]), encoding="utf-8")
    run = train(
        quick_config("opinion"),
        run_dir=tmp_path / "run",
        **{"data.train": str(tmp_path / "train.jsonl"), "data.dev": str(FIXTURE), "data.test": None},
        **{"training.epochs": 40, "training.batch_size": 4, "data.vocabulary.min_count": 1, "logging.visualdl": False},
        **{"evaluation.every_steps": 100},
    )
    text = (run.folder / "predictions" / "errors.jsonl").read_text(encoding="utf-8")
    errors = [json.loads(line) for line in text.splitlines()]
    kinds = ("boundary", "type", "missed", "spurious")
    order = [(kinds.index(error["kind"]), -error["loss"]) for error in errors]
    assert order
    assert order == sorted(order)
    dev = run.result["dev"]
    assert dev["errors"] == {kind: sum(error["kind"] == kind for error in errors) for kind in kinds}
    assert {"f1_deduplicated", "triplet_f1_deduplicated"} <= set(dev)
    assert 0 < dev["f1_deduplicated"] < dev["f1"]
    again = evaluate(run.folder, split="dev")["metrics"]
    assert set(again) == set(dev)
    names = tasks.find("opinion").METRICS
    assert {name: again[name] for name in names} == pytest.approx({name: dev[name] for name in names})


def test_visualdl_shows_f1_by_label_and_highlighted_reviews(tmp_path):
    files = {"data.train": str(FIXTURE), "data.dev": str(FIXTURE), "data.test": None}
    train(quick_config("opinion"), run_dir=tmp_path / "run", **files, **{"training.epochs": 2})
    points = visualdl_points(tmp_path / "run" / "vdl")
    for tag in ("train/loss", "dev/f1", "dev/aspect_f1", "dev/opinion_f1", "dev/triplet_f1"):
        assert [step for step, _ in points[tag]][-1] == 2
    texts = visualdl_texts(tmp_path / "run" / "vdl")
    reviews = {f"dev/review_{number}" for number in range(1, 6)}
    assert {tag for tag in texts if "worst_error" not in tag} == reviews
    assert [step for step, _ in texts["dev/review_1"]] == [1, 2]
    predicted, annotated = texts["dev/review_1"][0][1].split(" ‖ ")
    assert predicted.startswith("predicted: ")
    assert annotated.startswith("annotated: 【房间｜aspect】【干净｜opinion】，【早餐｜aspect】很【差｜opinion】 → ")
