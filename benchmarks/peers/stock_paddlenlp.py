"""Train with PaddleNLP's plain recipe, as it comes: stock_paddlenlp.py SETTINGS.json RESULT.json.

No setting of threads or CPU dispatch, shuffled batches of any lengths, padding to the longest of the batch.
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
from peer import Counter, read_rows, settings, write_result


def convert(row: tuple[str, int], tokenizer: Any, max_length: int) -> tuple[list[int], list[int], int]:
    """Return ids, segments and label of a row."""
    encoded = tokenizer(row[0], max_length=max_length, truncation=True)
    return encoded["input_ids"], encoded["token_type_ids"], row[1]


def loader(path: str, tokenizer: Any, asked: dict[str, Any], *, shuffle: bool) -> paddle.io.DataLoader:
    """Return the batches of a file, tokenised beforehand."""
    trans = partial(convert, tokenizer=tokenizer, max_length=asked["max_length"])
    dataset = MapDataset(read_rows(path)).map(trans)
    batches = paddle.io.BatchSampler(dataset, batch_size=asked["batch_size"], shuffle=shuffle)
    collate = Tuple(Pad(axis=0, pad_val=tokenizer.pad_token_id), Pad(axis=0, pad_val=0), Stack(dtype="int64"))
    return paddle.io.DataLoader(dataset, batch_sampler=batches, collate_fn=collate, return_list=True)


def load_model(weights: str) -> Any:
    """Return the model; PaddleNLP writes converted weights into the folder, so it gets a copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(weights, Path(folder) / "weights")
        return BertForSequenceClassification.from_pretrained(str(copy), num_classes=2, convert_from_torch=True)


def build_optimizer(model: Any, asked: dict[str, Any], n_steps: int) -> tuple[Any, Any]:
    """Return AdamW and its schedule."""
    schedule = LinearDecayWithWarmup(asked["learning_rate"], n_steps, asked["warmup_fraction"])
    decayed = [p.name for name, p in model.named_parameters() if not any(part in name for part in ("bias", "norm"))]
    optimizer = paddle.optimizer.AdamW(
        learning_rate=schedule,
        parameters=model.parameters(),
        weight_decay=asked["weight_decay"],
        apply_decay_param_fun=lambda name: name in decayed,
        grad_clip=paddle.nn.ClipGradByGlobalNorm(asked["max_gradient_norm"]),
    )
    return optimizer, schedule


def train(model: Any, batches: Any, asked: dict[str, Any], pad_id: int) -> dict[str, Any]:
    """Train and return the figures of the loop."""
    n_steps = asked["steps"] or asked["epochs"] * len(batches)
    optimizer, schedule = build_optimizer(model, asked, n_steps)
    criterion, counter = paddle.nn.CrossEntropyLoss(), Counter()
    model.train()
    counter.start()
    for _ in range(asked["epochs"]):
        for input_ids, token_type_ids, labels in batches:
            loss = criterion(model(input_ids, token_type_ids), labels)
            if counter.n_batches % 10 == 0:
                loss.item()  # a recipe logs it
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.clear_grad()
            counter.add(int((input_ids != pad_id).sum()), input_ids.size)
            if counter.n_batches == n_steps:
                return counter.stop()
    return counter.stop()


@paddle.no_grad()
def accuracy(model: Any, batches: Any) -> float:
    """Return the share of rows whose label the model finds."""
    model.eval()
    metric = paddle.metric.Accuracy()
    for input_ids, token_type_ids, labels in batches:
        metric.update(metric.compute(model(input_ids, token_type_ids), labels))
    return float(metric.accumulate())


def main() -> None:
    """Train, score the test split unless steps are limited, and write the figures."""
    asked = settings()
    paddle.seed(asked["seed"])
    tokenizer = BertTokenizer.from_pretrained(asked["weights"])
    batches = loader(asked["train"], tokenizer, asked, shuffle=True)
    model = load_model(asked["weights"])
    figures = train(model, batches, asked, tokenizer.pad_token_id)
    scored = None if asked["steps"] else accuracy(model, loader(asked["test"], tokenizer, asked, shuffle=False))
    versions = {"paddle": paddle.__version__, "paddlenlp": paddlenlp.__version__}
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    write_result(**figures, accuracy=scored, rows=len(batches.dataset), versions=versions, threads=threads)


if __name__ == "__main__":
    main()
