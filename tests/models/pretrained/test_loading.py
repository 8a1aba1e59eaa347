"""Local folders in both layouts: what they may contain, what is refused, and that nothing is written into them."""

from __future__ import annotations

import json
import shutil

import ml_dtypes
import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file

from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.models.encoders.architectures import ARCHITECTURES
from paddle_tasks.models.pretrained import loading as pretrained
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.models.pretrained.saving import save_pretrained

from ..conftest import GOLDEN, batch, listing, make_encoder
from ..test_golden import TOLERANCE, difference

QUERY = "bert.encoder.layer.0.attention.self.query.weight"


def rename(*pairs):
    """Return a function that replaces parts of tensor names."""

    def change(tensors):
        for old, new in pairs:
            tensors = {name.replace(old, new): tensor for name, tensor in tensors.items()}
        return tensors

    return change


def without(part):
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def added(name, shape):
    return lambda tensors: {**tensors, name: np.ones(shape, np.float32)}


def weights_of(encoder):
    return {name: value.numpy() for name, value in encoder.model.state_dict().items()}


SAME = {
    "legacy names": rename(("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")),
    "no prefix": lambda tensors: {k.removeprefix("bert."): v for k, v in tensors.items() if not k.startswith("cls.")},
    "no prefix, with heads": lambda tensors: {k.removeprefix("bert."): v for k, v in tensors.items()},
    "the other's prefix": rename(("bert.", "ernie.")),
    "buffers": added("bert.embeddings.position_ids", (1, 24)),
    "a head with an encoder's name": added("encoder.layer.0.output.dense.weight", (3, 3)),
}


@pytest.mark.parametrize("change", SAME)
def test_what_hugging_face_folders_may_look_like(golden_copy, change):
    folder = golden_copy("bert", tensors=SAME[change])
    assert difference(load_pretrained(str(folder)), folder) <= TOLERANCE


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 1e-3), (ml_dtypes.bfloat16, 8e-3), (np.float64, 0)])
def test_other_precisions_become_float32(golden_copy, dtype, tolerance):
    folder = golden_copy("ernie", tensors=lambda found: {name: value.astype(dtype) for name, value in found.items()})
    loaded, whole = weights_of(load_pretrained(str(folder))), weights_of(load_pretrained(str(GOLDEN / "ernie")))
    for name, value in whole.items():
        assert loaded[name].dtype == np.float32
        np.testing.assert_allclose(loaded[name], value, rtol=tolerance, atol=tolerance / 100)
    assert tolerance == 0 or any((loaded[name] != value).any() for name, value in whole.items())


def test_epsilon_is_the_configured_one_for_ernie_too():
    for name, epsilon in (("bert", 1e-12), ("ernie", 1e-5)):
        layers = load_pretrained(str(GOLDEN / name)).sublayers()
        assert {layer._epsilon for layer in layers if isinstance(layer, paddle.nn.LayerNorm)} == {epsilon}


def test_sizes_that_a_configuration_leaves_out_are_hugging_faces(golden_copy):
    folder = golden_copy("bert")
    config = json.loads((folder / "config.json").read_text())
    del config["type_vocab_size"]  # 2 in transformers, 16 in PaddleNLP
    (folder / "config.json").write_text(json.dumps(config))
    assert difference(load_pretrained(str(folder)), folder) <= TOLERANCE


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [("albert", "hidden_act", "gelu_new"), ("roberta", "pad_token_id", 1), ("ernie", "type_vocab_size", 2)],
)
def test_what_another_kind_leaves_out_is_hugging_faces_too(golden_copy, name, field, expected):
    folder = golden_copy(name)
    config = json.loads((folder / "config.json").read_text())
    assert config.pop(field) is not None
    (folder / "config.json").write_text(json.dumps(config))
    assert load_pretrained(str(folder)).model.config[field] == expected


def test_weights_without_pooler_give_the_first_state(golden_copy):
    folder = golden_copy("bert", tensors=without("pooler"))
    encoder = load_pretrained(str(folder))
    encoder.eval()
    states, first = encoder(*batch())
    np.testing.assert_array_equal(first.numpy(), states[:, 0].numpy())
    assert not any("pooler" in name for name, _ in encoder.named_parameters())
    encoder.freeze_pooler()


def test_nothing_is_drawn_at_random(golden_copy):
    paddle.seed(1)
    first = weights_of(load_pretrained(str(GOLDEN / "bert")))
    paddle.seed(2)
    second = weights_of(load_pretrained(str(GOLDEN / "bert")))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", ["bert", "ernie"])
def test_nothing_is_written_into_the_folder(golden_copy, name):
    folder = golden_copy(name)
    before = listing(folder)
    load_pretrained(str(folder))
    assert listing(folder) == before


@pytest.mark.parametrize("weights", ["model.safetensors", "model_state.pdparams"])
@pytest.mark.parametrize("name", ["bert", "ernie"])
def test_a_paddlenlp_folder(tmp_path, name, weights):
    folder = tmp_path / name
    model = load_pretrained(str(GOLDEN / name)).model
    model.save_pretrained(str(folder), safe_serialization=weights == "model.safetensors")
    assert (folder / weights).is_file()
    before = listing(folder)
    encoder = load_pretrained(str(folder))
    assert difference(encoder, GOLDEN / name) <= TOLERANCE
    assert listing(folder) == before


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_an_old_paddlenlp_folder(tmp_path, prefix):
    encoder = load_pretrained(str(GOLDEN / "bert"))
    sizes = {key: encoder.model.config[key] for key in ARCHITECTURES["bert"].fields if key != "layer_norm_eps"}
    inner = {"init_args": [], **sizes, "init_class": "BertModel"}
    config = {"init_args": [inner], "num_classes": 2, "init_class": "BertForSequenceClassification"}
    (tmp_path / "model_config.json").write_text(json.dumps(config))
    state = {prefix + name: value for name, value in encoder.model.state_dict().items()}
    paddle.save({**state, "classifier.weight": paddle.ones([32, 2])}, str(tmp_path / "model_state.pdparams"))
    assert difference(load_pretrained(str(tmp_path)), GOLDEN / "bert") <= TOLERANCE


REFUSED = {
    "missing": (
        without("layer.1.attention.self.key.bias"),
        r"1 tensors are missing: encoder.layers.1.self_attn.k_proj.bias",
    ),
    "half a pooler": (without("pooler.dense.bias"), r"1 tensors are missing: pooler.dense.bias"),
    "extra layer": (added("bert.encoder.layer.2.output.dense.weight", (32, 64)), r"1 tensors do not belong .*layer.2"),
    "other width": (added(QUERY, (32, 31)), r"query.weight: shape \[32, 31\], expected \[32, 32\]"),
    "transposed": (
        lambda found: {**found, "bert.encoder.layer.0.intermediate.dense.weight": np.ones((32, 64), np.float32)},
        r"intermediate.dense.weight: shape \[32, 64\], expected \[64, 32\]",
    ),
    "another model's names": (rename(("bert.", "xlnet.")), r"tensors are missing: embeddings.word_embeddings.weight"),
}


@pytest.mark.parametrize("change", REFUSED)
def test_tensors_that_do_not_fit(golden_copy, change):
    tensors, message = REFUSED[change]
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(str(golden_copy("bert", tensors=tensors)))


def test_all_problems_are_reported_together(golden_copy):
    folder = golden_copy("bert", {"vocab_size": 60, "num_hidden_layers": 1})
    with pytest.raises(
        CheckpointError, match=r"word_embeddings.weight: shape \[50, 32\], expected \[60, 32\](.|\n)*16 tensors"
    ):
        load_pretrained(str(folder))


CONFIGS = {
    "another architecture": ({"model_type": "xlnet"}, "of a xlnet model, expected one of bert, ernie, roberta"),
    "relative positions": ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
    "decoder": ({"is_decoder": True}, "is_decoder True"),
    "activation": ({"hidden_act": "quick_gelu"}, "hidden_act 'quick_gelu'"),
    "heads": ({"num_attention_heads": 5}, "no model can be built"),
    "nonsense": ({"hidden_size": "wide"}, "hidden_size: input should be a valid integer"),
}


@pytest.mark.parametrize("change", CONFIGS)
def test_configurations_that_cannot_be_used(golden_copy, change):
    config, message = CONFIGS[change]
    folder = golden_copy("bert", config)
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(str(folder))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, "no config.json in it"),
        ("config.json", "{", "not valid JSON"),
        ("config.json", "[]", "expected a JSON object, found a list"),
        ("model.safetensors", None, "no weights in it, expected model.safetensors or model_state.pdparams"),
        ("model.safetensors", "", "not a readable file of tensors"),
    ],
)
def test_broken_folders(golden_copy, file, text, message):
    folder = golden_copy("bert")
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(str(folder))


def test_weights_that_are_cut_short(golden_copy):
    folder = golden_copy("bert")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a readable file of tensors"):
        load_pretrained(str(folder))


def test_a_pickle_is_refused_with_advice(golden_copy):
    folder = golden_copy("bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin is a pickle(.|\n)*safe_serialization=True"):
        resolve(str(folder))


@pytest.mark.usefixtures("in_chinese")
def test_unknown_models_are_refused_in_chinese(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"^builtin/ernie-mini：没有这个自带模型；是不是想写 'builtin/ernie-mini-zh'？（可选：builtin/",
    ):
        resolve("builtin/ernie-mini")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    with pytest.raises(CheckpointError) as refused:
        resolve(str(tmp_path))
    near = f"；是不是想写 {str(tmp_path / 'model')!r}？"
    assert str(refused.value) == f"{tmp_path}：其中没有 config.json，不是模型文件夹{near}"


def test_resolving_reads_no_weights(golden_copy):
    folder = golden_copy("ernie")
    (folder / "model.safetensors").write_text("no tensors: reading it would fail")
    source = resolve(str(folder))
    assert (source.model_type, source.weights) == ("ernie", folder / "model.safetensors")
    assert tokenizer_folder(source) == folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("textcn", "did you mean 'textcnn'"),
        ("ernie-mini-zh", "did you mean 'builtin/ernie-mini-zh'"),
        ("bert-bace-chinese", "did you mean 'bert-base-chinese'"),
        ("ernie3.0-medium-zh", "did you mean 'ernie-3.0-medium-zh'"),
        ("uer/chinese-roberta-bas", "did you mean 'uer/chinese-roberta-base'"),
        ("hfl/chinese-bert-wwm", r"did you mean 'hfl/roberta-wwm-ext'\? \(Hugging Face names are not downloaded"),
        ("someone/chinese-bert-wwm", r"no such folder \(Hugging Face names are not downloaded"),
        ("rnnn", "did you mean 'rnn'"),
        ("bert", r"random weights; expected a pretrained one here.*did you mean 'builtin/bert-mini-zh'"),
        (
            "something-else",
            "unknown encoder, expected rnn, gru, lstm, bilstm, textcnn, transformer, bert, ernie, a built-in",
        ),
    ],
)
def test_mistyped_names(name, message):
    with pytest.raises(ConfigError, match=message):
        resolve(name)


def test_mistyped_folders(tmp_path, monkeypatch):
    shutil.copytree(GOLDEN / "bert", tmp_path / "runs" / "first" / "model")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no such folder; did you mean 'runs/first'"):
        resolve("runs/frst")
    with pytest.raises(CheckpointError, match=r"no config.json in it(.|\n)*did you mean 'runs/first/model'"):
        resolve("runs/first")
    with pytest.raises(ConfigError, match="this is a file; name the folder"):
        resolve("runs/first/model/config.json")
    assert resolve("./runs/first/model").model_type == "bert"


def test_built_in_models(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "ASSETS", tmp_path)
    with pytest.raises(ConfigError, match="none ships with this version"):
        resolve("builtin/bert-mini-zh")
    shutil.copytree(GOLDEN / "bert", tmp_path / "bert-mini-zh")
    assert pretrained.builtin_names() == ["builtin/bert-mini-zh"]
    assert difference(load_pretrained("builtin/bert-mini-zh"), GOLDEN / "bert") <= TOLERANCE
    with pytest.raises(ConfigError, match=r"did you mean 'builtin/bert-mini-zh'\? \(available: builtin/bert-mini-zh\)"):
        resolve("builtin/bert-mini")
    with pytest.raises(ConfigError, match="did you mean 'builtin/bert-mini-zh'"):
        resolve("bert-mini-zh")


def test_a_from_scratch_folder_is_no_pretrained_one(tmp_path):
    save_pretrained(make_encoder("bilstm"), tmp_path)
    with pytest.raises(CheckpointError, match="of a bilstm model, expected one of bert"):
        resolve(str(tmp_path))


def test_golden_fixtures_are_small_and_of_hugging_face():
    encoders = {path.parent for path in GOLDEN.glob("*/model.safetensors")}
    assert sum(path.stat().st_size for folder in encoders for path in folder.iterdir()) < 490_000
    assert (GOLDEN / "generation.json").stat().st_size < 100_000
    assert QUERY in load_file(GOLDEN / "bert" / "model.safetensors")
