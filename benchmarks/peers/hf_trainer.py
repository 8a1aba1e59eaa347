"""Train with Hugging Face's Trainer on PyTorch, with length grouping: hf_trainer.py SETTINGS.json RESULT.json."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
import transformers
from peer import Counter, read_rows, read_settings, sample_batches, write_result
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
    """Times only the training loop, without the preparation of data and model.

    Attributes:
        measured: the times and counts of the loop, after training.
    """

    def __init__(self, counter: Counter) -> None:
        self.counter, self.measured = counter, {}

    def on_train_begin(self, *_args: Any, **_kwargs: Any) -> None:
        """Start the clock."""
        self.counter.start()

    def on_train_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Stop the clock and keep the counts, before the test batches are added to them."""
        self.measured = self.counter.stop()


class ShuffledBatches(Trainer):
    """A trainer that takes batches of similar lengths in random order: all batches of an epoch, or some of them.

    The Trainer's own order goes from long to short within each group of 50 batches. If the label correlates with the
    length, a model then learns nothing: an epoch over ChnSentiCorp ends with one answer for all texts, accuracy 0.49.

    Attributes:
        n_steps: the number of batches; None for all.
    """

    n_steps: int | None = None

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        order, size = list(super()._get_train_sampler(*args, **kwargs)), self.args.train_batch_size
        return sample_batches(order, size, self.n_steps or len(order) // size, self.args.seed)


def load_features(path: str, tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    """Return the input ids and labels of a file."""
    texts, labels = zip(*read_rows(path), strict=True)
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)
    return [{"input_ids": ids, "labels": label} for ids, label in zip(encoded["input_ids"], labels, strict=True)]


def count_batches(collate: Any, counter: Counter) -> Any:
    """Return a collate function that counts its batches."""

    def collate_and_count(rows: list[dict[str, Any]]) -> Any:
        batch = collate(rows)
        counter.add(int(batch["attention_mask"].sum()), batch["input_ids"].numel())
        return batch

    return collate_and_count


def training_arguments(settings: dict[str, Any], folder: str) -> TrainingArguments:
    """Return the settings of the Trainer; all others keep their defaults."""
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=64,
        learning_rate=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        warmup_steps=settings["warmup_fraction"],  # a value below 1 is a fraction of all steps
        lr_scheduler_type="linear",
        max_grad_norm=settings["max_gradient_norm"],
        seed=settings["seed"],
        train_sampling_strategy="group_by_length",
        use_cpu=True,
        bf16=settings["precision"] == "bfloat16",
        save_strategy="no",
        logging_steps=10,
        report_to=[],
        disable_tqdm=True,
    )


def compute_accuracy(trainer: Trainer, test: list[dict[str, Any]]) -> float:
    """Return the share of rows that the model classifies correctly."""
    predicted = trainer.predict(test)
    return float((predicted.predictions.argmax(axis=1) == predicted.label_ids).mean())


def main() -> None:
    """Train, score the test split unless ``steps`` is set, and write the result."""
    settings, counter = read_settings(), Counter()
    torch.set_num_threads(settings["threads"])
    set_seed(settings["seed"])
    tokenizer = AutoTokenizer.from_pretrained(settings["weights"])
    train = load_features(settings["train"], tokenizer, settings["max_length"])
    clock = Clock(counter)
    with tempfile.TemporaryDirectory() as folder:
        trainer = ShuffledBatches(
            model=BertForSequenceClassification.from_pretrained(settings["weights"], num_labels=2),
            args=training_arguments(settings, folder),
            data_collator=count_batches(DataCollatorWithPadding(tokenizer), counter),
            train_dataset=train,
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.n_steps = settings["steps"]
        trainer.train()
        accuracy = None
        if not settings["steps"]:
            accuracy = compute_accuracy(trainer, load_features(settings["test"], tokenizer, settings["max_length"]))
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    threads = torch.get_num_threads()
    write_result(**clock.measured, accuracy=accuracy, rows=len(train), versions=versions, threads=threads)


if __name__ == "__main__":
    main()
