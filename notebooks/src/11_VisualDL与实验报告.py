# %% [markdown]
# # 11 VisualDL 与实验报告
#
# **目标**：学会看训练曲线；用 VisualDL 比较实验；用多个随机种子说明“谁更好”；核对成绩；最后写出一份别人可以重现的实验报告。
#
# **用到的**：`train`、`baseline`、`sweep`、`verify`、`report`；命令行的 `dashboard`。

# %%
from course import check, config, show
from paddle_tasks import baseline, report, sweep, train, verify
from paddle_tasks.figures.learning import comparison, learning_curves
from paddle_tasks.figures.matrices import confusion_matrix
from paddle_tasks.figures.scores import bars
from paddle_tasks.files import read_json_lines

import pandas as pd

# %% [markdown]
# ## 1 一次训练留下了什么
#
# `metrics.jsonl` 是每一步的记录，`vdl/` 是 VisualDL 的日志，两者内容相同。标签的前缀说明来源：`train/`、`dev/`、`test/`、`system/`。

# %%
SHORT = {"training": {"max_steps": 60, "save_every_steps": 20}}
run = train(config("quick/sentiment"), **SHORT, run_dir="runs/11-cnn")
records = read_json_lines(run.folder / "metrics.jsonl")
print(len(records), "条记录，例如", {key: records[0][key] for key in ("step", "epoch", "tag")})
print("标签：", sorted({record["tag"] for record in records if record["tag"].startswith(("train", "dev"))})[:8])

# %%
show(learning_curves(records, metrics=("accuracy",)))

# %% [markdown]
# 怎样看曲线：
#
# - 训练损失不降：学习率太小，或者标签错了；忽上忽下、变成 nan：学习率太大；
# - 训练损失降、验证损失升：过拟合（见 04）；
# - 学习率先升后降：预热与衰减，训练稳定的常用办法。
#
# ## 2 VisualDL
#
# 在终端里运行，浏览器打开它给出的地址。日志损坏时，`dashboard` 会先修好再显示。
#
# ```bash
# paddle-tasks dashboard runs
# ```
#
# 在 Notebook 里也可以从 Python 启动（有的教程写 `%visualdl`，VisualDL 2.5 没有这个魔法命令）；在 AI Studio 上，还可以用左侧的可视化面板，把日志目录设为 `runs`：
#
# ```python
# from visualdl.server import app
# app.run(logdir="runs")
# ```
#
# 标量页比较曲线，PR/ROC 页看阈值，文本页看错误，高维页看句子向量，超参数页比较多次实验。下面不用启动服务，直接从预测结果画出其中的一张——混淆矩阵：

# %%
rows = run.predictions
table = pd.crosstab(rows["gold"], rows["predicted"])
show(confusion_matrix(table.to_numpy(), list(table.index), "验证集与测试集"))
assert table.to_numpy().sum() == len(rows)

# %% [markdown]
# ## 3 一次不算数：多个种子
#
# 换一个随机种子，分数就会变。两个模型只差一个百分点时，先问：这比种子的差别大吗？`sweep` 把每种设置用几个种子各训练一次，给出均值和标准差。中断了再运行同一格，会跳过已完成的。

# %%
swept = sweep(
    config("quick/sentiment"),
    seeds=[1, 2, 3],
    grid={"model.dropout": [0.1, 0.5]},
    training={"max_steps": 30},
    data={"test": None},
    logging={"detail": "light", "visualdl": False},
    run_dir="runs/11-sweep",
)
swept

# %%
points = {
    f"dropout {point['settings']['model.dropout']}": point["dev"]["accuracy"] for point in swept.summary["points"]
}
means, deviations = ([point[key] for point in points.values()] for key in ("mean", "deviation"))
show(bars(list(points), {"验证集正确率": means}, deviations={"验证集正确率": deviations}))

# %% [markdown]
# 图中的横线是标准差。两条横线大幅重叠，就不能说谁更好——这时诚实的结论是“没有看出差别”。
#
# ## 4 和谁比：基线与公开成绩

# %%
tfidf = baseline(config("quick/sentiment"), run_dir="runs/11-cnn-baseline")
show(comparison({"TextCNN": records, "TF-IDF": read_json_lines(tfidf.folder / "metrics.jsonl")}))
run

# %% [markdown]
# ## 5 核对
#
# 成绩写进报告之前，让程序用保存的权重和数据**重新算一遍**，与 `result.json` 逐项比较。

# %%
checked = verify(run.folder)
print(checked.differences or "全部一致")
assert not checked.differences

# %% [markdown]
# ## 6 报告
#
# 一份好的报告回答六个问题：做什么、用什么数据（多少行、从哪里来）、什么模型和设置、几个种子、成绩多少（**和基线比**）、错在哪里。前五个 `report` 都替你列好了；第六个要自己读 `errors.jsonl`。

# %%
report([run.folder, tfidf.folder])

# %%
run.errors[["gold", "predicted", "text"]].head(3)

# %% [markdown]
# 导出成一个可以离线打开的网页、一组图片：
#
# ```bash
# paddle-tasks report runs/* --html report.html --png pictures
# ```
#
# ## 练习
#
# **11-1** 写出 `mean_and_deviation(scores)`：返回均值和**样本**标准差（除以 n − 1，因为只有几个种子）。


# %% tags=["exercise"]
def mean_and_deviation(scores):
    return ...


check("11-1", mean_and_deviation)

# %% [markdown]
# 答案在 [solutions/11_VisualDL与实验报告.py](solutions/11_VisualDL与实验报告.py)。
#
# **探索**
#
# 1. 用五个种子代替三个，标准差变小了吗？均值的误差呢？
# 2. 故意改动 `result.json` 里的一个数，再运行 `verify`，它说了什么？
# 3. 选最好的一轮用的是验证集。如果改用测试集来选，报告里的分数会怎样？为什么不可以？
# 4. 给 04 的四个模型写一页报告，按第 6 节的六个问题。
#
# ## 在 AI Studio 上
#
# ```bash
# paddle-tasks sweep configs/sentiment.yaml --seeds 1,2,3 --grid optimizer.learning_rate=1e-4,3e-4
# paddle-tasks report runs/* --html report.html --png pictures
# ```
#
# 完整的配置：

# %%
print(config("sentiment").read_text(encoding="utf-8"))

# %% [markdown]
# **延伸阅读**
#
# - Dodge 等，[Show Your Work: Improved Reporting of Experimental Results](https://arxiv.org/abs/1909.03004)
# - Dodge 等，[Fine-Tuning Pretrained Language Models: Weight Initializations, Data Orders, and Early Stopping](https://arxiv.org/abs/2002.06305)：种子的影响有多大
# - 本项目的[看板](../docs/zh/dashboard.md)与[批量实验与成绩表](../docs/zh/sweeps-and-reports.md)
