"""The masked language model against PaddleNLP's, saved and loaded in both directions, and what loading refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models import cpu
from paddle_tasks.models.masked_lm import MaskedLanguageModel, load_masked_lm
from paddle_tasks.models.pretrained.saving import load_state, save_pretrained

from .conftest import GOLDEN, LENGTHS, SIZES, VOCABULARY, batch, make_encoder

KINDS = ("bert", "ernie")
TOLERANCE = 1e-5
NEXT = "cls.seq_relationship."
each_kind = pytest.mark.parametrize("kind", KINDS)
with_pairs = pytest.mark.parametrize("next_sentence", [True, False], ids=["pairs", "tokens alone"])

REAL = np.flatnonzero(np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None])


def draw(model: paddle.nn.Layer) -> None:
    """Draw every parameter at random, so that none can be left out or swapped unnoticed."""
    numbers = np.random.default_rng(6)
    for name, parameter in model.named_parameters():
        noise = numbers.normal(size=parameter.shape).astype(np.float32)
        parameter.set_value(1 + 0.1 * noise if "norm" in name and "weight" in name else 0.2 * noise)


def make(kind: str, *, next_sentence: bool = True, dropout: float = 0.1) -> MaskedLanguageModel:
    model = MaskedLanguageModel(make_encoder(kind, dropout=dropout), next_sentence=next_sentence)
    draw(model)
    model.eval()
    return model


def ours(model: MaskedLanguageModel) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the logits of both heads; those of the tokens at all real positions."""
    tokens, pairs = model.forward_both(*batch(), paddle.to_tensor(REAL))
    return tokens.numpy(), None if pairs is None else pairs.numpy()


def theirs(model: paddle.nn.Layer) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the same from PaddleNLP's model."""
    model.eval()
    ids, types, lengths = batch()
    mask = paddle.to_tensor((np.arange(ids.shape[1]) < lengths.numpy()[:, None]).astype(np.int64))
    found = model(ids, token_type_ids=types, attention_mask=mask)
    tokens, pairs = found if isinstance(found, tuple) else (found, None)
    return tokens.numpy().reshape(-1, tokens.shape[-1])[REAL], None if pairs is None else pairs.numpy()


def paddlenlps(kind: str, suffix: str) -> type:
    from paddlenlp import transformers

    return getattr(transformers, {"bert": "Bert", "ernie": "Ernie"}[kind] + suffix)


def largest(*differences: np.ndarray) -> float:
    return max(float(np.abs(difference).max()) for difference in differences)


def parameters(model: paddle.nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> set[str]:
    """Return the names of the parameters that are equal bit for bit."""
    assert first.keys() == second.keys()
    return {name for name in first if np.array_equal(first[name], second[name])}


# ---- PaddleNLP reads what we write, and we what it writes


@each_kind
@with_pairs
def test_paddlenlp_reads_what_we_save(kind, next_sentence, tmp_path):
    model = make(kind, next_sentence=next_sentence)
    save_pretrained(model, tmp_path)
    tokens, pairs = ours(model)
    assert largest(tokens) > 1
    assert largest(theirs(paddlenlps(kind, "ForMaskedLM").from_pretrained(str(tmp_path)))[0] - tokens) <= TOLERANCE
    if pairs is not None:
        found = theirs(paddlenlps(kind, "ForPretraining").from_pretrained(str(tmp_path)))
        assert largest(found[0] - tokens, found[1] - pairs) <= TOLERANCE
    encoder = paddlenlps(kind, "Model").from_pretrained(str(tmp_path))
    assert len(equal(parameters(encoder), parameters(model.encoder.model))) == len(encoder.state_dict())


@each_kind
@pytest.mark.parametrize("suffix", ["ForPretraining", "ForMaskedLM"])
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "pdparams"])
def test_we_read_what_paddlenlp_saves(kind, suffix, safe, tmp_path):
    original = paddlenlps(kind, suffix)(paddlenlps(kind, "Config")(**SIZES))
    draw(original)
    original.save_pretrained(str(tmp_path), safe_serialization=safe)
    tokens, pairs = theirs(original)
    model = load_masked_lm(str(tmp_path), next_sentence=pairs is not None)
    model.eval()
    found = ours(model)
    assert largest(found[0] - tokens) <= TOLERANCE
    if pairs is not None:
        assert largest(found[1] - pairs) <= TOLERANCE


@pytest.mark.parametrize("spoil", ["transform.weight", "transform.bias", "layer_norm.weight", "decoder_bias"])
def test_a_part_left_out_differs(spoil):
    original = paddlenlps("bert", "ForPretraining")(paddlenlps("bert", "Config")(**SIZES))
    draw(original)
    before = theirs(original)[0]
    value = dict(original.named_parameters())[f"cls.predictions.{spoil}"]
    value.set_value(value.numpy()[::-1].copy())
    assert largest(theirs(original)[0] - before) > 100 * TOLERANCE


@each_kind
def test_older_names_of_the_output_layer_load(kind, tmp_path):
    """PaddleNLP 2 wrote the shared weight as `decoder_weight`, and no `decoder.*`."""
    model = make(kind)
    save_pretrained(model, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["cls.predictions.decoder_weight"] = state[f"{kind}.embeddings.word_embeddings.weight"].copy()
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "np"})
    assert len(equal(parameters(load_masked_lm(str(tmp_path), next_sentence=True)), parameters(model))) > 30


# ---- saved and loaded


@each_kind
@with_pairs
def test_save_and_load(kind, next_sentence, tmp_path):
    model = make(kind, next_sentence=next_sentence)
    save_pretrained(model, tmp_path)
    loaded = load_masked_lm(str(tmp_path), next_sentence=next_sentence)
    assert equal(parameters(loaded), parameters(model)) == set(parameters(model))
    trainable = {name for name, value in loaded.named_parameters() if value.trainable}
    assert trainable == {name for name, value in model.named_parameters() if value.trainable}
    fresh = MaskedLanguageModel(make_encoder(kind), next_sentence=next_sentence)
    assert not {name for name in equal(parameters(fresh), parameters(model)) if "decoder" in name}
    load_state(fresh, tmp_path)
    assert equal(parameters(fresh), parameters(model)) == set(parameters(model))


@each_kind
def test_the_next_sentence_head_is_ignored_unless_asked_for(kind, tmp_path):
    model = make(kind)
    save_pretrained(model, tmp_path)
    loaded = load_masked_lm(str(tmp_path))
    loaded.eval()
    assert not [name for name in parameters(loaded) if name.startswith(NEXT)]
    tokens, pairs = ours(loaded)
    assert pairs is None
    np.testing.assert_array_equal(tokens, ours(model)[0])
    np.testing.assert_array_equal(loaded(*batch(), paddle.to_tensor(REAL)).numpy(), tokens)


@each_kind
def test_the_next_sentence_head_is_fresh_if_the_file_has_none(kind, tmp_path):
    model = make(kind, next_sentence=False)
    save_pretrained(model, tmp_path)
    found = []
    for seed in (1, 1, 2):
        paddle.seed(seed)
        found.append(parameters(load_masked_lm(str(tmp_path), next_sentence=True)))
    first, again, other = found
    assert equal(first, again) == set(first)
    assert set(first) - equal(first, other) == {f"{NEXT}weight"}
    assert 0.005 < first[f"{NEXT}weight"].std() < 0.05  # about the 0.02 of config.json
    assert {name for name in first if not name.startswith(NEXT)} == set(parameters(model))


def test_weights_without_a_pooler(tmp_path):
    model = make("bert")
    save_pretrained(model, tmp_path)
    state = {name: array for name, array in load_file(tmp_path / "model.safetensors").items() if "pooler" not in name}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "np"})
    loaded = load_masked_lm(str(tmp_path), next_sentence=True)
    loaded.eval()
    tokens, pairs = ours(loaded)
    np.testing.assert_array_equal(tokens, ours(model)[0])
    states, _ = model.encoder(*batch())
    np.testing.assert_allclose(pairs, model.cls.seq_relationship(states[:, 0]).numpy(), atol=1e-6)


# ---- what is refused


def without(*names):
    return lambda state: {name: array for name, array in state.items() if name not in names}


def cut(name, size):
    return lambda state: {**state, name: state[name][:size].copy()}


REFUSED = {
    "no head": (
        lambda state: {name: array for name, array in state.items() if not name.startswith("cls.")},
        r"has no head that predicts tokens \(cls\.predictions\.\* in model\.safetensors\); "
        r"expected a masked language model, such as a run of the task pretrain",
    ),
    "a part of the head": (
        without("cls.predictions.layer_norm.bias"),
        r"1 tensors are missing: cls\.predictions\.layer_norm\.bias",
    ),
    "half of the head over pairs": (without(f"{NEXT}bias"), r"1 tensors are missing: cls\.seq_relationship\.bias"),
    "a smaller vocabulary": (
        cut("cls.predictions.decoder_bias", VOCABULARY - 1),
        rf"cls\.predictions\.decoder_bias: shape \[{VOCABULARY - 1}\], expected \[{VOCABULARY}\]",
    ),
    "another width": (
        cut("cls.predictions.transform.weight", 5),
        r"cls\.predictions\.transform\.weight: shape \[5, 12\], expected \[12, 12\]",
    ),
    "three classes": (
        lambda state: {**state, f"{NEXT}weight": np.ones([12, 3], np.float32)},
        r"cls\.seq_relationship\.weight: shape \[12, 3\], expected \[12, 2\]",
    ),
    "something else": (
        lambda state: {**state, "cls.predictions.project.weight": np.ones(3, np.float32)},
        r"1 tensors do not belong to the model: cls\.predictions\.project\.weight",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tensors_that_do_not_fit_are_refused(case, tmp_path):
    change, message = REFUSED[case]
    save_pretrained(make("ernie"), tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file(change(state), tmp_path / "model.safetensors", metadata={"format": "np"})
    with pytest.raises(CheckpointError, match=message):
        load_masked_lm(str(tmp_path), next_sentence=True)


def test_an_incomplete_next_sentence_head_is_ignored_unless_asked_for(tmp_path):
    save_pretrained(make("ernie"), tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file(without(f"{NEXT}bias")(state), tmp_path / "model.safetensors", metadata={"format": "np"})
    assert not load_masked_lm(str(tmp_path)).next_sentence


def test_an_encoder_alone_is_no_masked_language_model():
    with pytest.raises(CheckpointError, match="golden/ernie: has no head that predicts tokens"):
        load_masked_lm(str(GOLDEN / "ernie"))


# ---- Hugging Face's names (the values: test_golden.py)


def test_hugging_faces_old_names_of_the_normalisation(golden_copy):
    def old(state):
        return {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
            for name, array in state.items()
        }

    loaded = load_masked_lm(str(golden_copy("bert", tensors=old)), next_sentence=True)
    expected = parameters(load_masked_lm(str(GOLDEN / "bert"), next_sentence=True))
    assert equal(parameters(loaded), expected) == set(expected)


def test_hugging_faces_copies_are_ignored_and_shapes_reported_as_in_the_file(golden_copy):
    def with_copies(state):
        weight, bias = state["bert.embeddings.word_embeddings.weight"], state["cls.predictions.bias"]
        return {
            **state, "cls.predictions.decoder.weight": weight.copy(), "cls.predictions.decoder.bias": bias.copy(),
            "cls.seq_relationship.weight": np.ones([3, 32], np.float32),
        }  # fmt: skip

    folder = str(golden_copy("bert", tensors=with_copies))
    load_masked_lm(folder)
    with pytest.raises(CheckpointError, match=r"cls\.seq_relationship\.weight: shape \[3, 32\], expected \[2, 32\]"):
        load_masked_lm(folder, next_sentence=True)


# ---- dropout, gradients


def passes(model: MaskedLanguageModel) -> list[np.ndarray]:
    model.train()
    return [ours(model)[0] for _ in range(2)]


@each_kind
@pytest.mark.parametrize("change", [lambda model: None, cpu.switch_in], ids=["Paddle's layers", "replaced"])
def test_dropout_other_than_in_config_json(kind, change, tmp_path):
    model = make(kind, dropout=0.4)
    change(model)
    first, second = passes(model)
    assert largest(first - second) > 1e-2
    model.set_dropout(0.0)
    first, second = passes(model)
    np.testing.assert_array_equal(first, second)
    model.eval()
    assert largest(ours(model)[0] - first) <= TOLERANCE
    save_pretrained(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]) == (0.4, 0.4)
    first, second = passes(load_masked_lm(str(tmp_path)))
    assert largest(first - second) > 1e-2


@pytest.mark.parametrize("part", ["attention", "rest"])
def test_every_dropout_is_set(part):
    model = make("bert", dropout=0.0)
    model.set_dropout(0.5)
    for layer in model.sublayers():  # the other half off again
        if part == "attention" and isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
        elif part == "rest" and isinstance(layer, paddle.nn.MultiHeadAttention):
            layer.dropout = 0.0
    first, second = passes(model)
    assert largest(first - second) > 1e-2


def gradients(model: MaskedLanguageModel) -> dict[str, np.ndarray | None]:
    tokens, pairs = model.forward_both(*batch(), paddle.to_tensor(REAL))
    loss = (tokens**2).sum() + (0 if pairs is None else (pairs**2).sum())
    loss.backward()
    found = {name: None if p.grad is None else p.grad.numpy() for name, p in model.named_parameters()}
    model.clear_gradients()
    return found


@each_kind
@with_pairs
@pytest.mark.parametrize("change", [lambda model: None, cpu.switch_in], ids=["Paddle's layers", "replaced"])
def test_trained_parameters_get_a_gradient_and_the_others_are_frozen(kind, next_sentence, change):
    model = make(kind, next_sentence=next_sentence)
    change(model)
    found = gradients(model)
    assert {name for name, gradient in found.items() if gradient is None} == {
        name for name, value in model.named_parameters() if value.stop_gradient
    }
    frozen = {name for name in found if found[name] is None}
    assert frozen == (set() if next_sentence else {f"encoder.model.pooler.dense.{part}" for part in ("weight", "bias")})
    assert not [name for name in set(found) - frozen if not np.abs(found[name]).max() > 1e-9]


@each_kind
def test_the_embedding_learns_as_input_and_as_output(kind):
    model = make(kind)
    name = "encoder.model.embeddings.word_embeddings.weight"
    unseen = sorted(set(range(VOCABULARY)) - set(batch()[0].numpy().ravel().tolist()))
    assert unseen
    assert np.abs(gradients(model)[name][unseen]).max() > 1e-3  # entries that no text holds are scored all the same
    model.cls.predictions.register_forward_pre_hook(lambda layer, inputs: (inputs[0], inputs[1].detach()))
    assert np.abs(gradients(model)[name][unseen]).max() == 0


def test_the_head_uses_the_tanh_approximation_too(tmp_path):
    folder = Path(shutil.copytree(GOLDEN / "bert", tmp_path / "bert"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu_new"}))
    exact, approximate = load_masked_lm(str(GOLDEN / "bert")), load_masked_lm(str(folder))
    states = paddle.to_tensor(np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32))
    words = exact.encoder.model.embeddings.word_embeddings.weight
    first, second = (model.cls.predictions(states, words).numpy() for model in (exact, approximate))
    assert 1e-6 < largest(first - second) < 1e-2
