"""Panels, read back by VisualDL's own readers: they are unchanged and written once, also after resuming."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from paddle import nn
from PIL import Image
from scipy.spatial.distance import pdist
from sklearn.metrics import confusion_matrix
from visualdl.component.graph.netron_graph import Model
from visualdl.reader.graph_reader import GraphReader
from visualdl.server import lib
from visualdl.server.api import Api

from paddle_tasks.training.panels import (
    Curve,
    Panels,
    Vectors,
    gradient_histograms,
    weight_histograms,
    worst_errors,
)
from paddle_tasks.training.tracking import Tracker, open_tracker

from .reading import visualdl_panels, visualdl_points
from .toy import make_toy

RANDOM = np.random.default_rng(5)
SETTINGS = {"task": "news", "optimizer.epsilon": 1e-8, "seed": 3, "on": True, "labels": ["甲", "b"], "none": None}


def shown(folder, *parts, positions=None, detail="normal"):
    """Write panels, each with its step; return what VisualDL reads and the positions after each."""
    found = []
    with open_tracker(folder, visualdl=True, detail=detail, positions=positions) as tracker:
        for step, panels in parts:
            tracker.write_panels(step, panels)
            found.append(tracker.positions())
    return visualdl_panels(folder / "vdl"), found


@pytest.mark.parametrize("brightest", [0, 1, 255])
def test_an_image_keeps_its_pixels_even_if_dark_and_its_channel_order(tmp_path, brightest):
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[1, 2] = (brightest, 0, brightest // 2)
    before = pixels.copy()
    read, _ = shown(tmp_path, (1, Panels(images={"dev/dark": pixels})))
    ((step, image),) = read["image"]["dev/dark"]
    decoded = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert step == 1
    assert (decoded == before).all()
    assert (pixels == before).all()


def test_a_histogram_equals_numpys_and_ignores_nan(tmp_path):
    values = np.append(RANDOM.normal(size=50), [np.nan, np.inf])
    read, _ = shown(tmp_path, (2, Panels(histograms={"dev/a": values, "dev/b": np.array([np.nan])})))
    assert list(read["histogram"]) == ["dev/a"]
    ((_, found),) = read["histogram"]["dev/a"]
    counts, edges = np.histogram(values[:50], bins=30)
    assert list(found.hist) == counts.tolist()
    assert list(found.bin_edges) == edges.tolist()


def test_curves_hold_the_counts_of_scikit_learn(tmp_path):
    truth, scores = RANDOM.random(80) < 0.4, RANDOM.random(80)
    read, _ = shown(tmp_path, (3, Panels(curves={"dev/a/b": Curve(truth, scores)})))
    ((_, found),) = read["pr_curve"]["dev/pr/a/b"]
    ((_, rates),) = read["roc_curve"]["dev/roc/a/b"]
    for place in (0, 1, 40, 63, 125, 126):
        (tn, fp), (fn, tp) = confusion_matrix(truth, scores >= place / 126, labels=[False, True])
        for record in (found, rates):
            assert (record.TP[place], record.FP[place], record.TN[place], record.FN[place]) == (tp, fp, tn, fn)
        assert found.recall[place] == rates.tpr[place] == tp / (tp + fn)
        assert rates.fpr[place] == fp / (fp + tn)
        assert found.precision[place] == (tp / (tp + fp) if tp + fp else 1)


def test_vectors_have_column_names_and_one_line_for_each_point(tmp_path):
    values = RANDOM.normal(size=(2, 3)).astype(np.float32)
    vectors = Vectors(values, ("label", "text"), [["a", "一\n二\t三"], ["b", "四"]])
    empty = Vectors(values[:0], ("label",), [])
    read, _ = shown(tmp_path, (4, Panels(vectors={"dev/v": vectors, "dev/none": empty})))
    assert list(read["embeddings"]) == ["dev/v"]
    ((_, found),) = read["embeddings"]["dev/v"]
    assert list(found.label_meta) == ["label", "text"]
    assert [list(point.label) for point in found.embeddings] == [["a", "一 二 三"], ["b", "四"]]
    assert (np.array([point.vectors for point in found.embeddings], dtype=np.float32) == values).all()


@pytest.mark.parametrize("width", [200, 201, 768])
def test_vectors_wider_than_the_page_can_draw_keep_their_distances(tmp_path, width):
    values = RANDOM.normal(size=(150, width)).astype(np.float32) + 3
    vectors = Vectors(values, ("label",), [["a"]] * 150)
    ((_, found),) = shown(tmp_path, (1, Panels(vectors={"dev/v": vectors})))[0]["embeddings"]["dev/v"]
    points = np.array([point.vectors for point in found.embeddings])
    assert points.shape[1] <= 200
    np.testing.assert_allclose(pdist(points), pdist(values), rtol=1e-4)


def test_percent_signs_and_long_texts(tmp_path):
    text = "长" * 100_000
    panels = Panels(texts={"a 5%": text}, histograms={"b%": np.ones(2)}, curves={"c%": Curve(np.ones(1), np.ones(1))})
    read, _ = shown(tmp_path, (1, panels.under("dev")))
    ((_, found),) = read["text"]["dev/a 5percent"]
    assert found.encoded_text_string == text
    assert list(read["histogram"]) == ["dev/bpercent"]
    assert list(read["pr_curve"]) == ["dev/pr/cpercent"]


def test_settings_of_all_types_and_the_names_of_scores(tmp_path):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_run_info(SETTINGS, ["dev/f1", "dev/5%"], make_toy())
        tracker.write_scalars(7, 1, {"dev/f1": 0.5})
    (((_, found),),) = visualdl_panels(tmp_path / "vdl")["hyper_parameters"].values()
    values = {info.name: getattr(info, info.WhichOneof("type")) for info in found.hparamInfos}
    assert values == {
        "task": "news",
        "optimizer/epsilon": 1e-8,
        "seed": 3,
        "on": "true",
        "labels": '["甲", "b"]',
        "none": "null",
    }
    assert [info.name for info in found.metricInfos] == ["dev/f1", "dev/5percent"]
    api = Api(str(tmp_path), "", 0)
    (listed,) = lib.get_hparam_list(api._reader)
    assert listed["hparams"] == values
    assert listed["metrics"]["dev/f1"] == 0.5


# ---- the graph


class Parts(nn.Layer):
    """Nested layers and a frozen head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LayerList([nn.Linear(2, 3), nn.LayerNorm(3)])
        self.head = nn.Linear(3, 2)
        self.head.weight.stop_gradient = self.head.bias.stop_gradient = True


def opened(folder):
    """Return the server's graph reader, the only run of a folder and its graph."""
    reader = GraphReader(str(folder))
    (run,) = reader.runs()
    return reader, run, reader.get_graph(run)


def test_visualdl_opens_the_graph_and_its_parts(tmp_path):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_run_info({}, [], Parts())
    reader, run, graph = opened(tmp_path / "vdl")
    assert {node["name"]: node["type"] for node in graph["nodes"]} == {"/encoder": "LayerList", "/head": "Linear"}
    assert [part["name"] for part in graph["inputs"]] == ["input"]
    assert len(graph["outputs"]) == 1
    opened_up = reader.get_graph(run, "/encoder", expand=True)
    assert [node["name"] for node in opened_up["nodes"]] == ["/head", "/encoder/0", "/encoder/1"]
    found = reader.search_graph_node(run, "/encoder/1")
    assert "/encoder/1" in {node["name"] for node in found["nodes"]}
    assert len(reader.get_all_nodes(run)["nodes"]) == 5  # the root is one of them


def test_the_graph_has_shapes_and_what_is_trained(tmp_path):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_run_info({}, [], Parts())
    _, _, graph = opened(tmp_path / "vdl")
    nodes = {node["name"]: node for node in graph["nodes"]}
    attributes = {part["name"]: part["value"] for part in nodes["/head"]["attributes"]}
    assert attributes["parameters"] == 8
    assert attributes["trained"] is False
    shapes = {part["name"]: part["arguments"][0]["type"]["shape"]["dimensions"] for part in nodes["/head"]["inputs"]}
    assert shapes == {"X": [], "weight": [3, 2], "bias": [2]}


def test_layers_are_joined_in_their_order_at_every_depth(tmp_path):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_run_info({}, [], Parts())
    (file,) = (tmp_path / "vdl").glob("vdlgraph.*.log")
    for expand in (False, True):
        graph = Model(json.loads(file.read_text())).make_graph(expand_all=expand)
        nodes = {node["name"]: node for node in graph["nodes"]}
        before = {node["outputs"][0]["arguments"][0]["name"]: name for name, node in nodes.items()}
        inputs = {name: node["inputs"][0]["arguments"][0]["name"] for name, node in nodes.items()}
        order = ["/encoder/0", "/encoder/1", "/head"] if expand else ["/encoder", "/head"]
        assert [before.get(inputs[name], inputs[name]) for name in order] == ["input", *order[:-1]]


class Twice(nn.Layer):
    """Uses one sublayer in two places."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.all = nn.Sequential(self.head)


def test_a_sublayer_that_is_used_twice_is_drawn_once(tmp_path):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_run_info({}, [], Twice())
    _, _, graph = opened(tmp_path / "vdl")
    assert "/head" in {node["name"] for node in graph["nodes"]}


# ---- resuming


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_resuming_neither_doubles_nor_loses_what_is_written_once(tmp_path, kept):
    model, parts = make_toy(), [(step, Panels(histograms={"dev/a": np.arange(step)})) for step in range(2, 7)]
    positions, graphs = [None], []
    for start in (0, kept):
        with open_tracker(tmp_path, visualdl=True, positions=positions[start]) as tracker:
            tracker.write_run_info({"seed": 1}, ["dev/f1"], model)
            for step, panels in parts[start:]:
                tracker.write_panels(step, panels)
                tracker.write_scalars(step, 1, {"dev/f1": 0.5})
                positions.append(tracker.positions())
        graphs.append(sorted((tmp_path / "vdl").glob("vdlgraph.*")))
    read = visualdl_panels(tmp_path / "vdl")
    assert [len(found) for found in read["hyper_parameters"].values()] == [1]
    assert [step for step, _ in read["histogram"]["dev/a"]] == [2, 3, 4, 5, 6]
    assert visualdl_points(tmp_path / "vdl")["dev/f1"] == [(step, 0.5) for step in range(2, 7)]
    assert [len(files) for files in graphs] == [1, 1]
    if kept:
        assert graphs[0] == graphs[1]


def test_the_graph_is_written_once(tmp_path):
    for positions in (None, {"metrics": 0, "visualdl": 10}):
        with open_tracker(tmp_path, visualdl=True, positions=positions) as tracker:
            tracker.write_run_info({}, [], make_toy())
        (file,) = (tmp_path / "vdl").glob("vdlgraph.*")
        if positions is None:
            file.write_text("of the first process")
    assert file.read_text() == "of the first process"
    with open_tracker(tmp_path, visualdl=True) as tracker:  # started anew
        tracker.write_run_info({}, [], make_toy())
    (file,) = (tmp_path / "vdl").glob("vdlgraph.*")
    assert json.loads(file.read_text())["nodes"]


def test_a_log_that_was_deleted_is_started_anew(tmp_path):
    for positions in (None, {"metrics": 0, "visualdl": 10_000}):
        for file in (tmp_path / "vdl").glob("*"):
            file.unlink()
        with open_tracker(tmp_path, visualdl=True, positions=positions) as tracker:
            tracker.write_run_info({"seed": 1}, [], make_toy())
    assert list(visualdl_panels(tmp_path / "vdl")) == ["hyper_parameters"]
    assert len(list((tmp_path / "vdl").glob("vdlgraph.*"))) == 1


# ---- level of detail


@pytest.mark.parametrize(
    ("detail", "shown_details"),
    [("light", ["light"]), ("normal", ["light", "normal"]), ("full", ["light", "normal", "full"])],
)
def test_each_detail_includes_the_lower_ones(tmp_path, detail, shown_details):
    with open_tracker(tmp_path, visualdl=True, detail=detail) as tracker:
        assert [name for name in ("light", "normal", "full") if tracker.shows(name)] == shown_details
        tracker.write_run_info(SETTINGS, [], make_toy())
    assert bool(visualdl_panels(tmp_path / "vdl")) == (detail != "light")


def test_without_visualdl_no_panels_are_shown(tmp_path):
    with open_tracker(tmp_path, visualdl=False, detail="full") as tracker:
        assert not tracker.shows("light")
        tracker.write_run_info(SETTINGS, [], make_toy())
        tracker.write_panels(1, Panels(texts={"a": "b"}))
    assert not Tracker({}).shows("light")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_weights_and_gradients_by_parameter():
    model = make_toy()
    assert not gradient_histograms(model).histograms
    model.first.weight.grad = None
    (model.first.weight * 2).sum().backward()
    assert {name: set(part.tolist()) for name, part in gradient_histograms(model).histograms.items()} == {
        "gradients/first.weight": {2.0}
    }
    weights = weight_histograms(model).histograms
    assert list(weights) == [f"weights/{name}" for name, _ in model.named_parameters()]
    assert (weights["weights/first.weight"] == model.first.weight.numpy().ravel()).all()


def test_a_large_parameter_is_sampled():
    large = nn.Linear(300, 400)
    values = weight_histograms(large).histograms["weights/weight"]
    assert len(values) == 20_000
    assert set(values.tolist()) <= set(large.weight.numpy().ravel().tolist())
    assert (values == weight_histograms(large).histograms["weights/weight"]).all()


def test_the_worst_errors_come_first_in_one_line_each():
    records = [{"gold": "a", "predicted": "b", "loss": loss, "text": f"第{loss}\n行"} for loss in (1.0, 9.0, 2.0)]
    found = worst_errors(records)
    assert list(found) == ["worst_error_1", "worst_error_2", "worst_error_3"]
    assert found["worst_error_1"] == "gold: a ‖ predicted: b ‖ loss: 9.000 ‖ 第9.0 行"
