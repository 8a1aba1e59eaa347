"""TF-IDF and a linear classifier on the data of a task: the same readers, splits, metrics and files as training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_split, find_suspicious
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.language import _
from paddle_tasks.tasks.classification.data import LabelledData, RowFormat
from paddle_tasks.tasks.classification.decision import Decision
from paddle_tasks.tasks.classification.scoring import Scorer
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.tasks.classification.tfidf import ENCODERS, PREFIX, Classifier, Features, TfidfSection, with_defaults
from paddle_tasks.training.protocol import BaselineScores, Evaluation
from paddle_tasks.training.settings import AnyRunSection

Notify = Callable[[str], None]


@dataclass(frozen=True)
class TfidfBaseline:
    """The baseline of classifiers.

    Attributes:
        format: the task's rows.
        new_decision: returns how the task chooses labels.
    """

    format: RowFormat
    new_decision: Callable[[], Decision]
    model_section: type[TfidfSection] = TfidfSection
    options: tuple[str, ...] = ("features", "classifier", "c", "ngrams", "min_df")

    def recognises(self, encoder: str) -> bool:
        """Return whether ``model.encoder`` is the name of a TF-IDF baseline, perhaps a mistyped one."""
        return encoder.startswith(PREFIX)

    def complete(self, model: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``model`` section.

        Args:
            model: an empty section, or a complete one.
            options: ``features`` (``char`` or ``word``), ``classifier`` (``svm`` or ``logistic``), ``c``
                (scikit-learn's C), ``ngrams`` (shortest and longest) and ``min_df`` (the number of train
                texts that an n-gram must occur in).
        """
        encoder = str(model.get("encoder", ENCODERS[0]))
        if encoder in ENCODERS:  # validation names the mistake in any other
            _, features, classifier = encoder.split("-")
            encoder = f"tfidf-{options.get('features', features)}-{options.get('classifier', classifier)}"
        others = {name: value for name, value in options.items() if name not in ("features", "classifier")}
        return with_defaults({**model, "encoder": encoder, **others})

    def fit(self, config: AnyRunSection, notify: Notify) -> BaselineScores:
        """Read the data, fit the classifier to train and score the other splits."""
        data = LabelledData(config.data, config.seed, self.format)  # type: ignore[arg-type] # the task's own section
        data.read()
        for split in data.splits.values():
            for line in describe_split(split, data.label_names):
                notify(line)
        remarks = [split.remark for split in data.splits.values() if split.remark]
        for remark in (*remarks, *find_suspicious(data.splits)):
            notify(_("remark: {remark}").format(remark=remark))
        fitted = _Fitted(data, config.model, config.seed, notify)  # type: ignore[arg-type] # `model_section`
        scorer = Scorer(data, self.new_decision(), Temperature(is_fitted=False))
        scorer.decision.start_learning()
        evaluations: dict[SplitName, Evaluation] = {
            name: fitted.score(scorer, split) for name, split in data.splits.items() if name != "train"
        }
        return BaselineScores(data.splits, fitted.classifier.n_parameters, fitted.seconds, evaluations)


class _Fitted:
    """The features and the classifier, fitted to train."""

    def __init__(self, data: LabelledData, section: TfidfSection, seed: int, notify: Notify) -> None:
        self.data, self.features = data, Features(section)
        self.classifier = Classifier(section, len(data.labels), seed)
        started = time.perf_counter()
        self._fit(section.encoder, notify)
        self.seconds = time.perf_counter() - started

    def _fit(self, name: str, notify: Notify) -> None:
        train, labels = self.data.splits["train"], self.data.train_labels()
        notify(_("{encoder}: learning the n-grams of {count:,} texts").format(encoder=name, count=len(labels)))
        features = self.features.learn(self.data.texts(train))
        notify(_("{encoder}: fitting {count:,} features").format(encoder=name, count=features.shape[1]))
        if not self.classifier.fit(features, labels):
            notify(_("the classifier has not converged; a smaller --c makes that easier"))

    def score(self, scorer: Scorer, split: Split[LabelledText]) -> Evaluation:
        features = self.features.transform(self.data.texts(split))
        return scorer.score(split, self.classifier.probabilities(features))
