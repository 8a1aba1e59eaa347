"""RoBERTa, ALBERT, ELECTRA and SKEP as PaddleNLP saves them, checked against its own models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models.encoders.architectures import ARCHITECTURES, classes, model_type_of, tokenizers
from paddle_tasks.models.encoders.base import real_positions
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder, build_model
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.models.pretrained.saving import load_encoder, save_pretrained
from paddle_tasks.text.tokenizer import Tokenizer

from .conftest import LENGTHS, PADDLENLP, SIZES, batch, listing, paddlenlp_folder

KINDS = tuple(name.partition("/")[2] for name in PADDLENLP)
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"酒店房间很好啊不", "good", "##s", "Bad", "bad", "é")
each_kind = pytest.mark.parametrize("kind", KINDS)


def theirs(model: paddle.nn.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return what PaddleNLP's model returns with the mask of its documentation."""
    ids, types, lengths = batch()
    model.eval()
    mask = real_positions(lengths, ids.shape[1]).astype("int64")
    output = model(ids, token_type_ids=types, attention_mask=mask)
    states, first = (output, None) if isinstance(output, paddle.Tensor) else output
    return states.numpy(), (states[:, 0] if first is None else first).numpy()


def ours(encoder: paddle.nn.Layer) -> tuple[np.ndarray, np.ndarray]:
    encoder.eval()
    return [found.numpy() for found in encoder(*batch())]


def difference(encoder: paddle.nn.Layer, model: paddle.nn.Layer) -> float:
    """Return the largest difference, over states at real positions and text vectors."""
    (states, first), (expected, expected_first) = ours(encoder), theirs(model)
    real = np.arange(states.shape[1]) < np.array(LENGTHS)[:, None]
    return max(np.abs(states - expected)[real].max(), np.abs(first - expected_first).max())


def original(kind: str, folder: Path | None = None) -> paddle.nn.Layer:
    return classes(kind)[0].from_pretrained(str(folder or paddlenlp_folder(kind)))


@each_kind
def test_states_are_paddlenlps(kind):
    folder = paddlenlp_folder(kind)
    before = listing(folder)
    assert difference(load_pretrained(str(folder)), original(kind)) <= 1e-7
    assert listing(folder) == before


def set_epsilon(encoder):
    for layer in encoder.sublayers():
        if isinstance(layer, paddle.nn.LayerNorm):
            layer._epsilon = 1e-12 if layer._epsilon > 1e-9 else 1e-5


def swap_activation(encoder):
    for layer in encoder.sublayers():
        if hasattr(layer, "linear1") or hasattr(layer, "ffn"):
            layer.activation = paddle.nn.Silu()


def move_positions(encoder):
    table = encoder.model.embeddings.position_embeddings.weight
    table.set_value(np.roll(table.numpy(), 1, axis=0))


CHANGES = {"epsilon": set_epsilon, "activation": swap_activation, "positions": move_positions}


@pytest.mark.parametrize("change", CHANGES)
@each_kind
def test_a_wrong_model_differs(kind, change):
    encoder = load_pretrained(str(paddlenlp_folder(kind)))
    CHANGES[change](encoder)
    assert difference(encoder, original(kind)) > 1e-5


@each_kind
def test_paddlenlp_reads_what_we_save_with_the_same_states(kind, tmp_path):
    encoder = load_pretrained(str(paddlenlp_folder(kind)))
    save_pretrained(encoder, tmp_path)
    assert difference(encoder, original(kind, tmp_path)) <= 1e-7
    assert difference(load_encoder(tmp_path), original(kind)) <= 1e-7


@each_kind
def test_a_model_with_a_head(kind, tmp_path):
    from paddlenlp import transformers

    paddle.seed(1)
    bare, config_kind = classes(kind)
    config = config_kind.from_pretrained(str(paddlenlp_folder(kind)))
    whole = getattr(transformers, f"{ARCHITECTURES[kind].name}ForSequenceClassification")(config)
    inner = getattr(whole, bare.base_model_prefix)
    inner.set_state_dict(original(kind).state_dict())
    for safe in (True, False):
        folder = tmp_path / str(safe)
        whole.save_pretrained(str(folder), safe_serialization=safe)
        encoder = load_pretrained(str(folder))
        states = ours(encoder)[0]
        np.testing.assert_allclose(states, theirs(inner)[0], rtol=0, atol=1e-7)


@each_kind
def test_an_old_folder(kind, tmp_path):
    """Up to 2.4 PaddleNLP wrote a model_config.json that names classes."""
    model = original(kind)
    inner = {key: model.config[key] for key in ARCHITECTURES[kind].fields}
    inner["init_class"] = type(model).__name__
    config = {"init_args": [inner], "init_class": f"{ARCHITECTURES[kind].name}ForTokenClassification"}
    (tmp_path / "model_config.json").write_text(json.dumps(config))
    state = {f"{model.base_model_prefix}.{name}": value for name, value in model.state_dict().items()}
    paddle.save({**state, "classifier.bias": paddle.ones([2])}, str(tmp_path / "model_state.pdparams"))
    assert difference(load_pretrained(str(tmp_path)), model) <= 1e-7


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "electra"])
def test_weights_without_pooler_give_the_first_state(kind, tmp_path):
    folder = shutil.copytree(paddlenlp_folder(kind), tmp_path / kind)
    state = paddle.load(str(folder / "model_state.pdparams"))
    kept = {name: value for name, value in state.items() if "pooler" not in name}
    assert len(kept) == len(state) - 2
    paddle.save(kept, str(folder / "model_state.pdparams"))
    encoder = load_pretrained(str(folder))
    states, first = ours(encoder)
    np.testing.assert_array_equal(first, states[:, 0])
    save_pretrained(encoder, tmp_path / "saved")
    assert not load_encoder(tmp_path / "saved").has_pooler


@each_kind
def test_missing_weights_are_reported(kind, tmp_path):
    folder = shutil.copytree(paddlenlp_folder(kind), tmp_path / kind)
    state = paddle.load(str(folder / "model_state.pdparams"))
    name = next(name for name in state if "position_embeddings" in name)
    paddle.save({key: value for key, value in state.items() if key != name}, str(folder / "model_state.pdparams"))
    with pytest.raises(CheckpointError, match=r"1 tensors are missing: embeddings\.position_embeddings\.weight"):
        load_pretrained(str(folder))


@pytest.mark.parametrize(("kind", "longest"), [("roberta", 23), ("albert", 24), ("electra", 24), ("skep", 24)])
def test_max_length(kind, longest):
    """RoBERTa counts positions from the padding id + 1, so it has one position fewer than its table has rows."""
    encoder = load_pretrained(str(paddlenlp_folder(kind)))
    assert encoder.max_length == longest
    encoder.eval()
    ids = paddle.full([1, longest], 7, dtype="int64")
    states = encoder(ids, paddle.zeros_like(ids), paddle.to_tensor([longest]))[0].numpy()
    assert np.isfinite(states).all()
    places = []
    table = encoder.model.embeddings.position_embeddings
    table.register_forward_pre_hook(lambda _layer, inputs: places.append(inputs[0].numpy().ravel().tolist()))
    encoder(ids, paddle.zeros_like(ids), paddle.to_tensor([longest]))
    assert places == [list(range(24 - longest, 24))]


def test_albert_shares_its_layers_and_embeds_narrowly():
    shallow, deep = (load_pretrained(str(paddlenlp_folder("albert", num_hidden_layers=n))) for n in (2, 5))
    sizes = [sum(parameter.size for parameter in encoder.parameters()) for encoder in (shallow, deep)]
    assert sizes[0] == sizes[1]
    assert np.abs(ours(shallow)[0] - ours(deep)[0]).max() > 1e-3
    assert shallow.model.embeddings.word_embeddings.weight.shape == [50, 16]
    grouped = paddlenlp_folder("albert", num_hidden_layers=4, num_hidden_groups=2, inner_group_num=1)
    assert difference(load_pretrained(str(grouped)), original("albert", grouped)) <= 1e-7


@pytest.mark.parametrize("change", [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-5}, {"type_vocab_size": 4}])
@each_kind
def test_other_settings_are_kept(kind, change):
    if set(change) <= set(ARCHITECTURES[kind].fields):
        folder = paddlenlp_folder(kind, **change)
        assert difference(load_pretrained(str(folder)), original(kind, folder)) <= 1e-7


@each_kind
def test_the_tanh_approximation(kind):
    folder = paddlenlp_folder(kind, hidden_act="gelu")
    exact = load_pretrained(str(folder))
    approximate = load_pretrained(str(folder))
    config = json.loads((folder / "config.json").read_text())
    copy = Path(shutil.copytree(folder, folder.with_name(folder.name + "-tanh")))
    (copy / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu_new"}))
    approximate = load_pretrained(str(copy))
    expected = load_pretrained(str(folder))
    for layer in expected.sublayers():
        if hasattr(layer, "linear1") or hasattr(layer, "ffn"):
            layer.activation = paddle.nn.GELU(approximate=True)
    np.testing.assert_array_equal(ours(approximate)[0], ours(expected)[0])
    assert np.abs(ours(approximate)[0] - ours(exact)[0]).max() > 1e-6


def test_only_electra_has_no_pooler():
    for kind, architecture in ARCHITECTURES.items():
        sizes = {key: value for key, value in SIZES.items() if key in architecture.fields}
        encoder = PretrainedEncoder(build_model(kind, sizes))
        assert encoder.has_pooler == hasattr(encoder.model, "pooler") == (kind != "electra")
        assert encoder.model_type == kind


def test_every_registered_class_exists_in_paddlenlp():
    for kind, architecture in ARCHITECTURES.items():
        model, config = classes(kind)
        assert model.base_model_prefix == architecture.prefixes[0].rstrip(".")
        assert (config.model_type, model.__name__) == (kind, f"{architecture.name}Model")
        known = config().to_dict()
        assert not set(architecture.fields) - set(known), "a field that PaddleNLP does not have"
        assert not set(architecture.torch_defaults) - set(architecture.fields)
        assert list(tokenizers(kind))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BertForPretraining", "bert"),
        ("ErnieModel", "ernie"),
        ("RobertaForMaskedLM", "roberta"),
        ("AlbertForQuestionAnswering", "albert"),
        ("ElectraDiscriminator", "electra"),
        ("SkepCrfForTokenClassification", None),
        ("ErnieMModel", None),
        ("DistilBertModel", None),
        ("BertTokenizer", None),
    ],
)
def test_model_types_follow_from_class_names(name, expected):
    assert model_type_of(name) == expected


# ---- their tokenizers


@pytest.mark.parametrize(
    ("name", "lowercase"),
    [
        ("BertTokenizer", True),
        ("RobertaChineseTokenizer", True),
        ("AlbertTokenizer", False),
        ("AlbertTokenizer", True),
        ("ElectraTokenizer", True),
        ("ElectraTokenizer", False),
        ("SkepTokenizer", True),
    ],
)
def test_a_folder_with_paddlenlps_tokenizer(tmp_path, name, lowercase):
    from paddlenlp import transformers

    (tmp_path / "given.txt").write_text("".join(f"{token}\n" for token in VOCABULARY), encoding="utf-8")
    more = {"sentencepiece_model_file": None, "pad_token": "[PAD]", "unk_token": "[UNK]"}
    arguments = more if name == "AlbertTokenizer" else {}
    tokenizer = getattr(transformers, name)(str(tmp_path / "given.txt"), do_lower_case=lowercase, **arguments)
    tokenizer.save_pretrained(str(tmp_path / "folder"))
    folder = shutil.copytree(paddlenlp_folder("skep"), tmp_path / "folder", dirs_exist_ok=True)
    loaded = Tokenizer.load(tokenizer_folder(resolve(str(folder))))
    for text in ("酒店很好", "Bads 房间 goods é", "不好啊bad"):
        expected = tokenizer(text)["input_ids"]
        assert loaded.encode([text], max_length=64)[0].input_ids.tolist() == expected


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("spiece.model",), "spiece.model is a sentencepiece vocabulary, which is not supported; expected .*vocab.txt"),
        (("vocab.json", "merges.txt"), "merges.txt is part of a byte-level BPE vocabulary"),
        (("vocab.txt", "vocab.bpe", "encoder.json"), "vocab.bpe is part of a byte-level BPE vocabulary"),
    ],
)
def test_other_vocabularies_are_refused_before_training(tmp_path, files, message):
    folder = shutil.copytree(paddlenlp_folder("albert"), tmp_path / "folder")
    for name in files:
        (folder / name).write_text("[PAD]\n")
    with pytest.raises(CheckpointError, match=message):
        tokenizer_folder(resolve(str(folder)))
