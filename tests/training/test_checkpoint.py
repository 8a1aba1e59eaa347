"""Checkpoints are atomic, verified and pruned; optimiser state has structured names."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import sha256
from paddle_tasks.training import checkpoint as checkpoint_module
from paddle_tasks.training.checkpoint import CheckpointStore, find_damage, load_optimizer_state, optimizer_state
from paddle_tasks.training.optimizer import build_optimizer, freeze
from paddle_tasks.training.settings import OptimizerSection

from .toy import make_loop, make_toy, same, weights


def write_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(range(100)))
    (folder / "config.json").write_text("{}")


def save(store: CheckpointStore, step: int, *, is_best: bool = False, writer=write_model) -> Path:
    return store.save(step, writer, {"a::moment1": np.ones(3, np.float32)}, {"progress": step}, is_best=is_best)


@pytest.fixture
def store(tmp_path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", keep=2)


def names(store: CheckpointStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def pointers(store: CheckpointStore) -> list[str]:
    return [(store.folder / name).read_text() for name in ("latest", "best")]


def test_the_manifest_lists_every_file(store):
    folder = save(store, 12)
    files = {path for path in folder.rglob("*") if path.is_file()} - {folder / "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert folder.name == "step-00000012"
    assert manifest == {"step": 12, "sha256": {str(path.relative_to(folder)): sha256(path) for path in files}}
    assert set(manifest["sha256"]) == {"model/weights", "model/config.json", "optimizer.safetensors", "state.json"}
    assert find_damage(folder) is None


def test_what_is_saved_is_loaded(store):
    assert store.load_latest() is None
    save(store, 2)
    found = store.load_latest()
    assert (found.folder, found.state, found.skipped) == (store.folder / "step-00000002", {"progress": 2}, ())
    assert load_file(found.folder / "optimizer.safetensors")["a::moment1"].tolist() == [1, 1, 1]


def test_pruning_keeps_the_newest_and_the_best(store):
    for step in range(1, 6):
        save(store, step, is_best=step == 2)
    assert names(store) == ["best", "latest", "step-00000002", "step-00000004", "step-00000005"]
    assert pointers(store) == ["step-00000005\n", "step-00000002\n"]
    save(store, 6, is_best=True)
    assert names(store) == ["best", "latest", "step-00000005", "step-00000006"]
    assert pointers(store) == ["step-00000006\n", "step-00000006\n"]


def flip(folder: Path) -> None:
    file = folder / "model/weights"
    data = bytearray(file.read_bytes())
    data[50] ^= 1
    file.write_bytes(data)


def truncate(folder: Path) -> None:
    file = folder / "manifest.json"
    file.write_bytes(file.read_bytes()[:-20])


DAMAGES = {
    "model/weights has changed": flip,
    "optimizer.safetensors is missing": lambda folder: (folder / "optimizer.safetensors").unlink(),
    "manifest.json cannot be read": truncate,
    r"manifest.json cannot be read \(.*No such file": lambda folder: (folder / "manifest.json").unlink(),
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_checkpoint_is_skipped(store, reason):
    for step in (1, 2):
        save(store, step)
    DAMAGES[reason](store.folder / "step-00000002")
    found = store.load_latest()
    assert found.state == {"progress": 1}
    (problem,) = found.skipped
    assert problem.startswith(str(store.folder / "step-00000002"))
    assert re.search(reason, problem)


def test_if_all_are_damaged_the_error_names_each(store):
    for step, damage in zip((1, 2), DAMAGES.values(), strict=False):
        damage(save(store, step))
    with pytest.raises(CheckpointError, match="all checkpoints are damaged") as caught:
        store.load_latest()
    assert all(f"step-0000000{step}" in str(caught.value) for step in (1, 2))


@pytest.mark.usefixtures("in_chinese")
def test_damage_is_described_in_chinese(store):
    (save(store, 1) / "state.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        store.load_latest()
    problem = f"{store.folder / 'step-00000001'}：缺少 state.json"
    assert str(caught.value) == f"{store.folder}：所有检查点都已损坏；请用 --fresh 重新训练\n  {problem}"


def test_a_damaged_newer_checkpoint_does_not_crowd_out_an_undamaged_one(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints", keep=1)
    for step in (4, 8):
        save(store, step, is_best=step == 4)
    flip(store.folder / "step-00000008")
    assert store.load_latest().state == {"progress": 4}
    save(store, 5)
    assert names(store) == ["best", "latest", "step-00000004", "step-00000005"]
    assert store.load_latest().state == {"progress": 5}


class CrashError(Exception):
    """A power failure."""


def crash_in_the_middle(folder: Path) -> None:
    write_model(folder)
    raise CrashError


def full_disk(folder: Path) -> None:
    write_model(folder)
    raise OSError(errno.ENOSPC, "No space left on device")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", [1, 2], ids=["over an older one of that step", "a new step"])
@pytest.mark.parametrize(("writer", "error"), [(crash_in_the_middle, CrashError), (full_disk, OSError)])
def test_a_failing_save_leaves_everything_as_it_was(store, writer, error, step):
    save(store, 1, is_best=True)
    before = contents(store.folder)
    with pytest.raises(error):
        save(store, step, is_best=True, writer=writer)
    assert contents(store.folder) == before
    assert names(store) == ["best", "latest", "step-00000001"]
    assert store.load_latest().state == {"progress": 1}


@pytest.mark.parametrize("stage", ["fsync", "rename", "manifest"])
def test_a_crash_at_any_stage_leaves_the_older_checkpoint(store, stage, monkeypatch):
    save(store, 1, is_best=True)
    before = contents(store.folder)
    with monkeypatch.context() as patch:
        if stage == "rename":
            patch.setattr(Path, "rename", broken)
        elif stage == "fsync":
            patch.setattr("os.fsync", broken)
        else:
            patch.setattr(checkpoint_module, "sha256", broken)
        with pytest.raises(CrashError):
            save(store, 2, is_best=True)
    assert pointers(store) == ["step-00000001\n"] * 2
    assert store.load_latest().state == {"progress": 1}
    assert {name: data for name, data in contents(store.folder).items() if not name.startswith(".")} == before
    save(store, 2)
    assert names(store) == ["best", "latest", "step-00000001", "step-00000002"]


def broken(*arguments):
    raise CrashError


def test_half_written_folders_are_not_counted(store):
    (store.folder / ".step-00000001.tmp").mkdir(parents=True)
    assert store.load_latest() is None
    save(store, 1)
    write_model(store.folder / ".step-00000002.tmp")
    assert store.load_latest().skipped == ()
    save(store, 2)
    save(store, 3)
    assert names(store) == ["latest", "step-00000002", "step-00000003"]


# ---- optimiser state


def trained(model, steps: int = 2):
    optimizer = build_optimizer(model, OptimizerSection())
    loop = make_loop(model, optimizer, max_steps=steps)
    assert len(list(loop.steps())) == steps
    return optimizer


def test_state_is_named_by_structure_and_the_same_for_every_model_in_the_process():
    first, second = make_toy(), make_toy()
    one, two = optimizer_state(trained(first), first), optimizer_state(trained(second), second)
    accumulators = ("beta1_pow_acc", "beta2_pow_acc", "moment1", "moment2")
    assert set(one) == {f"{name}::{kind}" for name in weights(first) for kind in accumulators}
    assert same(one, two)


def test_frozen_parameters_have_no_state():
    model = make_toy()
    freeze(model, ("first.*",))
    assert not [name for name in optimizer_state(trained(model), model) if name.startswith("first")]


@pytest.mark.parametrize("is_same_model", [True, False])
def test_restored_state_continues_exactly(tmp_path, is_same_model):
    """Into a model with other generated names, and into one whose generated names are already in use."""
    model = make_toy()
    optimizer = trained(model, 1)
    save_file(optimizer_state(optimizer, model), tmp_path / "state")
    start = {name: paddle.to_tensor(value) for name, value in weights(model).items()}
    expected = continued(model, optimizer)
    other = model if is_same_model else make_toy()
    other.set_state_dict(start)
    restored = build_optimizer(other, OptimizerSection())
    load_optimizer_state(restored, other, tmp_path / "state")
    found = continued(other, restored)
    assert all(same(one, two) for one, two in zip(found, expected, strict=True))


def continued(model, optimizer):
    """Return weights and optimiser state after two more steps."""
    loop = make_loop(model, optimizer)
    loop.progress.step = loop.progress.batch = 1
    assert len(list(loop.steps())) == 2
    return weights(model), optimizer_state(optimizer, model)


def test_state_without_a_step_can_be_saved_and_restored(tmp_path):
    model = make_toy()
    save_file(optimizer_state(build_optimizer(model, OptimizerSection()), model), tmp_path / "state")
    restored = build_optimizer(model, OptimizerSection())
    load_optimizer_state(restored, model, tmp_path / "state")
    list(make_loop(model, restored).steps())
    assert same(weights(model), weights(trained_toy(3)))


def trained_toy(steps: int):
    model = make_toy()
    trained(model, steps)
    return model


def test_state_of_another_model_is_refused(tmp_path):
    save_file({"middle.weight::moment1": np.ones(2, np.float32)}, tmp_path / "state")
    with pytest.raises(CheckpointError, match=r"contains 'middle\.weight', which the model does not have"):
        load_optimizer_state(build_optimizer(make_toy(), OptimizerSection()), make_toy(), tmp_path / "state")
