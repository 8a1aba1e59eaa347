"""Writing: models that continue a novel character by character."""

from paddle_tasks.training.demonstration import Demonstration

SUMMARY_METRICS = ("perplexity", "loss", "accuracy")
TABLE_METRICS = ("perplexity", "accuracy")
ALIASES = ("text-generation",)
PREDICTOR = "paddle_tasks.tasks.novel.predictor:TextWriter"

DEMONSTRATION = Demonstration(
    "outputs",
    (
        "话说宝玉",
        "却说行者拿着金箍棒，",
        "次日天明，",
    ),
    {"max_new_tokens": 120, "top_k": 20, "temperature": 0.8},
)
