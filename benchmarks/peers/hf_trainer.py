"""Train with Hugging Face's Trainer on PyTorch, length grouping on: hf_trainer.py SETTINGS.json RESULT.json."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
import transformers
from peer import Counter, read_rows, settings, some_batches, write_result
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)


class Clock(TrainerCallback):
    """Times the loop alone, without preparing the data and the model."""

    def __init__(self, counter: Counter) -> None:
        self.counter, self.figures = counter, {}

    def on_train_begin(self, *_args: Any, **_kwargs: Any) -> None:
        """Start the clock."""
        self.counter.start()

    def on_train_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Stop the clock and keep the figures, before test batches are counted too."""
        self.figures = self.counter.stop()


class ShuffledBatches(Trainer):
    """Trains on the epoch's batches of like lengths, or on some of them, in random order.

    The Trainer's own order goes from long to short within each group of 50 batches. Where the label goes with the
    length it then learns nothing: an epoch over ChnSentiCorp ends with one answer for all texts, 0.49 right.
    """

    n_steps: int | None = None

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        order, size = list(super()._get_train_sampler(*args, **kwargs)), self.args.train_batch_size
        return some_batches(order, size, self.n_steps or len(order) // size, self.args.seed)


def features(path: str, tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    """Return ids and labels of a file's rows."""
    texts, labels = zip(*read_rows(path), strict=True)
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)
    return [{"input_ids": ids, "labels": label} for ids, label in zip(encoded["input_ids"], labels, strict=True)]


def counting(collate: Any, counter: Counter) -> Any:
    """Return a collator that counts what it makes."""

    def counted(rows: list[dict[str, Any]]) -> Any:
        batch = collate(rows)
        counter.add(int(batch["attention_mask"].sum()), batch["input_ids"].numel())
        return batch

    return counted


def arguments(asked: dict[str, Any], folder: str) -> TrainingArguments:
    """Return the settings of the Trainer; what is not named is as it comes."""
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=asked["epochs"],
        per_device_train_batch_size=asked["batch_size"],
        per_device_eval_batch_size=64,
        learning_rate=asked["learning_rate"],
        weight_decay=asked["weight_decay"],
        warmup_steps=asked["warmup_fraction"],  # below 1 it is a share
        lr_scheduler_type="linear",
        max_grad_norm=asked["max_gradient_norm"],
        seed=asked["seed"],
        train_sampling_strategy="group_by_length",
        use_cpu=True,
        bf16=asked["precision"] == "bfloat16",
        save_strategy="no",
        logging_steps=10,
        report_to=[],
        disable_tqdm=True,
    )


def accuracy(trainer: Trainer, test: list[dict[str, Any]]) -> float:
    """Return the share of rows whose label the model finds."""
    predicted = trainer.predict(test)
    return float((predicted.predictions.argmax(axis=1) == predicted.label_ids).mean())


def main() -> None:
    """Train, score the test split unless steps are limited, and write the figures."""
    asked, counter = settings(), Counter()
    torch.set_num_threads(asked["threads"])
    set_seed(asked["seed"])
    tokenizer = AutoTokenizer.from_pretrained(asked["weights"])
    train = features(asked["train"], tokenizer, asked["max_length"])
    clock = Clock(counter)
    with tempfile.TemporaryDirectory() as folder:
        trainer = ShuffledBatches(
            model=BertForSequenceClassification.from_pretrained(asked["weights"], num_labels=2),
            args=arguments(asked, folder),
            data_collator=counting(DataCollatorWithPadding(tokenizer), counter),
            train_dataset=train,
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.n_steps = asked["steps"]
        trainer.train()
        scored = None if asked["steps"] else accuracy(trainer, features(asked["test"], tokenizer, asked["max_length"]))
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    write_result(**clock.figures, accuracy=scored, rows=len(train), versions=versions, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
