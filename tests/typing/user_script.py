"""What a user may write; mypy checks it in strict mode, and a test runs it in the folder of the repository."""

from __future__ import annotations

from pathlib import Path

from paddle_tasks import (
    baseline,
    check_data,
    evaluate,
    inspect,
    load,
    params,
    pipeline,
    predict,
    report,
    sweep,
    train,
    verify,
)

CONFIG = "configs/quick/sentiment.yaml"
FEW_STEPS = {"max_steps": 4}


def worst(folder: Path) -> list[str]:
    """Return the labels that a run predicts for some texts."""
    return [str(record["label"]) for record in load(folder)(["太吵了", "服务很好"], batch_size=1)]


data = check_data("sentiment", {"train": "builtin/sentiment", "dev": Path("builtin/sentiment")})
run = train(CONFIG, run_dir="runs/mine", progress=False, training=FEW_STEPS)
tfidf = baseline(CONFIG, run_dir="runs/mine-baseline", options={"features": "char"})
scores = evaluate(run.folder, split="dev")
print(data["rows"], run, f"TF-IDF: {tfidf.result['test']['accuracy']:.4f}", scores["metrics"]["accuracy"], sep="\n")
print(len(run.predictions), len(run.errors), run.scores, worst(run.folder), sep="\n")

record = predict("builtin/sentiment", "房间干净，就是早餐太差了", top_k=1)
print(record["label"], f"{record['score']:.2f}", record.to_html(full_page=True)[:15])
for filled in pipeline("fill-mask")(["今天天气真[MASK]。"], top_k=2):
    print([candidate["sequence"] for candidate in filled["masks"][0]["candidates"]])

states = inspect("builtin/ernie-mini-zh", "天气真好")["hidden_states"]
print(params("lstm", inputs=4, hidden=5).measured, params("gru").count, states.shape)
print(verify(run.folder).differences)
done = sweep(
    CONFIG, seeds=[1], grid={"model.dropout": [0.1]}, run_dir="runs/mine-sweep", progress=False, training=FEW_STEPS
)
print(done, report(["runs/mine", done.folder]).markdown, sep="\n")
