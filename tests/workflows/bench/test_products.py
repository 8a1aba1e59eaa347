"""Operations of a training step, compared with counts at the layers and with the products that are computed."""

from __future__ import annotations

import math

import paddle
import pytest
from paddle import nn

from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.sentiment import SentimentClassifier
from paddle_tasks.training.optimizer import freeze
from paddle_tasks.workflows.bench.products import MatrixProducts, step_flops, weight_matrices

BATCH, LENGTH, WIDTH = 3, 7, 8


def classifier(encoder: str, **sizes) -> SentimentClassifier:
    section = EncoderSection(encoder=encoder, hidden_size=WIDTH, embedding_size=6, n_heads=2, **sizes)
    layer = build_encoder(section, vocabulary_size=50, pad_id=0)
    return SentimentClassifier(layer, n_classes=2, pooling="cls", head="linear", output="softmax", dropout=0.1)


def forward(model: nn.Layer) -> None:
    ids = paddle.ones([BATCH, LENGTH], dtype="int64")
    model(ids, paddle.zeros_like(ids), paddle.full([BATCH], LENGTH, dtype="int64"))


def linear_flops(model: nn.Layer) -> int:
    """Add up the operations of each `Linear` call in a forward pass."""
    total = []

    def count(layer, inputs, _output):
        total.append(2 * math.prod(inputs[0].shape) * layer.weight.shape[1])

    for layer in model.sublayers():
        if isinstance(layer, nn.Linear):
            layer.register_forward_post_hook(count)
    forward(model)
    return sum(total)


def attention_flops(n_layers: int) -> int:
    return n_layers * 2 * (2 * BATCH * LENGTH * LENGTH * WIDTH)  # queries with keys, weights with values


def test_bert_is_the_sum_of_its_layers():
    model = classifier("bert", n_layers=3)
    assert step_flops(model, BATCH, LENGTH) == 3 * (linear_flops(model) + attention_flops(3))


def test_a_frozen_encoder_has_no_backward_pass():
    model = classifier("bert", n_layers=2)
    head = 3 * 2 * BATCH * WIDTH * 2
    freeze(model, ["encoder.*"])
    assert step_flops(model, BATCH, LENGTH) == linear_flops(model) - head // 3 + attention_flops(2) + head


def test_a_convolution_is_a_product_at_every_position():
    model = classifier("textcnn", kernel_sizes=(2, 3))
    kernels = 2 * BATCH * LENGTH * WIDTH * 6 * (2 + 3)
    head = [2 * BATCH * math.prod(p.shape) for name, p in model.named_parameters() if name == "head.output.weight"]
    assert step_flops(model, BATCH, LENGTH) == 3 * (kernels + sum(head))


def test_embeddings_and_vectors_are_not_weight_matrices():
    shapes = {weight.shape for weight in weight_matrices(classifier("bilstm"))}
    assert (50, 6) not in shapes
    assert all(len(shape) == 2 and min(shape) > 1 for shape in shapes)
    assert any(6 in shape for shape in shapes)  # from the embeddings into the network


@pytest.mark.parametrize("encoder", ["bert", "textcnn"])
def test_the_timed_products_are_the_counted_ones(monkeypatch, encoder):
    model, computed = classifier(encoder), []
    multiply = paddle.matmul

    def counting(a, b, **turned):
        product = multiply(a, b, **turned)
        inner = a.shape[0] if turned.get("transpose_x") else a.shape[1]
        computed.append(2 * math.prod(product.shape) * inner)
        return product

    monkeypatch.setattr(paddle, "matmul", counting)
    products = MatrixProducts(model, n_tokens=BATCH * LENGTH)
    products()
    assert products.flops == sum(computed)
    distinct = {weight.shape for weight in weight_matrices(model) if not weight.is_per_text}
    assert len(computed) == 3 * len(distinct) > 0
