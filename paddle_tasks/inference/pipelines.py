"""Use a trained run, or a pipeline that ships with the project, from Python."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paddle_tasks import config as configuration
from paddle_tasks import runtime, tasks
from paddle_tasks.errors import CheckpointError, ConfigError, did_you_mean
from paddle_tasks.files import beside
from paddle_tasks.models import cpu
from paddle_tasks.training.checkpoint import CheckpointStore

BUILTIN = Path(__file__).parent.parent / "assets" / "models"

Record = dict[str, Any]
Answer = Callable[..., Sequence[Record]]
"""Takes texts and a pipeline's own options, and gives a record for each text."""


class Pipeline(ABC):
    """Answers texts: call it with one text or a list of texts, and with the options that `options_of` names."""

    def __call__(self, texts: str | Sequence[str], **options: Any) -> Record | list[Record]:
        """Return a record for a text, or a list of them for a list; what is in it depends on the pipeline."""
        if isinstance(texts, str):
            return dict(self.answer([texts], **options)[0])
        return list(self.answer(list(texts), **options))

    @abstractmethod
    def answer(self, texts: list[str], **options: Any) -> Sequence[Record]:
        """Return a record for each text."""


class Predictor(Pipeline):
    """A trained classifier with its tokenizer and labels; a record is ``{"input", "label", "probabilities"}``."""

    OPTIONS: ClassVar[tuple[str, ...]] = ("explain",)
    OUTPUTS: ClassVar[tuple[str, ...]] = ("clue",)
    """What the command line can make of its records besides JSON lines."""

    def __init__(self, folder: Path, task: Any, model: Any) -> None:
        self.folder, self.task, self.model = folder, task, model

    def answer(self, texts: list[str], **options: Any) -> Sequence[Record]:
        """Return a record for each text.

        Args:
            texts: any number of them.
            options: ``explain=True`` adds what `paddle_tasks.tasks.classification.explain.explain` does.
        """
        return self._answer(texts, **options)

    def _answer(self, texts: list[str], *, explain: bool = False) -> Sequence[Record]:
        records: Sequence[Record] = self.task.predict(self.model, texts)
        if not explain:
            return records
        from paddle_tasks.tasks.classification.explain import explain as explained

        return explained(self.task, self.model, records)


class MaskPredictor(Predictor):
    """A run of the task pretrain, which answers as the pipeline `fill-mask` does."""

    OPTIONS = ("top_k",)
    OUTPUTS = ()

    def answer(self, texts: list[str], **options: Any) -> Sequence[Record]:
        """Return a record for each text; the options are those of `fill-mask`."""
        self.model.eval()
        return _fill_mask(self.model, self.task.tokenizer)(texts, **options)


class LabelPredictor(Predictor):
    """A classifier of more than one text, or of one in windows: without explanations."""

    OPTIONS = ()


class OpinionPredictor(Predictor):
    """A run of the task opinion; a record is ``{"input", "spans", "triplets"}``, which need no further explanation."""

    OUTPUTS = ("summary", "doccano")

    def _answer(self, texts: list[str], *, explain: bool = False) -> Sequence[Record]:
        del explain  # the spans are in the records anyway; the command line shows them in colours
        records: Sequence[Record] = self.task.predict(self.model, texts)
        return records


_PREDICTORS = {
    "pretrain": MaskPredictor,
    "long_text": LabelPredictor,
    "similarity": LabelPredictor,
    "opinion": OpinionPredictor,
}
"""What answers for a run of a task, where that is no plain `Predictor`."""


# ---- the built-in pipelines


class BuiltinPipeline(Pipeline):
    """A pipeline of `PIPELINES`, over its model."""

    def __init__(self, compute: Answer) -> None:
        self._compute = compute

    def answer(self, texts: list[str], **options: Any) -> Sequence[Record]:
        """Return what the pipeline's own class does."""
        return self._compute(texts, **options)


@dataclass(frozen=True)
class _Builtin:
    """How a pipeline is made.

    Attributes:
        load: gives the model of a name, and its tokenizer.
        build: makes the pipeline of these.
        model: the name when none is given.
        options: of a call.
    """

    load: Callable[[str], tuple[Any, Any]]
    build: Callable[[Any, Any], Answer]
    model: str
    options: tuple[str, ...]


def _fill_mask(model: Any, tokenizer: Any) -> Answer:
    from paddle_tasks.tasks.pretrain.fill_mask import FillMask

    return FillMask(model, tokenizer)


def _rewrite(model: Any, tokenizer: Any) -> Answer:
    from paddle_tasks.inference.rewrite import Rewriter

    return Rewriter(model, tokenizer)


def _masked_lm(name: str) -> tuple[Any, Any]:
    """Return a masked language model, ready to predict, and its tokenizer; a run of pretrain stands for its model."""
    from paddle_tasks.models.masked_lm import load_masked_lm
    from paddle_tasks.models.pretrained.loading import CONFIGS, resolve, tokenizer_folder
    from paddle_tasks.text.tokenizer import Tokenizer

    folder = Path(name).expanduser()
    if folder.is_dir() and not any((folder / file).is_file() for file in CONFIGS):
        name = str(model_folder(folder))
    model = load_masked_lm(name)
    model.eval()
    cpu.switch_in(model)
    return model, Tokenizer.load(tokenizer_folder(resolve(name)))


_ERNIE = "builtin/ernie-mini-zh"
PIPELINES = {
    "fill-mask": _Builtin(_masked_lm, _fill_mask, _ERNIE, MaskPredictor.OPTIONS),
    "rewrite": _Builtin(_masked_lm, _rewrite, _ERNIE, ("n_variants", "share", "rounds", "min_similarity", "seed")),
}
"""What can be asked for by name besides models that ship; a new one is a line here."""


# ---- finding one


def load(run: str | Path, *, device: str = "auto") -> Predictor:
    """Load the best model of a run folder, or a model folder itself.

    Raises:
        CheckpointError: there is no trained model.
    """
    folder = model_folder(Path(run))
    runtime.use_device(device)
    name = _task_name(folder)
    task, model = tasks.find(name).load(folder)
    cpu.switch_in(model)
    return _PREDICTORS.get(name, Predictor)(folder, task, model)


def pipeline(name: str | Path, *, model: str | Path | None = None, device: str = "auto") -> Pipeline:
    """Return a built-in pipeline or a model that ships with the project, by name, or the predictor of a run folder.

    Args:
        name: `fill-mask` or `rewrite`, the folder name of a model that ships, such as `sentiment`, or a run folder.
        model: for a built-in pipeline, another model than its own: `builtin/NAME`, a model folder, a PaddleNLP name
            or a run of the task pretrain.
        device: auto, cpu, gpu or gpu:N.

    Raises:
        CheckpointError: nothing of that name is there, or its model cannot do what the pipeline does.
        ConfigError: a model is given for something that has its own, or there is no such model.
    """
    builtin = PIPELINES.get(str(name))
    if builtin is not None:
        runtime.use_device(device)
        parts = builtin.load(builtin.model if model is None else str(model))
        return BuiltinPipeline(builtin.build(*parts))
    folder = _trained(name)
    if model is not None:
        raise ConfigError(f"model: {name} has a model of its own; one can be chosen for {', '.join(PIPELINES)}")
    return load(folder, device=device)


def options_of(name: str | Path) -> tuple[str, ...]:
    """Return the options of a call to what `pipeline` returns for a name, without loading it.

    Raises:
        CheckpointError: nothing of that name is there.
    """
    if str(name) in PIPELINES:
        return PIPELINES[str(name)].options
    return _predictor(name).OPTIONS


def outputs_of(name: str | Path) -> tuple[str, ...]:
    """Return what the command line can make of the records of a name, besides JSON lines.

    Raises:
        CheckpointError: nothing of that name is there.
    """
    return () if str(name) in PIPELINES else _predictor(name).OUTPUTS


def _predictor(name: str | Path) -> type[Predictor]:
    return _PREDICTORS.get(_task_name(model_folder(Path(_trained(name)))), Predictor)


def fields_of(name: str | Path) -> tuple[str, ...]:
    """Return the fields of a row that a name answers for: ``text``, or those of its task's data, ``label`` included.

    Raises:
        CheckpointError: nothing of that name is there.
    """
    if str(name) in PIPELINES:
        return ("text",)
    return tuple(tasks.find(_task_name(model_folder(Path(_trained(name))))).FIELDS)


def _trained(name: str | Path) -> str | Path:
    """Return the folder of a model that ships, or of a run.

    Raises:
        CheckpointError: neither is there.
    """
    shipped = {path.name: path for path in BUILTIN.glob("*") if (path / tasks.SETTINGS).is_file()}
    if str(name) in shipped:
        return shipped[str(name)]
    if Path(name).exists():
        return name
    named = sorted([*shipped, *PIPELINES])
    near = did_you_mean(str(name), [*named, *_runs_near(Path(name))])
    raise CheckpointError(
        f"{name}: no such run folder, and no model of that name ships (there is: {', '.join(named)}){near}"
    )


def model_folder(run: Path) -> Path:
    """Return the folder with the trained model: ``run/model``, or ``run`` when it is one itself.

    A run that was stopped before its first evaluation has chosen no best model yet; then it is the latest one.

    Raises:
        CheckpointError: no such folder, or nothing is trained in it yet.
    """
    for folder in (run / "model", run):
        if (folder / tasks.SETTINGS).is_file():
            return folder
    checkpoint = CheckpointStore(run / "checkpoints", keep=1).load_latest()
    if checkpoint:
        return checkpoint.folder / "model"
    if not run.exists():
        raise CheckpointError(f"{run}: no such run folder{did_you_mean(str(run), _runs_near(run))}")
    if _is_baseline(run):
        raise CheckpointError(f"{run}: holds a baseline, which keeps no model; {run / 'predictions'} has what it said")
    raise CheckpointError(f"{run}: holds no trained model yet; expected {run / 'model'}")


def _is_baseline(run: Path) -> bool:
    file = run / "result.json"
    result = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return str(result.get("model", {}).get("encoder")).startswith(tasks.BASELINE)


def _runs_near(run: Path) -> list[str]:
    """Return what stands beside a folder, and under runs/, for whoever leaves that out."""
    return [*beside(run), *beside(Path("runs", run.name))]


def _task_name(folder: Path) -> str:
    tree = configuration.parse_yaml((folder / tasks.SETTINGS).read_text(encoding="utf-8"), str(folder / tasks.SETTINGS))
    return str(tree["config"]["task"])
