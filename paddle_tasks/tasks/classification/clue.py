"""Submission files for CLUE (https://www.cluebenchmarks.com): a JSON line for each row of a test file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from paddle_tasks.errors import DataError
from paddle_tasks.language import _
from paddle_tasks.training.protocol import Record, RecordFormat

_LABEL = re.compile(r"\d+")


def submission(records: Sequence[Record], ids: Sequence[int | str]) -> list[str]:
    """Return the lines of a submission for AFQMC, IFLYTEK or TNEWS: ``{"id": 0, "label": "101"}``.

    Args:
        records: what a classifier's `predict` returned.
        ids: the id of each record's row in the test file.

    Raises:
        DataError: an id occurs twice, or a label is not a number, as all of CLUE's are.
    """
    repeated = [row_id for row_id, count in Counter(ids).items() if count > 1]
    if repeated:
        raise DataError(
            _("--clue: the id {id!r} occurs twice in the input; CLUE's ids are all different").format(id=repeated[0])
        )
    names = [record["label"] for record in records if not _LABEL.fullmatch(record["label"])]
    if names:
        raise DataError(
            _(
                "--clue: the label {label!r} is not one of CLUE's, which are numbers; train with labels that are "
                "numbers, or with the publisher's file of names, as in data.label_names=labels.json"
            ).format(label=names[0])
        )
    rows = zip(ids, records, strict=True)
    return [json.dumps({"id": row_id, "label": record["label"]}, ensure_ascii=False) for row_id, record in rows]


CLUE = RecordFormat(to_lines=submission)
