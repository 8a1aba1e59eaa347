"""Submission files for CLUE (https://www.cluebenchmarks.com): a JSON line for each row of a test file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from paddle_tasks.errors import DataError

_LABEL = re.compile(r"\d+")


def submission(ids: Sequence[int | str], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a submission for AFQMC, IFLYTEK or TNEWS: ``{"id": 0, "label": "101"}``.

    Args:
        ids: of the rows, as their test file gives them.
        records: a classifier's answers, in the same order.

    Raises:
        DataError: an id stands twice, or a label is none of CLUE's, which are numbers.
    """
    twice = [key for key, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(f"--clue: the id {twice[0]!r} stands twice in the input; CLUE's are all different")
    names = [record["label"] for record in records if not _LABEL.fullmatch(record["label"])]
    if names:
        raise DataError(
            f"--clue: the label {names[0]!r} is none of CLUE's, which are numbers; train with labels that are numbers, "
            "or with the publisher's file of names, as data.label_names=labels.json"
        )
    pairs = zip(ids, records, strict=True)
    return [json.dumps({"id": key, "label": record["label"]}, ensure_ascii=False) for key, record in pairs]
