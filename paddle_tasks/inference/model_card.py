"""The model card, in English and Chinese: what a model is, how to use it, how good it is, and how it was made.

Every number is taken from `stages`, and every answer is computed by the model; an author's notes add the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import read_json_lines, write_json, write_text
from paddle_tasks.inference.card_exports import describe_export, script_lines
from paddle_tasks.inference.card_notes import NOTES, Example, Notes, NotesSection, read_notes
from paddle_tasks.inference.exported import is_exported
from paddle_tasks.inference.pipelines import load
from paddle_tasks.inference.stages import STAGES, Stage, read_stages, stages_of, start_of, summary_metrics
from paddle_tasks.language import _, join, label_name, using
from paddle_tasks.metrics.generated_text import GENERATED
from paddle_tasks.metrics.translation import GROUPED, LENGTHS
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.training.display import Line, Segment

CARDS = {"en": "README.md", "zh": "README.zh-CN.md"}
_MAX_EXAMPLES, _MAX_EXAMPLE_LENGTH, _N_WEAKEST = 6, 60, 3
_N_CONTINUATIONS = 10


@dataclass(frozen=True)
class Card:
    """What a card is written from.

    Attributes:
        name: the name of the model.
        folder: the model folder.
        stages: the runs that led to the model, the last one last.
        notes: what its author adds.
        answers: for each example its answer, as lines of text.
        continuations: what the model writes after the prompt of the notes, with seed 1, 2, …
    """

    name: str
    folder: Path
    stages: Sequence[Stage]
    notes: Notes
    answers: Sequence[Sequence[str]]
    continuations: Sequence[str] = ()

    @property
    def task(self) -> str:
        """The task of the model."""
        return str(self.stages[-1]["task"])


def write_stages(run: Path, folder: Path) -> None:
    """Write what cards are made from into a model folder: the stages of a finished run, and the author's notes.

    Raises:
        ConfigError: the notes have an unknown key or a wrong value.
    """
    notes = read_notes(run)
    if not notes.examples:
        notes = notes.model_copy(update={"examples": tuple(_worst_errors(run))})
    write_json(folder / STAGES, stages_of(run))
    tree = notes.model_dump(mode="json", exclude_defaults=True)
    write_text(folder / NOTES, yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, width=120))


def write_cards(folder: Path, name: str | None = None) -> None:
    """Write the cards of a model folder that holds its stages.

    Args:
        folder: the model folder.
        name: the name of the model; by default that of the folder.
    """
    for file, text in cards(folder, name).items():
        write_text(folder / file, text)


def cards(folder: Path, name: str | None = None) -> dict[str, str]:
    """Return the text of each card of a model folder by the name of its file."""
    notes, stages = read_notes(folder), read_stages(folder)
    texts, continuations = {}, _continuations(folder, notes)
    for language, file in CARDS.items():
        with using(language):
            answers = _answers(folder, stages[-1]["task"], notes)
            card = Card(name or folder.name, folder, stages, notes, answers, continuations)
            texts[file] = "\n".join(_lines(card, getattr(notes, language))) + "\n"
    return texts


def _worst_errors(run: Path) -> Iterator[Example]:
    """Yield short texts among the worst errors of a run, if its records have a text and a label."""
    records = read_json_lines(run / "predictions" / "errors.jsonl")
    found = (record for record in records if isinstance(record.get("gold"), str) and _is_short(record.get("text")))
    for record, _number in zip(found, range(_MAX_EXAMPLES), strict=False):
        yield Example(text=record["text"], expected=record["gold"])


def _is_short(text: Any) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _MAX_EXAMPLE_LENGTH


def _answers(folder: Path, task: str, notes: Notes) -> list[list[str]]:
    """Return the model's answer to each example as lines of text, in the current language."""
    if not notes.examples:
        return []
    records = load(folder, device="cpu", precision="float32")([example.text for example in notes.examples])
    display = (tasks.find_paddle_free(task) or tasks.find(task)).display
    return [
        list(_answer_lines(example.text, display(record)))
        for example, record in zip(notes.examples, records, strict=True)
    ]


def _continuations(folder: Path, notes: Notes) -> list[str]:
    """Return what a model writes after the prompt of the notes, with one seed after another."""
    if not notes.prompt:
        return []
    model = load(folder, device="cpu", precision="float32")
    return [model(notes.prompt, seed=seed)["outputs"][0]["text"] for seed in range(1, _N_CONTINUATIONS + 1)]


def _answer_lines(text: str, lines: Sequence[Line]) -> Iterator[str]:
    """Yield an answer as lines of text, below the input if the answer does not contain it."""
    if text not in "\n".join("".join(segment.text for segment in line) for line in lines):
        yield text
    yield from ("".join(map(_plain, line)) for line in lines)


def _plain(segment: Segment) -> str:
    return segment.text if segment.label is None else f"[{segment.text}|{segment.label}]"


# ---- the text


def _lines(card: Card, notes: NotesSection) -> Iterator[str]:
    yield from _front_matter(card)
    yield from (f"# {card.name}", "", notes.summary or _summary(card), "", _size(card))
    sections = {
        _("Use"): [*(notes.use.splitlines() or _use_lines(card)), *script_lines(card.folder)],
        _("Scores"): [*_score_lines(card), *_weakness_lines(card)],
        _("Continuations"): list(_continuation_lines(card)),
        _("Limits"): [notes.limits or _("It was scored on the data below only. Other kinds of text may be harder.")],
        _("Training"): list(_training_lines(card)),
        _("Data and licences"): list(_data_lines(card, notes)),
    }
    for heading, lines in sections.items():
        if lines:
            yield from ("", f"## {heading}", "", *lines)


def _front_matter(card: Card) -> Iterator[str]:
    """Yield the YAML that model hubs read."""
    tree = {
        "language": "zh",
        "license": "apache-2.0",
        "library_name": "paddle_tasks",
        "pipeline_tag": card.notes.pipeline_tag,
        "tags": ["paddlepaddle", "chinese", card.task],
        "metrics": _scored_metrics(card),
    }
    given = {name: value for name, value in tree.items() if value}
    yield from ("---", yaml.safe_dump(given, sort_keys=False).rstrip(), "---", "")


def _summary(card: Card) -> str:
    encoder = card.stages[-1]["model"].get("encoder")
    if encoder is None:
        return _("A model for the task {task}.").format(task=card.task)
    return _("A model for the task {task}, trained from {encoder}.").format(task=card.task, encoder=f"`{encoder}`")


def _size(card: Card) -> str:
    if is_exported(card.folder):
        return describe_export(card.folder, card.stages[-1]["model"]["parameters"])
    size = sum(path.stat().st_size for path in card.folder.glob("*.safetensors")) / 1e6
    return _("{parameters:,} parameters in training; the weights in this folder are float16, {size:.1f} MB.").format(
        parameters=card.stages[-1]["model"]["parameters"], size=size
    )


def _use_lines(card: Card) -> Iterator[str]:
    is_shipped = (ASSETS / card.name / SETTINGS).is_file()
    text = card.notes.examples[0].text if card.notes.examples else card.notes.prompt or "…"
    yield from ("```bash", f'paddle-tasks predict {card.name} "{text}"', "```", "", "```python")
    name = "pipeline" if is_shipped else "load"
    yield from (f"from paddle_tasks import {name}", "", f'{name}("{card.name}")("{text}")', "```")


def _score_lines(card: Card) -> Iterator[str]:
    stage = card.stages[-1]
    splits = [split for split in ("dev", "test") if split in stage]
    if not splits:
        yield _("The run was stopped before it was scored.")
        return
    names = _scored_metrics(card)
    yield from _table([_("split"), _("rows"), *names])
    for split in splits:
        rows = stage["data"].get(split, {}).get("rows", "")
        yield _row([split, f"{rows:,}" if rows else "", *(_number(stage[split].get(name)) for name in names)])
    if "generated" in stage.get("test", {}):
        yield from _generated_lines(stage["test"]["generated"])
    yield from _grouped_lines(stage[splits[-1]], splits[-1])


def _scored_metrics(card: Card) -> list[str]:
    """Return the summary metrics that the last run was scored by."""
    scores = [card.stages[-1].get(split, {}) for split in ("dev", "test")]
    return [name for name in summary_metrics(card.task) if any(name in metrics for metrics in scores)]


def _generated_lines(generated: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the measures of texts that a model wrote, and of those of the authors."""
    found = {name: generated[name] for name in GENERATED if name in generated}
    names = [name for name in next(iter(found.values()), {}) if not name.endswith("_per_second")]
    yield from ("", _("What it writes, with default options; copies are runs that stand verbatim in train:"), "")
    yield from _table([_("texts"), *names])
    for name, scores in found.items():
        yield _row([_(GENERATED[name]), *(f"{scores[key]:.4g}" if key in scores else "" for key in names)])


def _grouped_lines(metrics: Mapping[str, Any], split: str) -> Iterator[str]:
    """Yield a table for each kind of groups that translations were scored in."""
    for key, kind in GROUPED.items():
        if metrics.get(key):
            message = _("BLEU of {split} by {kind}, and that of copying the source:")
            yield from ("", message.format(split=split, kind=_(kind)), "")
            yield from _table([_(kind), _("rows"), "bleu", _("copying")])
            for group, scores in metrics[key].items():
                name = _(LENGTHS[group]) if key == "by_length" else group
                yield _row([name, f"{scores['rows']:,}", f"{scores['bleu']:.2f}", f"{scores['copying']:.2f}"])


def _continuation_lines(card: Card) -> Iterator[str]:
    if not card.continuations:
        return
    message = _("What the model writes after “{prompt}” with seed 1 to {count}, with default options, none left out:")
    yield message.format(prompt=card.notes.prompt, count=len(card.continuations))
    yield from ("", "```text")
    for seed, text in enumerate(card.continuations, start=1):
        yield from (f"{seed}: {card.notes.prompt}{text}", "")
    yield "```"


def _weakness_lines(card: Card) -> Iterator[str]:
    weakest = _weakest_labels(card.stages[-1])
    if weakest:
        yield from ("", _("Weakest labels, by F1: {labels}.").format(labels=join(weakest)))
    if card.answers:
        yield from (
            "",
            _("Hard texts, the model's answers and, behind the arrow, the right ones:"),
            "",
            "```text",
        )
        for example, lines in zip(card.notes.examples, card.answers, strict=True):
            yield from (*lines[:-1], lines[-1] + (f"  → {example.answer()}" if example.expected else ""))
        yield "```"


def _weakest_labels(stage: Stage) -> list[str]:
    split = next((split for split in ("test", "dev") if split in stage), None)
    by_label = stage[split].get("per_label", {}) if split else {}
    ranked = sorted((scores["f1"], label) for label, scores in by_label.items() if "f1" in scores)
    return [f"{label_name(label)} {score:.3f}" for score, label in ranked[:_N_WEAKEST]] if len(ranked) > 2 else []


def _training_lines(card: Card) -> Iterator[str]:
    yield _("`{file}` has all settings, scores and learning curves of these runs.").format(file=STAGES)
    yield ""
    yield from _table([_("stage"), _("task"), _("start"), _("seed"), _("steps"), _("tokens"), _("hours"), _("device")])
    for number, stage in enumerate(card.stages, start=1):
        train = stage["train"]
        yield _row(
            [
                f"{number} ({stage['run']})",
                stage["task"],
                start_of(stage["config"]) or "–",
                stage["seed"],
                f"{train['optimizer_steps']:,}",
                f"{train['tokens']:,}",
                f"{train['seconds'] / 3600:.2f}",
                f"{stage['environment']['device']} × {stage['environment']['processes']}",
            ]
        )
    yield ""
    for number, stage in enumerate(card.stages, start=1):
        yield f"{number}. " + " ".join(_remarks(stage))


def _remarks(stage: Stage) -> Iterator[str]:
    """Yield what the table does not say of a stage: settings, and what was special."""
    settings = _settings(stage["task"], stage["config"])
    yield _("Settings: {settings}.").format(settings=join([f"{name} {value}" for name, value in settings.items()]))
    if stage.get("status") == "interrupted":
        yield _("The run was stopped; the weights of step {step:,} were used.").format(step=stage["train"]["best_step"])
    n_dropped = stage["data"]["train"].get("dropped_lines")
    if n_dropped is not None:
        yield _(
            "{dropped:,} of {lines:,} lines were dropped before training, since they equal or nearly equal a line of "
            "data.held_out (Jaccard similarity of character 5-grams)."
        ).format(dropped=n_dropped, lines=stage["data"]["train"]["lines"])


def _settings(task: str, config: Mapping[str, Any]) -> dict[str, Any]:
    optimizer = config["optimizer"]
    try:
        own = tasks.find(task).card_settings(config)
    except ConfigError:  # it belongs to a package that is not installed
        own = {}
    settings = {
        "learning rate": optimizer["learning_rate"],
        "schedule": optimizer["schedule"],
        "weight decay": optimizer["weight_decay"],
        **own,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _data_lines(card: Card, notes: NotesSection) -> Iterator[str]:
    """Yield a table of the train data, a line for each source with how often each stage reads it, and the notes."""
    numbers = [str(number) for number in range(1, len(card.stages) + 1)]
    yield _("How often each stage reads a source in an epoch:")
    yield ""
    yield from _table([_("source"), _("origin"), *numbers])
    for (path, origin), times in _sources(card.stages).items():
        yield _row([path, origin, *(times.get(number, "") for number in range(len(card.stages)))])
    for text in filter(None, (notes.data, notes.licences)):
        yield from ("", text)


def _sources(stages: Sequence[Stage]) -> dict[tuple[str, str], dict[int, Any]]:
    """Return how often each stage reads each source, by path and origin."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for number, stage in enumerate(stages):
        train = stage["config"]["data"]["train"]
        sources: Sequence[Mapping[str, Any]] = [{"path": train, "times": 1}] if isinstance(train, str) else train
        for source in sources:
            chapters = _(" (train chapters)") if source.get("chapters") else ""
            key = (f"`{source['path']}`{chapters}", source.get("origin", ""))
            found.setdefault(key, {})[number] = f"{source['times']:g}"
    return found


def _table(columns: Sequence[str]) -> Iterator[str]:
    yield from (_row(columns), "|" + "---|" * len(columns))


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
