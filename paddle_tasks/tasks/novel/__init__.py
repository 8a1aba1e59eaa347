"""Writing: models that continue a novel character by character."""

SUMMARY_METRICS = ("perplexity", "loss", "accuracy")
TABLE_METRICS = ("perplexity", "accuracy")
ALIASES = ("text-generation",)
PREDICTOR = "paddle_tasks.tasks.novel.predictor:TextWriter"
