"""Show what a model reads and computes for a text or a pair of texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.characters import UNKNOWN, CharacterVocabulary
from paddle_tasks.errors import ConfigError, DataError, did_you_mean
from paddle_tasks.files import exists, expand_user
from paddle_tasks.inference.model_folders import named_folder, shipped_names
from paddle_tasks.inference.pipelines import Predictor
from paddle_tasks.inference.texts import find_problem
from paddle_tasks.language import _, join
from paddle_tasks.models.causal_lm import CausalLanguageModel
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.build import SCRATCH, build_encoder
from paddle_tasks.models.encoders.section import EncoderSection
from paddle_tasks.models.inspection.encoders import inspect_encoder, padding_check
from paddle_tasks.models.inspection.outputs import Check, Findings, Output
from paddle_tasks.models.inspection.writers import inspect_causal, inspect_translator
from paddle_tasks.models.pretrained.loading import builtin_names, load_pretrained, resolve, tokenizer_folder
from paddle_tasks.models.replacement import switch_out
from paddle_tasks.models.seq2seq.base import EncoderDecoder
from paddle_tasks.process_state import default_settings, random_generator
from paddle_tasks.text.tokenizer import Encoded, Tokenizer
from paddle_tasks.text.tokenizer_steps import TokenizerSteps, encode_characters, trace
from paddle_tasks.workflows.task_layers import find_trained

_TOKENIZER = "builtin/ernie-mini-zh"
"""Whose vocabulary an encoder with random weights reads."""
_MAX_LENGTH = 512
_N_PADDING = 3


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a model reads and computes for a text.

    ``inspection["hidden_states"]`` is the array of an output.

    Attributes:
        tokens: the entries of the vocabulary that it reads; of a translator, those of the source.
        input_ids: <int64>[length].
        findings: what it computes, each output with its axes and its purpose, and what must be true of it.
        steps: what the tokenizer does; None for a model over characters.
        target: the entries that the decoder of a translator reads; empty for others.
    """

    tokens: tuple[str, ...]
    input_ids: Array
    findings: Findings
    steps: TokenizerSteps | None = None
    target: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the model computes."""
        return self.findings.outputs

    @property
    def checks(self) -> tuple[Check, ...]:
        """What must be true of the outputs."""
        return self.findings.checks

    def __getitem__(self, name: str) -> Array:
        return self.findings[name]


@dataclass(frozen=True)
class ReadingModel:
    """An encoder with its tokenizer.

    Attributes:
        encoder: the encoder, with dropout off.
        tokenizer: the tokenizer.
        by_character: whether each visible character of a text becomes a token.
    """

    encoder: Encoder
    tokenizer: Tokenizer
    by_character: bool = False

    @property
    def max_length(self) -> int:
        """The maximum number of tokens of a text."""
        return self.encoder.max_length or _MAX_LENGTH

    def encode(self, text: str) -> Encoded:
        """Return a text as the model reads it."""
        if self.by_character:
            return encode_characters(self.tokenizer, text, self.max_length)
        return self.tokenizer.encode([text], max_length=self.max_length)[0]


def inspect(model: str | Path, text: str, pair: str | None = None, *, length: int | None = None) -> Inspection:
    """Return what a model reads and computes for a text or a pair of texts.

    >>> from paddle_tasks import inspect
    >>> found = inspect("builtin/bert-mini-zh", "今天天气真好")
    >>> found.tokens
    ('[CLS]', '今', '天', '天', '气', '真', '好', '[SEP]')
    >>> found["attentions"].shape
    (4, 4, 8, 8)

    Args:
        model: ``builtin/NAME``, a PaddleNLP name, a run or model folder; or ``rnn``, ``gru``, ``lstm``, ``bilstm``,
            ``textcnn`` or ``transformer`` for one with random weights.
        text: the text; its end is cut off if it is longer than the model can read.
        pair: a second text; for a translator, the translation that its decoder reads, its own by default.
        length: cut longer texts to this number of tokens, and pad shorter ones; for models that read word pieces.

    Raises:
        UserError: there is no such model, it cannot be inspected, or the text is blank.
    """
    name, problem = str(model), find_problem(text, 1)
    if problem:
        raise DataError(_("inspect: {problem}").format(problem=problem))
    with default_settings():
        trained = None if name in SCRATCH else find_trained(name)
        if trained is not None and isinstance(trained.model, CausalLanguageModel):
            return _inspect_causal(trained.model, trained.task.vocabulary, text)
        if trained is not None and isinstance(trained.model, EncoderDecoder):
            return _inspect_translator(trained, text, pair)
        if trained is not None and _reads_windows(trained):
            return _inspect_window(trained, text)
        return _inspect_encoder(_reading_model(name, trained), text, pair, length)


def reading_model(name: str) -> ReadingModel:
    """Return the encoder that a name means, alone or in the model of a task, with dropout off.

    Raises:
        UserError: there is no such encoder, or the model has none with a tokenizer.
    """
    return _reading_model(name, None if name in SCRATCH else find_trained(name))


def _reading_model(name: str, trained: Predictor | None) -> ReadingModel:
    if trained is not None:
        encoder, tokenizer = getattr(trained.model, "encoder", None), getattr(trained.task, "tokenizer", None)
        if not isinstance(encoder, Encoder) or not isinstance(tokenizer, Tokenizer):
            message = _("{name}: its model has no encoder of word pieces, which is what this needs")
            raise ConfigError(message.format(name=name))
        trained.model.eval()
        switch_out(trained.model)  # the kernels of a classifier compute no more than it needs
        return ReadingModel(encoder, tokenizer, bool(getattr(trained.task, "by_character", False)))
    if name in SCRATCH:
        return _random_model(name)
    _check_name(name)
    encoder = load_pretrained(name)
    encoder.eval()
    return ReadingModel(encoder, Tokenizer.load(tokenizer_folder(resolve(name))))


def _random_model(name: str) -> ReadingModel:
    tokenizer = Tokenizer.load(tokenizer_folder(resolve(_TOKENIZER)))
    section = EncoderSection(encoder=name, n_layers=2)
    with random_generator():
        paddle.seed(0)
        encoder = build_encoder(section, len(tokenizer), tokenizer.pad_id)
    encoder.eval()
    return ReadingModel(encoder, tokenizer)


def _check_name(name: str) -> None:
    """Refuse a name that is near that of a model of a task, which the message of an encoder would not suggest."""
    if exists(expand_user(name)) or named_folder(name) != expand_user(name) or "/" in name:
        return
    near = did_you_mean(name, [*SCRATCH, *shipped_names(), *builtin_names()])
    if near:
        message = _("{name}: no such model{near} (known: {known}, a PaddleNLP name, a run or model folder)")
        raise ConfigError(message.format(name=name, near=near, known=join([*SCRATCH, *builtin_names()])))


def _inspect_encoder(model: ReadingModel, text: str, pair: str | None, length: int | None) -> Inspection:
    limit = min(length or model.max_length, model.max_length)
    if model.by_character and pair is not None:
        raise ConfigError(_("inspect: this model reads one text, found two"))
    steps = trace(model.tokenizer, text, pair, limit, length or 0, by_character=model.by_character)
    ids, types = steps.input_ids, steps.token_type_ids
    findings = inspect_encoder(model.encoder, ids, types)
    room = model.max_length - len(ids)
    n_padding = len(steps.padded_ids) - len(ids) or min(_N_PADDING, room)
    checks = [padding_check(model.encoder, ids, types, n_padding)] if n_padding else []
    findings = Findings(findings.outputs, (*findings.checks, *checks), findings.remarks)
    return Inspection(steps.tokens, ids, findings, steps)


def _inspect_causal(model: CausalLanguageModel, vocabulary: CharacterVocabulary, text: str) -> Inspection:
    model.eval()
    ids = np.array([vocabulary.start_id, *vocabulary.encode(text).tolist()][: model.sizes.max_positions], np.int64)
    return Inspection(_entries(vocabulary, ids), ids, inspect_causal(model, ids))


def _reads_windows(trained: Predictor) -> bool:
    vocabulary, encoder = getattr(trained.task, "vocabulary", None), getattr(trained.model, "encoder", None)
    return isinstance(vocabulary, CharacterVocabulary) and isinstance(encoder, Encoder)


def _inspect_window(trained: Predictor, text: str) -> Inspection:
    """Return what the encoder of a model over windows of characters computes."""
    vocabulary, encoder = trained.task.vocabulary, trained.model.encoder
    trained.model.eval()
    switch_out(trained.model)
    characters = vocabulary.encode(text)[: (encoder.max_length or _MAX_LENGTH) - 2].tolist()
    ids = np.array([vocabulary.start_id, *characters, vocabulary.end_id], np.int64)
    return Inspection(_entries(vocabulary, ids), ids, inspect_encoder(encoder, ids, np.zeros_like(ids)))


def _inspect_translator(trained: Predictor, text: str, pair: str | None) -> Inspection:
    vocabulary: CharacterVocabulary = trained.task.vocabulary
    target = pair if pair is not None else trained.task.predict(trained.model, [text])[0]["outputs"][0]["text"]
    source = vocabulary.encode(text).astype(np.int64)
    inputs = np.array([vocabulary.start_id, *vocabulary.encode(target).tolist()], np.int64)
    trained.model.eval()
    findings = inspect_translator(trained.model, source, inputs)
    return Inspection(_entries(vocabulary, source), source, findings, target=_entries(vocabulary, inputs))


def _entries(vocabulary: CharacterVocabulary, ids: Array) -> tuple[str, ...]:
    return tuple(vocabulary.entries[number] if number else UNKNOWN for number in ids)
