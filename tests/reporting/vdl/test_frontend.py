"""The changes of VisualDL's pages fit the version that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import visualdl

from paddle_tasks.reporting.vdl.frontend import CHANGES, change_file

FOLDER = Path(visualdl.__file__).parent / "server" / "dist"


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_fits_its_script_exactly_once(name):
    content = (FOLDER / name).read_text(encoding="utf-8")
    changed = change_file(name, content)
    for change in CHANGES[name]:
        assert content.count(change.old) == 1
        assert change.new in changed
    grown = sum(len(change.new) - len(change.old) for change in CHANGES[name])
    assert len(changed) - len(content) == grown, "nothing else is changed"


def test_a_script_without_the_part_is_served_as_it_is():
    name = next(iter(CHANGES))
    assert change_file(name, "other") == "other"
    assert change_file("_dist_/other.js", "</head>") == "</head>"
