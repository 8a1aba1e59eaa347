"""Prediction without Paddle: equal to the Layer's, from threads and in streams; and models that need Paddle."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from paddle_tasks import load, pipeline, tasks
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.errors import CheckpointError, ConfigError, DataError
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.onednn import library, precision
from paddle_tasks.tasks.classification.predictor import TextPredictor

from ..helpers import needs_bfloat16

TEXTS = ["味道不错", "房间太小了，还很吵，再也不会来了。", "物流很快，包装完好，" * 40, "a", "还行吧"]
needs_onednn = pytest.mark.skipif(library.get() is None, reason=f"oneDNN cannot be used: {library.why_not()}")


def with_paddle(name):
    """Return the predictor that uses the Layer."""
    predictor = pipeline(name)
    assert predictor.model is not None  # from now on the Layer predicts
    return predictor


def probabilities(records):
    return np.array([list(record["probabilities"].values()) for record in records])


@pytest.mark.parametrize(("name", "key"), [("sentiment", "label"), ("opinion", "triplets")])
def test_predict_imports_no_paddle(name, key):
    code = (
        f"import sys\nfrom paddle_tasks.cli import main\nsys.argv[1:] = ['predict', '{name}', '味道不错']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'paddle', 'paddlenlp', 'sklearn', 'scipy', 'matplotlib', 'visualdl', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[key]


@pytest.mark.parametrize("name", ["sentiment", "news"])
def test_it_declares_what_the_task_declares(name):
    quick, task = tasks.find_paddle_free(name), tasks.find(name)
    for member in ("FIELDS", "INPUT_FIELDS", "PREDICT_OPTIONS", "RECORD_FORMATS"):
        assert getattr(quick, member) == getattr(task, member), member


@needs_onednn
@pytest.mark.parametrize("name", ["sentiment", "news"])
def test_the_records_are_those_of_the_layer(name):
    quick, full = pipeline(name)(TEXTS), with_paddle(name)(TEXTS)
    np.testing.assert_allclose(probabilities(quick), probabilities(full), atol=2e-6)
    for one, other in zip(quick, full, strict=True):
        assert one["score"] == one["probabilities"][one["label"]] == pytest.approx(other["score"], abs=2e-6)
        assert {**one, "score": 0, "probabilities": None} == {**other, "score": 0, "probabilities": None}
        assert list(one["probabilities"]) == list(other["probabilities"])
    assert [record.get("truncated", False) for record in quick] == [False, False, True, False, False]


@needs_onednn
@pytest.mark.skipif(not precision.has_bfloat16(), reason="this CPU does not multiply bfloat16 faster")
def test_bfloat16_is_near_float32():
    half, full = (probabilities(pipeline("sentiment", precision=kind)(TEXTS)) for kind in ("bfloat16", "float32"))
    assert 0 < np.abs(half - full).max() < 0.02


@needs_onednn
def test_a_batch_is_its_rows_one_by_one():
    predictor = pipeline("sentiment")
    single = [predictor(text) for text in TEXTS]
    np.testing.assert_allclose(probabilities(predictor(TEXTS)), probabilities(single), atol=1e-6)


@needs_onednn
@pytest.mark.long
def test_every_pooling_and_head(small_config, tmp_path):
    from paddle_tasks import train

    sizes = {"hidden_size": 16, "n_layers": 2, "n_heads": 2, "kernel_sizes": None}
    for pooling, head, output in itertools.product(("cls", "mean", "max"), ("linear", "mlp"), ("softmax", "sigmoid")):
        config = small_config(tmp_path, training={"max_steps": 2})
        model = {**config["model"], **sizes, "encoder": "ernie", "pooling": pooling, "head": head, "output": output}
        del model["kernel_sizes"]
        run = train({**config, "model": model, "run_dir": str(tmp_path / f"{pooling}{head}{output}")})
        assert not load(run.folder).needs_paddle
        quick, full = load(run.folder)(TEXTS[:2]), with_paddle(run.folder)(TEXTS[:2])
        np.testing.assert_allclose(probabilities(quick), probabilities(full), atol=2e-6)


@needs_onednn
def test_threads_share_a_predictor():
    predictor, found = pipeline("sentiment"), {}
    expected = predictor(TEXTS)

    def predict(number):
        found[number] = [predictor(TEXTS) for _ in range(3)]

    threads = [threading.Thread(target=predict, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == expected for answers in found.values() for answer in answers)
    assert len(found) == 4


def test_a_stream_is_computed_part_by_part():
    predictor, taken = pipeline("sentiment"), []

    def texts():
        for number in itertools.count():
            taken.append(number)
            yield TEXTS[number % 2]

    stream = predictor.stream(texts(), n_at_once=3)
    first = list(itertools.islice(stream, 4))
    assert len(taken) == 6  # of an endless generator
    assert [record["input"] for record in first] == [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[1]]
    assert list(predictor.stream([])) == []


def test_a_stream_names_the_item_that_is_no_text():
    stream = pipeline("sentiment").stream(["好", "好", "好", None], n_at_once=2)
    assert [next(stream)["input"], next(stream)["input"]] == ["好", "好"]
    with pytest.raises(DataError, match="item 4: expected a text, found None"):
        next(stream)
    with pytest.raises(DataError, match="expected several texts, found one text"):
        pipeline("sentiment").stream("好")
    with pytest.raises(DataError, match="n_at_once: expected a number above 0, found 0"):
        pipeline("sentiment").stream(["好"], n_at_once=0)


@needs_onednn
@pytest.mark.parametrize("kind", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
def test_explanations_use_the_layer_and_change_nothing(kind):
    predictor = load("builtin/sentiment", precision=kind)
    before = predictor("味道不错")
    explained = predictor("味道不错", explain=True)
    assert (explained["label"], len(explained) > len(before)) == ("positive", True)
    assert {key: explained[key] for key in before} == before
    assert predictor("味道不错") == before
    assert not predictor.needs_paddle


@needs_onednn
def test_the_layer_predicts_once_it_was_used():
    predictor = pipeline("sentiment")
    for parameter in predictor.model.head.parameters():
        parameter.set_value(parameter * 0)
    assert list(predictor("味道不错")["probabilities"].values()) == [0.5, 0.5]


@pytest.mark.parametrize("name", ["float16", "bf16"])
def test_an_unknown_precision_is_refused(name):
    with pytest.raises(ConfigError, match=f"precision: '{name}' is unknown"):
        pipeline("sentiment", precision=name)


@needs_onednn
def test_texts_as_long_as_the_model_reads(small_config, tmp_path):
    from paddle_tasks import train

    config = small_config(tmp_path, training={"max_steps": 1, "max_length": 21})
    model = {"encoder": "bert", "hidden_size": 16, "n_layers": 1, "n_heads": 2, "max_positions": 21, "dropout": 0.0}
    run = train({**config, "model": model})
    quick, full = load(run.folder)(["好" * 30, "好"]), with_paddle(run.folder)(["好" * 30, "好"])
    np.testing.assert_allclose(probabilities(quick), probabilities(full), atol=2e-6)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda config, _: config.update(model_type="roberta"),
        lambda config, _: config.update(hidden_act="mish"),
        lambda config, _: config.update(use_task_id=True),
        lambda _, settings: settings["config"]["model"].update(pooling="attention"),
        lambda _, settings: settings["config"]["model"].update(head="course"),
        lambda _, settings: settings["labels"].append("neutral"),
        lambda _, settings: settings["config"]["model"].update(output="sigmoid"),
        lambda _, settings: settings["config"]["training"].update(max_length=600),
        lambda _, settings: settings["config"]["training"].pop("max_length"),
        lambda config, _: config.update(num_attention_heads=3),
        lambda config, _: config.update(num_hidden_layers=3),
        lambda config, _: config.update(pool_act="relu"),
    ],
)
def test_other_models_need_paddle(spoil, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(ASSETS / "sentiment", folder)
    config, settings = (json.loads((folder / name).read_text("utf-8")) for name in ("config.json", "paddle_tasks.json"))
    assert (TextPredictor.load(folder, settings, bfloat16=False) is None) == (library.get() is None)
    spoil(config, settings)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert TextPredictor.load(folder, settings, bfloat16=False) is None


def test_a_damaged_model_gets_the_message_of_paddles_path(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(ASSETS / "sentiment", folder)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a readable file of tensors"):
        load(folder)


def test_a_tensor_that_the_model_does_not_have_is_not_ignored(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(ASSETS / "sentiment", folder)
    arrays = load_file(folder / "model.safetensors")
    save_file({**arrays, "head.more": arrays["head.output.bias"]}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"head\.more"):
        load(folder)


@needs_onednn
def test_the_samples_are_predicted_alike():
    lines = (SAMPLES / "sentiment" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    texts = [line.split("\t")[-1] for line in lines][:60]
    quick, full = pipeline("sentiment")(texts), with_paddle("sentiment")(texts)
    assert [record["label"] for record in quick] == [record["label"] for record in full]
