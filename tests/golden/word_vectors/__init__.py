"""What tests/golden/make_word_vectors.py has written with gensim: vectors, questions and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ANSWERS: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))["answers"]
"""For each similarity function the shares of right answers, and the questions with their outcomes."""
