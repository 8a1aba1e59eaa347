"""Predict with a trained run, a shipped model or a built-in pipeline."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from paddle_tasks import runtime, tasks
from paddle_tasks.errors import ConfigError, join_all
from paddle_tasks.inference.builtin import (
    Answer,
    Answers,
    Builtin,
    embed,
    fill_mask,
    load_any_encoder,
    load_masked_lm,
    rewrite,
)
from paddle_tasks.inference.display import display_variants, display_vector
from paddle_tasks.inference.loading import load_quick, load_with_paddle, may_use_gpu
from paddle_tasks.inference.model_folders import (
    is_alias,
    model_folder,
    model_of_task,
    named_folder,
    takes_model,
    trained_folder,
)
from paddle_tasks.inference.records import Display, Record, Records
from paddle_tasks.inference.text_stream import PipelineStream
from paddle_tasks.inference.texts import read_parts, read_text, read_texts
from paddle_tasks.language import _
from paddle_tasks.onednn.precision import Precision, automatic, check_precision, products_in
from paddle_tasks.process_state import default_numpy_errors, default_settings, random_generator
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.training.capabilities import StreamingTask
from paddle_tasks.training.demonstration import Demonstration
from paddle_tasks.training.display import display_fields
from paddle_tasks.training.display_fillings import display_fillings


class Pipeline(ABC):
    """Computes a record for each text; call it with a text or with several, and with options.

    Threads may share a pipeline. One call at a time uses the model, since an explanation changes it for a while, and
    the other calls wait. A call uses all cores that Paddle has anyway; threads that are to compute at the same time
    need a pipeline each.

    Attributes:
        n_fields: the number of fields of an input; several have tabs between them.
        precision: that of the products when Paddle's Layer predicts on a CPU.
    """

    n_fields = 1

    precision: Precision = "float32"

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_loading")}  # no copies

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock(), _loading=threading.Lock())

    @overload
    def __call__(self, texts: str, *, batch_size: int | None = None, **options: Any) -> Record: ...

    @overload
    def __call__(self, texts: Iterable[str], *, batch_size: int | None = None, **options: Any) -> Records: ...

    def __call__(self, texts: Any, *, batch_size: int | None = None, **options: Any) -> Record | Records:
        """Return a record for a text, or a list of records for several texts; the keys depend on the pipeline.

        Records are dicts. In a notebook they are shown in colours, and their ``to_html()`` returns the same.

        Args:
            texts: a text, or a list, tuple, generator, numpy array or pandas Series of texts.
            batch_size: how many texts are computed together; all by default. The records do not depend on it.
            **options: the options of the pipeline, such as ``top_k`` or ``explain``.

        Raises:
            ConfigError: an option is out of its range.
            DataError: ``texts`` is something else, or an item is no text or blank; nothing was computed.
            SetupError: Paddle is in static mode.
        """
        if batch_size is not None and batch_size < 1:
            raise ConfigError(_("batch_size: expected at least 1, found {found}").format(found=batch_size))
        if isinstance(texts, np.ndarray) and not texts.ndim:
            texts = texts.item()
        if isinstance(texts, str):
            return Record(self.answer([read_text(texts, self.n_fields)], **options)[0], self.display)
        checked = read_texts(texts, self.n_fields)
        size = batch_size or max(1, len(checked))
        batches = [checked[start : start + size] for start in range(0, len(checked), size)] or [[]]
        return Records((record for batch in batches for record in self.answer(batch, **options)), self.display)

    def stream(self, texts: Iterable[str], *, n_at_once: int = 1024, **options: Any) -> Iterator[Record]:
        """Return an iterator over the records of texts, in order, that holds neither all texts nor all records.

        Args:
            texts: as in `__call__`, such as a generator that reads a large file.
            n_at_once: how many texts are computed together.
            **options: the options of the pipeline.

        Raises:
            DataError: this is no iterable of texts; or, when its part is reached, an item is no text or blank.
        """
        parts = read_parts(texts, self.n_fields, n_at_once)
        return (Record(record, self.display) for part in parts for record in self.answer(part, **options))

    @property
    def display(self) -> Display:
        """The function that returns a record as lines for people."""
        return display_fields

    def answer(self, texts: Sequence[str], **options: Any) -> Answers:
        """Return a plain record for each text; unlike `__call__`, this does not check the texts."""
        runtime.import_paddle()
        with self._in_use(self.precision):
            return self.compute_records(texts, **options)

    @contextmanager
    def _in_use(self, precision: Precision) -> Iterator[None]:
        """Let no other thread use the model within the block."""
        with self._lock, default_settings(), products_in(precision):
            yield

    @abstractmethod
    def compute_records(self, texts: Sequence[str], **options: Any) -> Answers:
        """Return a record for each text, while no other thread uses the model."""


class Predictor(Pipeline):
    """A trained model with its task; see `Pipeline`.

    A model that needs no Paddle predicts without it, and threads that share it compute at the same time. Once `task` or
    `model` was used, the Layer predicts, in float32 unless bfloat16 was asked for.

    Attributes:
        folder: the model folder.
        needs_paddle: whether the Layer predicts.
    """

    def __init__(
        self,
        folder: Path,
        n_fields: int,
        quick: tasks.PaddleFreePredictor | None,
        load: Callable[[], tuple[Any, Any]],
    ) -> None:
        """Make a predictor.

        Args:
            folder: the model folder.
            n_fields: the number of fields of an input.
            quick: predicts without Paddle; None if that cannot be done.
            load: loads task and Layer; called when they are needed.
        """
        super().__init__()
        self.folder, self.n_fields = folder, n_fields
        self._quick, self._load = quick, load
        self._loading = threading.Lock()

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        with self._loading:
            return vars(self).get("_loaded") or self._load()

    @property
    def needs_paddle(self) -> bool:
        """Whether the Layer predicts."""
        return self._quick is None

    @property
    def task(self) -> Any:
        """The task; its `predict` documents options and records."""
        self._quick = None
        return self._loaded[0]

    @property
    def model(self) -> Any:
        """The Layer."""
        self._quick = None
        return self._loaded[1]

    @property
    def display(self) -> Display:
        """The function that returns a record as lines for people."""
        return self._loaded[0].display if self._quick is None else self._quick.display

    def answer(self, texts: Sequence[str], **options: Any) -> Answers:
        """Return a plain record for each text; unlike `__call__`, this does not check the texts."""
        quick = self._quick
        if quick is None:
            return super().answer(texts, **options)
        with default_numpy_errors():
            own = {name: options[name] for name in options if name not in quick.PADDLE_OPTIONS}
            records = quick.predict(texts, **own)
        asked = {name: options[name] for name in quick.PADDLE_OPTIONS if options.get(name)}
        return self._complete(records, **asked) if asked else records

    def _complete(self, records: Answers, **options: Any) -> Answers:
        """Return records with what only the Layer can add; they stay as they were predicted, also in bfloat16."""
        runtime.import_paddle()
        with self._lock, default_settings():
            task, model = self._loaded
            completed: Answers = task.complete(model, records, **options)
        return completed

    def compute_records(self, texts: Sequence[str], **options: Any) -> Answers:
        """Return the task's record for each text."""
        task, model = self._loaded
        records: Answers = task.predict(model, texts, **options)
        return records

    def stream_text(self, text: str, **options: Any) -> PipelineStream:
        """Return an iterator over the pieces that continue one text, each as soon as the model has chosen it.

        `stream` is for many texts. Together the pieces are the output of a call with the same options::

            for piece in load("runs/novel").stream_text("话说宝玉", top_k=10, seed=1):
                print(piece, end="", flush=True)

        Args:
            text: the beginning.
            **options: those of a call, without those for several outputs.

        Raises:
            ConfigError: the model does not write texts, or an option is out of its range.
            DataError: the text is blank or no text.
        """
        checked, quick = read_text(text, self.n_fields), self._quick
        if isinstance(quick, tasks.PaddleFreeWriter):
            return PipelineStream(quick.stream(checked, **options), default_numpy_errors)
        runtime.import_paddle()
        task, model = self._loaded
        if not isinstance(task, StreamingTask):
            raise ConfigError(_("{name}: does not write texts; expected a model that does").format(name=self.folder))
        with self._in_use(self.precision):
            pieces = task.stream(model, checked, **options)
        return PipelineStream(pieces, partial(self._in_use, self.precision))


class BuiltinPipeline(Pipeline):
    """A pipeline of `PIPELINES` with its model; see `Pipeline`.

    Attributes:
        compute: the object that computes the records, such as a `FillMask`.
    """

    def __init__(self, compute: Answer, display: Display) -> None:
        super().__init__()
        self.compute, self._display = compute, display

    @property
    def display(self) -> Display:
        """The function that returns a record as lines for people."""
        return self._display

    def compute_records(self, texts: Sequence[str], **options: Any) -> Answers:
        """Return a record for each text."""
        return self.compute(texts, **options)


_ERNIE = "builtin/ernie-mini-zh"
_REWRITE_OPTIONS = ("n_variants", "share", "rounds", "min_similarity", "seed")
_TO_FILL = Demonstration("candidates", ("味道很不[MASK]。", "今天天气真[MASK]。", "他坐在[MASK][MASK]里看书。"))
_TO_REWRITE = Demonstration("variants", ("房间干净，就是早餐太差了", "这家店的服务态度很好，价格也便宜。"))
PIPELINES: Mapping[str, Builtin] = {
    "fill-mask": Builtin(load_masked_lm, fill_mask, _ERNIE, ("top_k",), display_fillings, _TO_FILL),
    "rewrite": Builtin(load_masked_lm, rewrite, _ERNIE, _REWRITE_OPTIONS, display_variants, _TO_REWRITE),
    "embed": Builtin(load_any_encoder, embed, _ERNIE, (), display_vector, Demonstration()),
}
"""The built-in pipelines by name; unlike a shipped model, they belong to no task."""


# ---- finding a model


def load(run: str | Path, *, device: str = "auto", precision: Literal["auto"] | Precision = "auto") -> Predictor:
    """Load the best model of a run folder, a model folder, or a model that ships with the package.

    Beside a training in another thread it waits for the end of the current step, unless the model needs no Paddle.

    >>> load("builtin/sentiment")("房间干净，就是早餐太差了")["label"]
    'negative'

    Args:
        run: the folder; or the name of a shipped model, such as ``builtin/sentiment``. ``builtin/`` may be left out if
            there is no such folder.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        precision: that of the products on a CPU, ``float32`` or ``bfloat16``; ``auto`` is bfloat16 on a CPU that
            computes them faster in it, for models that need no Paddle. Explanations are float32.

    Raises:
        CheckpointError: there is no trained model.
        ConfigError: there is no such precision.
        SetupError: there is no such device or this CPU has no bfloat16, a training in this process uses another device,
            or Paddle is in static mode.
    """
    folder = model_folder(named_folder(run))
    settings = read_settings(folder)
    check_precision(precision)
    kind = automatic() if precision == "auto" else precision
    quick = None if may_use_gpu(device) else load_quick(folder, settings, kind)
    predictor = _new_predictor(folder, settings, device, quick)
    if precision != "auto":
        predictor.precision = precision
    return predictor


def load_layer(run: str | Path, *, device: str = "auto") -> Predictor:
    """Return what `load` returns, for a caller that uses `Predictor.task` and `Predictor.model`."""
    folder = model_folder(named_folder(run))
    return _new_predictor(folder, read_settings(folder), device, None)


def _new_predictor(
    folder: Path, settings: Mapping[str, Any], device: str, quick: tasks.PaddleFreePredictor | None
) -> Predictor:
    load_model = partial(load_with_paddle, folder, settings, device)
    if quick is not None:
        return Predictor(folder, len(quick.INPUT_FIELDS), quick, load_model)
    loaded = load_model()
    predictor = Predictor(folder, len(loaded[0].INPUT_FIELDS), None, load_model)
    vars(predictor)["_loaded"] = loaded
    return predictor


def pipeline(
    name: str | Path,
    model: str | Path | None = None,
    *,
    device: str = "auto",
    precision: Literal["auto"] | Precision = "auto",
) -> Pipeline:
    """Return a built-in pipeline or a shipped model by name, or the predictor of a run folder.

    >>> pipeline("sentiment-analysis")(["服务很好", "太吵了"], batch_size=8)[1]["label"]
    'negative'
    >>> pipeline("fill-mask")("味道很不[MASK]。", top_k=2)["text"]
    '味道很不错。'

    Args:
        name: ``fill-mask``, ``rewrite`` or ``embed``; the name of a shipped model such as ``sentiment`` or
            ``builtin/sentiment``, or its name elsewhere (``sentiment-analysis``, ``text-classification``); a task
            without a shipped model, whose run ``model`` names; or a run folder.
        model: another model. For a built-in pipeline ``builtin/NAME``, a model folder, a PaddleNLP name or a run of
            masked language model pretraining; for a task a run of it; for ``text-classification`` and the like a run
            folder or a shipped model.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        precision: as in `load`.

    Raises:
        CheckpointError: nothing has that name, or the model cannot do what the pipeline does.
        ConfigError: a model is given for something that has its own, or there is no such model.
        SetupError: as in `load`.
    """
    check_precision(precision)
    builtin = PIPELINES.get(str(name))
    if builtin is not None:
        answers = _load_builtin(builtin, builtin.model if model is None else str(model), device)
        answers.precision = "float32" if precision == "auto" else precision
        return answers
    if model is not None and takes_model(str(name)):
        return load(model_of_task(str(name), model), device=device, precision=precision)
    if model is not None and is_alias(str(name)):
        return load(model, device=device, precision=precision)
    folder = trained_folder(name, PIPELINES)
    if model is not None:
        message = _("model: {name} has its own model; a model can be chosen for {others}")
        raise ConfigError(message.format(name=name, others=join_all(list(PIPELINES))))
    return load(folder, device=device, precision=precision)


def _load_builtin(builtin: Builtin, model: str, device: str) -> BuiltinPipeline:
    runtime.import_paddle()
    with default_settings():
        runtime.use_device(device)
        with random_generator():
            return BuiltinPipeline(builtin.build(*builtin.load(model)), builtin.display)
