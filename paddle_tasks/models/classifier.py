"""The base of the classifying tasks' Layers: an encoder, a pooling and a head."""

from __future__ import annotations

from typing import Literal

from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.heads import Head, build_head, two_class_logits
from paddle_tasks.models.pooling import Pooling, build_pooling

Output = Literal["softmax", "sigmoid"]


class TextClassifier(nn.Layer):  # type: ignore[misc]
    """Classifies texts: encoder -> pooling -> head -> logits.

    With ``output="sigmoid"`` the head has one unit z and the logits are [0, z], whose softmax is the sigmoid of z. The
    head `course` takes over the pooler of the encoder, if it has one.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        n_classes: int,
        pooling: Pooling,
        head: Head,
        output: Output,
        dropout: float,
    ) -> None:
        super().__init__()
        if output == "sigmoid" and n_classes != 2:
            raise ConfigError(
                _("model.output: sigmoid is for two classes, the data has {count}; use softmax").format(count=n_classes)
            )
        # In the head it stays trainable when the encoder is frozen, and the states below it can be cached.
        pooler = encoder.take_pooler() if head == "course" else None
        # The text vector may already be this pooling.
        pooling = "cls" if pooling == encoder.vector_pooling else pooling
        self.encoder, self.output = encoder, output
        self.pool = build_pooling(pooling, encoder.width)
        self.head = build_head(head, encoder.width, 1 if output == "sigmoid" else n_classes, dropout, pooler)
        if pooling == "cls":
            encoder.keep_first_only()
        else:
            encoder.freeze_pooler()

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits of the classes.

        Args:
            input_ids: <int64>[batch, length].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each text, at least 1.

        Returns:
            <float32>[batch, n_classes].
        """
        return self.classify(self.text_vectors(input_ids, token_type_ids, lengths))

    def text_vectors(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the pooled vector of each text, the input of the head, <float32>[batch, width]."""
        states, vectors = self.encoder(input_ids, token_type_ids, lengths)
        return self.pool(states, vectors, lengths)

    def classify(self, vectors: Tensor) -> Tensor:
        """Return the logits <float32>[batch, n_classes] of text vectors <float32>[batch, width]."""
        units = self.head(vectors)
        return two_class_logits(units) if self.output == "sigmoid" else units
