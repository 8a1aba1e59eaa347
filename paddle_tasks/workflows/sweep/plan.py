"""The plan of a sweep: every combination of a grid and of seeds, validated before anything is written."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.data.tables.section import SplitsSection
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.files import expand_user
from paddle_tasks.language import _, join, mark
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.shipped_configs import find_config
from paddle_tasks.workflows.sweep.results import Choice

_SET_BY_SWEEP = {"seed": mark("--seeds names the seeds"), "run_dir": mark("a sweep names the folders of its runs")}
_CHANGE_DEV = ("data.dev", "data.fold", "data.folds")
_MAX_NAME_LENGTH = 120

Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Point:
    """A combination of the grid: its values, and the name of its runs."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """One run of a sweep: a grid point with a seed."""

    name: str
    point: Point
    seed: int
    config: RunSection

    @property
    def folder(self) -> RunFolder:
        """The folder of the run."""
        return RunFolder.of(self.config)

    def result(self) -> RunResult | None:
        """Return the result of the run if it is finished; a result.json that cannot be read is written anew."""
        result = None if self.folder.result_damage() else self.folder.result()
        return result if result and result.is_finished else None


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, validated; nothing is written yet."""

    folder: Path
    seeds: Sequence[int]
    grid: Grid
    members: Sequence[Member]

    @property
    def points(self) -> list[Point]:
        """The grid points in their order."""
        return list({member.point.name: member.point for member in self.members}.values())

    @property
    def choice(self) -> Choice:
        """The dev metric that chooses."""
        config = self.members[0].config
        metric = config.evaluation.metric
        return Choice(metric, metric in tasks.find(config.task).LOWER_IS_BETTER)


def plan_sweep(
    config: str | Path | Mapping[str, Any], overrides: Sequence[str], seeds: Sequence[int], grid: Grid
) -> Plan:
    """Return all runs of a sweep, after all checks that need no training.

    Raises:
        ConfigError: a mistake in the configuration, the seeds or the grid; or test would choose.
        CheckpointError: a folder holds something else.
        DataError: a data file is missing.
    """
    seeds = configuration.to_plain({"seeds": seeds}, "sweep")["seeds"]
    grid = configuration.to_plain(grid, "grid")
    _check_seeds(seeds)
    _check_keys(overrides, grid)
    tree = dict(config) if isinstance(config, Mapping) else configuration.read(find_config(config))
    _refuse_test_metric(configuration.override(tree, overrides))
    points = _points(grid)
    first = load_config(config, [*overrides, *_assigned(points[0].settings), f"seed={seeds[0]}"])
    has_folder = any(item.partition("=")[0] == "run_dir" for item in overrides)
    folder = Path(first.run_dir if has_folder else f"{first.run_dir}-sweep")
    members = [
        Member(name, point, seed, load_config(config, [*overrides, *_assigned(point.settings), *place]))
        for point, seed in itertools.product(points, seeds)
        for name in [",".join(filter(None, [point.name, f"seed={seed}"]))]
        for place in [(f"seed={seed}", f"run_dir={configuration.dump_inline(str(folder / name))}")]
    ]
    plan = Plan(expand_user(folder), list(seeds), {key: list(values) for key, values in grid.items()}, members)
    check_folders(plan)
    for member in members:
        _refuse_test_rows(member.config)
    return plan


def _check_seeds(seeds: Any) -> None:
    if not isinstance(seeds, list):
        raise ConfigError(_("seeds: expected a list of numbers, as in [1, 2, 3], found {found!r}").format(found=seeds))
    if not seeds:
        raise ConfigError(_("seeds: expected one or more, as in --seeds 1,2,3"))
    repeated = sorted({seed for seed in seeds if list(seeds).count(seed) > 1})
    if repeated:
        message = _("seeds: {seeds} given more than once; the same seed gives the same run")
        raise ConfigError(message.format(seeds=join([str(seed) for seed in repeated])))


def _check_keys(overrides: Sequence[str], grid: Grid) -> None:
    given = {item.partition("=")[0] for item in overrides}
    if "seed" in given:
        raise ConfigError(_("seed: --seeds names the seeds, each run has its own"))
    for key, values in grid.items():
        if key in _SET_BY_SWEEP:
            raise ConfigError(_("grid {key}: {reason}").format(key=key, reason=_(_SET_BY_SWEEP[key])))
        if key in ("task", "evaluation.metric") or key in _CHANGE_DEV:
            message = _("grid {key}: dev scores of different {key} cannot be compared; give each its own sweep")
            raise ConfigError(message.format(key=key))
        if key in given:
            raise ConfigError(_("grid {key}: is also set by KEY=VALUE; remove one of the two").format(key=key))
        if not isinstance(values, list):
            message = _("grid {key}: expected a list of values, as in [{found!r}], found {found!r}")
            raise ConfigError(message.format(key=key, found=values))
        written = [configuration.dump_inline(value) for value in values]
        if not values or len(set(written)) < len(written):
            message = _("grid {key}: expected one or more different values, found {found}")
            raise ConfigError(message.format(key=key, found=join(written) or _("none")))


def _refuse_test_metric(tree: Mapping[str, Any]) -> None:
    section = tree.get("evaluation")
    metric = section.get("metric") if isinstance(section, Mapping) else None
    if isinstance(metric, str) and re.match(r"test\b|test_", metric):
        raise ConfigError(
            _(
                "evaluation.metric: {metric!r} would choose on test, whose scores then say nothing about other data; "
                "name a metric of dev, such as accuracy"
            ).format(metric=metric)
        )


def _refuse_test_rows(config: RunSection) -> None:
    """Raise if dev and test have the same rows: what is chosen on rows cannot be scored on them."""
    data = config.data
    if not isinstance(data, SplitsSection) or not (data.has("dev") and data.has("test")):
        return
    dev = data.split_sha256("dev", config.seed)
    if dev is not None and dev == data.split_sha256("test", config.seed):
        refuse_choice(str(data.dev), str(data.test))


def refuse_choice(dev: str, test: str) -> None:
    """Refuse a dev split with the rows of test.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        _(
            "data.dev ({dev}) and data.test ({test}) hold the same rows, so dev would choose on test; use other rows "
            "as dev (data.folds makes a fold of train dev), or remove test with data.test=null"
        ).format(dev=dev, test=test)
    )


def check_folders(plan: Plan) -> None:
    """Check that each folder is new or holds what the plan writes into it.

    Raises:
        CheckpointError: a folder holds something else, or is behind a link that leads nowhere.
    """
    own = RunFolder(plan.folder)
    own.check_links()
    if own.config_file.is_file():
        message = _("{folder}: holds a run, not a sweep; name another folder with run_dir=…")
        raise CheckpointError(message.format(folder=plan.folder))
    for member in plan.members:
        if member.folder.exists:
            member.folder.check_same(member.config)


def parse_grid(items: Sequence[str]) -> dict[str, list[Any]]:
    """Return the grid of ``KEY=V1,V2`` items; the values are read as a YAML list and may be lists themselves.

    Raises:
        ConfigError: an item does not have this form, or a key is given twice.
    """
    grid: dict[str, list[Any]] = {}
    for item in items:
        key, equals, values = item.partition("=")
        if not equals or not key or not values.strip():
            message = _("grid {item!r}: expected KEY=V1,V2, for example optimizer.learning_rate=1e-4,3e-4")
            raise ConfigError(message.format(item=item))
        if key in grid:
            message = _("grid {key}: given twice; write all of its values after one {key}=")
            raise ConfigError(message.format(key=key))
        grid[key] = list(configuration.parse_yaml(f"[{values}]", f"grid {key}"))
    return grid


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of ``1,2,3``.

    Raises:
        ConfigError: they are not numbers from 0 on.
    """
    parts = [part.strip() for part in text.split(",")]
    wrong = [part for part in parts if not re.fullmatch(r"[0-9]+", part)]
    if wrong:
        message = _("seeds: expected numbers from 0 on, as in --seeds 1,2,3, found {found!r}")
        raise ConfigError(message.format(found=wrong[0]))
    return [int(part) for part in parts]


def _assigned(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={configuration.dump_inline(value)}" for key, value in settings.items()]


def _points(grid: Grid) -> list[Point]:
    """Return the combinations of the grid, the last key changing fastest, with distinct names."""
    last = [key.rpartition(".")[2] for key in grid]
    labels = [short if last.count(short) == 1 else key for key, short in zip(grid, last, strict=True)]
    names: list[str] = []
    points = []
    for values in itertools.product(*grid.values()):
        parts = [f"{label}={_in_a_name(value)}" for label, value in zip(labels, values, strict=True)]
        name = ",".join(parts)[:_MAX_NAME_LENGTH]
        while name in names:
            name += "+"
        names.append(name)
        points.append(Point(name, dict(zip(grid, values, strict=True))))
    return points


def _in_a_name(value: Any) -> str:
    text = value if isinstance(value, str) else configuration.dump_inline(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-") or "none"
