"""Write the golden word vectors: files that gensim has written, and its answers to analogy questions.

    python -m tests.golden.make_word_vectors

Run it from the root of the repository with gensim 4.4.0, which the project does not need otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from gensim import __version__
from gensim.models import KeyedVectors

FOLDER = Path(__file__).parent / "word_vectors"
SIZE, N_PAIRS = 6, 14
RELATIONS = ("国家", "性别")
# In gensim's files a word ends at a space; a full-width space and a no-break space are parts of words.
ODD_WORDS = ("全\u3000角", "a\u00a0b", "Paris", "PARIS", "。", "🙂")


def main() -> None:
    """Write vectors in both formats, questions, and what gensim makes of them."""
    generator = np.random.default_rng(2013)
    vectors, questions = KeyedVectors(SIZE), []
    for relation in RELATIONS:
        offset, bases = generator.normal(size=SIZE), generator.normal(size=(N_PAIRS, SIZE))
        pairs = [(f"{relation}{row}", f"{relation}{row}后") for row in range(N_PAIRS)]
        noise = generator.normal(scale=0.35, size=bases.shape)
        vectors.add_vectors([word for pair in pairs for word in pair], _interleave(bases, bases + offset + noise))
        questions += [f": {relation}", *_ask(pairs)]
    vectors.add_vectors(list(ODD_WORDS), generator.normal(size=(len(ODD_WORDS), SIZE)).astype(np.float32))
    questions += [": 大小写", "paris PARIS 国家0 国家0后", "国家1 没有 国家2 国家2后", "Paris 。 全角 国家3"]
    (FOLDER / "questions.txt").write_text("\n".join(questions) + "\n", encoding="utf-8")
    vectors.save_word2vec_format(str(FOLDER / "gensim.txt"), binary=False)
    vectors.save_word2vec_format(str(FOLDER / "gensim.bin"), binary=True)
    answers = {name: _evaluate(vectors, name) for name in ("most_similar", "most_similar_cosmul")}
    content = json.dumps({"gensim": __version__, "answers": answers}, ensure_ascii=False) + "\n"
    (FOLDER / "answers.json").write_text(content, encoding="utf-8")


def _interleave(first: Any, second: Any) -> Any:
    return np.stack([first, second], axis=1).reshape(-1, SIZE).astype(np.float32)


def _ask(pairs: list[tuple[str, str]]) -> list[str]:
    return [" ".join((*one, *other)) for row, one in enumerate(pairs) for other in pairs[row + 1 : row + 4]]


def _evaluate(vectors: KeyedVectors, similarity: str) -> dict[str, Any]:
    """Return the shares of right answers, of the answered and of all questions, and the questions of each outcome.

    ``evaluate_word_analogies`` of gensim 4.4.0 ignores its ``similarity_function`` and calls ``most_similar``.
    """
    find = getattr(vectors, similarity)
    vectors.most_similar = lambda positive, negative, topn, **_others: find(positive, negative, topn=topn)
    file = str(FOLDER / "questions.txt")
    answered, sections = vectors.evaluate_word_analogies(file)
    overall, _ = vectors.evaluate_word_analogies(file, dummy4unknown=True)
    outcomes = {kind: [" ".join(words) for section in sections[:-1] for words in section[kind]] for kind in OUTCOMES}
    return {"answered": answered, "all": overall, **outcomes}


OUTCOMES = ("correct", "incorrect")

if __name__ == "__main__":
    main()
