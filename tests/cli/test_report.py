"""`paddle-tasks report --html`: the file, its language, and the messages about names that cannot be written."""

from __future__ import annotations

from ..reporting.folders import write_run


def test_the_page_is_written_beside_the_table(cli, tmp_path):
    run, page = write_run(tmp_path / "a"), tmp_path / "report.html"
    done = cli("report", run, "--html", page)
    assert done.code == 0
    assert done.stdout.startswith("# Results\n")
    assert f"wrote {page}" in done.stderr
    assert '<html lang="en">' in page.read_text(encoding="utf-8")
    done = cli("--language", "zh", "report", run, "--html", page, "--quiet")
    assert done.stderr == ""
    assert '<html lang="zh-CN">' in page.read_text(encoding="utf-8")


def test_names_that_cannot_be_written_are_refused_before_anything_is_read(cli, tmp_path):
    run = write_run(tmp_path / "a")
    assert "--html " in cli.fails("report", run, "--html", tmp_path)
    assert "is a folder, expected a file" in cli.fails("report", run, "--html", tmp_path)
    assert f"no such folder {tmp_path / 'none'}" in cli.fails("report", run, "--html", tmp_path / "none" / "a.html")
