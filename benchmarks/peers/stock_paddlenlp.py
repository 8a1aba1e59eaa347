"""Train with PaddleNLP's plain recipe: stock_paddlenlp.py SETTINGS.json RESULT.json.

Threads and CPU dispatch are left at their defaults. Batches are shuffled without regard to lengths, and padded to
their longest text.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import paddle
import paddlenlp
from paddlenlp.data import Pad, Stack, Tuple
from paddlenlp.datasets import MapDataset
from paddlenlp.transformers import BertForSequenceClassification, BertTokenizer, LinearDecayWithWarmup
from peer import Counter, read_rows, read_settings, write_result


def convert(row: tuple[str, int], tokenizer: Any, max_length: int) -> tuple[list[int], list[int], int]:
    """Return the input ids, token type ids and label of a row."""
    encoded = tokenizer(row[0], max_length=max_length, truncation=True)
    return encoded["input_ids"], encoded["token_type_ids"], row[1]


def build_loader(path: str, tokenizer: Any, settings: dict[str, Any], *, shuffle: bool) -> paddle.io.DataLoader:
    """Tokenise a file and return its batches."""
    transform = partial(convert, tokenizer=tokenizer, max_length=settings["max_length"])
    dataset = MapDataset(read_rows(path)).map(transform)
    batches = paddle.io.BatchSampler(dataset, batch_size=settings["batch_size"], shuffle=shuffle)
    collate = Tuple(Pad(axis=0, pad_val=tokenizer.pad_token_id), Pad(axis=0, pad_val=0), Stack(dtype="int64"))
    return paddle.io.DataLoader(dataset, batch_sampler=batches, collate_fn=collate, return_list=True)


def load_model(weights: str) -> Any:
    """Return the model, loaded from a copy, because PaddleNLP writes converted weights into the folder."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(weights, Path(folder) / "weights")
        return BertForSequenceClassification.from_pretrained(str(copy), num_classes=2, convert_from_torch=True)


def build_optimizer(model: Any, settings: dict[str, Any], n_steps: int) -> tuple[Any, Any]:
    """Return AdamW and its learning-rate schedule."""
    schedule = LinearDecayWithWarmup(settings["learning_rate"], n_steps, settings["warmup_fraction"])
    decayed = [p.name for name, p in model.named_parameters() if not any(part in name for part in ("bias", "norm"))]
    optimizer = paddle.optimizer.AdamW(
        learning_rate=schedule,
        parameters=model.parameters(),
        weight_decay=settings["weight_decay"],
        apply_decay_param_fun=lambda name: name in decayed,
        grad_clip=paddle.nn.ClipGradByGlobalNorm(settings["max_gradient_norm"]),
    )
    return optimizer, schedule


def train(model: Any, batches: Any, settings: dict[str, Any], pad_id: int) -> dict[str, Any]:
    """Train and return the times and counts of the loop."""
    n_steps = settings["steps"] or settings["epochs"] * len(batches)
    optimizer, schedule = build_optimizer(model, settings, n_steps)
    criterion, counter = paddle.nn.CrossEntropyLoss(), Counter()
    model.train()
    counter.start()
    for _ in range(settings["epochs"]):
        for input_ids, token_type_ids, labels in batches:
            loss = criterion(model(input_ids, token_type_ids), labels)
            if counter.n_batches % 10 == 0:
                loss.item()  # as a recipe that logs it does
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.clear_grad()
            counter.add(int((input_ids != pad_id).sum()), input_ids.size)
            if counter.n_batches == n_steps:
                return counter.stop()
    return counter.stop()


@paddle.no_grad()
def compute_accuracy(model: Any, batches: Any) -> float:
    """Return the share of rows that the model classifies correctly."""
    model.eval()
    metric = paddle.metric.Accuracy()
    for input_ids, token_type_ids, labels in batches:
        metric.update(metric.compute(model(input_ids, token_type_ids), labels))
    return float(metric.accumulate())


def main() -> None:
    """Train, score the test split unless ``steps`` is set, and write the result."""
    settings = read_settings()
    paddle.seed(settings["seed"])
    tokenizer = BertTokenizer.from_pretrained(settings["weights"])
    batches = build_loader(settings["train"], tokenizer, settings, shuffle=True)
    model = load_model(settings["weights"])
    measured = train(model, batches, settings, tokenizer.pad_token_id)
    accuracy = None
    if not settings["steps"]:
        accuracy = compute_accuracy(model, build_loader(settings["test"], tokenizer, settings, shuffle=False))
    versions = {"paddle": paddle.__version__, "paddlenlp": paddlenlp.__version__}
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    write_result(**measured, accuracy=accuracy, rows=len(batches.dataset), versions=versions, threads=threads)


if __name__ == "__main__":
    main()
