"""Run folders whose files are damaged: training goes on from what is whole, and other commands say what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import Interrupted, UserError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.reporting.entries import BrokenFolder, read_entries
from paddle_tasks.reporting.vdl.dashboard import check_logs
from paddle_tasks.training import checkpoint as checkpoint_module
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.training.result import RunResult
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train
from paddle_tasks.workflows.verify import verify

from ..fuzzing import changed, damaged, examples, outcome
from ..helpers import CommandLine
from .interruptions import Interruption, after, interrupt, resume, terminate
from .snapshot import differing, snapshot

CONTENTS = {
    "empty": b"",
    "cut": b'{"schema": 1, "ta',
    "not UTF-8": b"\xff\xfe{",
    "null": b"null",
    "a list": b"[1, 2]",
    "a number": b"9" * 5000,
    "another schema": b'{"schema": 99}',
    "no keys": b'{"schema": 1}',
    "wrong types": b'{"schema": 1, "task": 5, "status": [], "seed": "a", "model": null, "data": 3, "train": 0}',
    "nested deeply": b'{"a": ' * 3000 + b"1" + b"}" * 3000,
    "nested too deeply for Python": b"[" * 200_000,
    "NUL bytes": b"\0" * 100,
}


def cases(table: Mapping[str, Any], *short: str) -> list[Any]:
    """Return the values of a table as parameters; those that are not named are long tests."""
    return [
        pytest.param(value, id=name, marks=() if name in short else pytest.mark.long) for name, value in table.items()
    ]


each_content = pytest.mark.parametrize("content", cases(CONTENTS, "cut", "wrong types", "nested deeply"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    return CommandLine(capsys, monkeypatch)


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """Return a copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


# ---- result.json


@each_content
def test_training_writes_a_damaged_result_anew(cli, copy, content):
    whole = snapshot(copy)
    (copy / "result.json").write_bytes(content)
    ended = cli("train", copy / "config.yaml", f"run_dir={copy}")
    assert ended.code == 0, ended.stderr
    assert "result.json" in ended.stderr
    assert "it is written anew by continuing the run" in ended.stderr
    assert differing(snapshot(copy), whole) <= {"panels"}


@each_content
def test_other_commands_answer_or_say_what_is_wrong_with_the_result(cli, copy, content):
    (copy / "result.json").write_bytes(content)
    assert cli("predict", copy, "房间很干净").code == 0  # it needs the model only
    assert cli("evaluate", copy, "--split", "test").code == 0
    for arguments in (("verify", copy), ("report", copy)):
        assert "result.json" in cli.fails(*arguments)
    check_logs(copy)


# ---- checkpoints


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("text", encoding="utf-8")


def replace_by_link(folder: Path) -> None:
    folder.rename(folder.parents[2] / "elsewhere")
    folder.symlink_to("../../elsewhere")


def replace_by_dangling_link(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")


def replace_by_loop(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)


def file_with(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def replace_file_by_folder(folder: Path) -> None:
    (folder / "optimizer.safetensors").unlink()
    (folder / "optimizer.safetensors").mkdir()


def change_manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        (folder / "manifest.json").write_text(json.dumps(change(manifest)), encoding="utf-8")

    return write


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a file": replace_by_file,
    "a link": replace_by_link,
    "a dangling link": replace_by_dangling_link,
    "a link to itself": replace_by_loop,
    "a folder in place of a file": replace_file_by_folder,
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty state": file_with("state.json", b""),
    "changed weights": file_with("model/model.safetensors", b"x"),
    "an empty list of files": change_manifest(lambda manifest: {**manifest, "sha256": {}}),
    "a list of files that is a number": change_manifest(lambda manifest: {**manifest, "sha256": 5}),
    "checksums that are lists": change_manifest(lambda manifest: {"sha256": {name: [] for name in manifest["sha256"]}}),
    "files elsewhere": change_manifest(lambda manifest: {"sha256": {**manifest["sha256"], "../../config.yaml": "a"}}),
    **{f"a manifest: {name}": file_with("manifest.json", content) for name, content in CONTENTS.items()},
}


@pytest.fixture(scope="module")
def interrupted(small_config, tmp_path_factory) -> Path:
    """Return a run that stopped after step 8 with checkpoints of the steps 6 and 8."""
    folder = tmp_path_factory.mktemp("interrupted")
    config = small_config(folder, training={"save_every_steps": 2})
    interrupt(config, Interruption(after(8, terminate), Interrupted, 8))
    return folder


@pytest.fixture(scope="module")
def whole(small_config, tmp_path_factory) -> dict[str, Any]:
    """Return the uninterrupted run in the place of `interrupted`."""
    folder = tmp_path_factory.mktemp("whole")
    return snapshot(train(small_config(folder, training={"save_every_steps": 2})).folder)


@pytest.mark.parametrize("damage", cases(DAMAGES, "a file", "a link", "checksums that are lists", "a manifest: cut"))
def test_a_resume_falls_back_to_the_older_checkpoint_and_says_so(small_config, interrupted, whole, tmp_path, damage):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True, symlinks=True)
    newest = tmp_path / "run/checkpoints/step-00000008"
    damage(newest)
    resumed, notes = resume(small_config(tmp_path, training={"save_every_steps": 2}))
    assert any("skipped a damaged checkpoint" in note and newest.name in note for note in notes)
    assert any("after step 6 " in note for note in notes)
    assert differing(resumed, whole) <= {"panels"}


def test_a_checkpoint_that_may_not_be_read_is_skipped(small_config, interrupted, tmp_path, monkeypatch):
    """The superuser may read everything, so the refusal is simulated."""
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    sha256 = checkpoint_module.sha256

    def refuse(path: Path) -> str:
        if "/step-00000008/" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return sha256(path)

    monkeypatch.setattr(checkpoint_module, "sha256", refuse)
    _, notes = resume(small_config(tmp_path, training={"save_every_steps": 2}))
    assert any("Permission denied" in note for note in notes)


def test_a_pointer_that_was_not_moved_is_moved_by_the_next_start(cli, copy):
    """The process may have been killed after its last checkpoint was written, and before ``latest`` named it."""
    pointer = copy / "checkpoints/latest"
    whole, newest = snapshot(copy), pointer.read_text(encoding="utf-8")
    pointer.write_text("step-00000001\n", encoding="utf-8")
    (copy / "result.json").unlink()
    assert cli("train", copy / "config.yaml", f"run_dir={copy}").code == 0
    assert pointer.read_text(encoding="utf-8") == newest
    assert differing(snapshot(copy), whole) <= {"panels"}


def test_what_only_looks_like_a_checkpoint_is_left_alone(tmp_path):
    names = ["step-", "step-abc", "step-1", "step-00000001.bak", "step-00000002~"]
    for name in names:
        (tmp_path / name).mkdir()
    store = CheckpointStore(tmp_path, keep=1)
    assert store.load_latest() is None
    store.update_pointers(tmp_path / "step-00000003", is_best=False)
    assert all((tmp_path / name).is_dir() for name in names)


def test_old_files_and_links_with_the_name_of_a_checkpoint_are_removed_with_it(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/kept").touch()
    (tmp_path / "step-00000001").symlink_to("other")
    (tmp_path / "step-00000002").touch()
    (tmp_path / "step-00000003").mkdir()
    CheckpointStore(tmp_path, keep=1).update_pointers(tmp_path / "step-00000003", is_best=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "other", "step-00000003"]
    assert (tmp_path / "other/kept").exists()


def test_steps_are_ordered_as_numbers(tmp_path):
    for step in (99_999_999, 100_000_000):
        (tmp_path / f"step-{step:08d}").mkdir()
    CheckpointStore(tmp_path, keep=1).update_pointers(tmp_path / "step-100000000", is_best=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-100000000"]


# ---- model/paddle_tasks.json

SETTINGS = {
    **CONTENTS,
    "no configuration": b'{"labels": ["0", "1"]}',
    "a configuration that is a list": b'{"config": []}',
    "a configuration without a task": b'{"config": {}}',
    "an unknown task": b'{"config": {"task": "sentimnt"}}',
    "sections that are none": b'{"config": {"task": "sentiment", "data": 3, "model": []}, "labels": ["0", "1"]}',
}


@pytest.mark.parametrize("content", cases(SETTINGS, "cut", "no configuration", "sections that are none"))
def test_damaged_settings_of_a_model_are_one_message(cli, copy, content):
    (copy / "model/paddle_tasks.json").write_bytes(content)
    message = cli.fails("predict", copy, "房间很干净")
    assert "paddle_tasks.json" in message or "task: 'sentimnt' is unknown; did you mean 'sentiment'?" in message
    cli.fails("evaluate", copy, "--split", "test")


LABELS = [None, 5, "01", ["0"], ["0", "0"], [0, 1], [["0"], "1"], ["0", "1", "2"]]


@pytest.mark.parametrize("labels", cases({str(labels): labels for labels in LABELS}, "None", "['0']", "[['0'], '1']"))
def test_damaged_labels_of_a_model_are_one_message(cli, copy, labels):
    path = copy / "model/paddle_tasks.json"
    settings = json.loads(path.read_text("utf-8"))
    settings.update({"labels": labels} if labels is not None else {})
    if labels is None:
        del settings["labels"]
    path.write_text(json.dumps(settings), encoding="utf-8")
    assert str(copy / "model") in cli.fails("predict", copy, "房间很干净")


# ---- any damage


def files_of(run: Path) -> list[str]:
    skipped = ("vdl", "checkpoints")
    names = (path.relative_to(run) for path in sorted(run.rglob("*")) if path.is_file())
    return [str(name) for name in names if name.parts[0] not in skipped]


def use(run: Path, command: str) -> Any:
    """Use a run in this process; any error but the user's fails the test."""
    if command == "report":
        return list(read_entries([run]))
    if command == "predict":
        return outcome(lambda: load(run)("房间很干净"))
    return outcome({"evaluate": evaluate, "verify": verify, "result": RunResult.read}[command], run)


@examples(15, share=1 / 40)
@given(data=st.data())
def test_a_damaged_run_folder_gives_answers_or_one_message(finished, tmp_path_factory, data):
    run = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(finished, run)
    name = data.draw(st.sampled_from(files_of(run)))
    whole = (run / name).read_bytes()
    if name.endswith(".json"):
        tree = changed(json.loads(whole)).map(lambda value: json.dumps(value).encode())
        content = data.draw(st.one_of(tree, damaged(whole)))
    else:
        content = data.draw(damaged(whole))
    (run / name).write_bytes(content)
    command = data.draw(st.sampled_from(["predict", "predict", "report", "evaluate", "verify", "result"]))
    found = use(run, command)
    assert found is not None or command in {"result", "verify"}
    if isinstance(found, UserError):
        assert len(str(found)) < 20_000
    shutil.rmtree(run)


def test_a_damaged_run_is_a_remark_of_the_report(copy):
    (copy / "result.json").write_bytes(b"[" * 100_000)
    (entry,) = read_entries([copy])
    assert isinstance(entry, BrokenFolder)
