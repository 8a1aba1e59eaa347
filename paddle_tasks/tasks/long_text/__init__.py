"""Long texts: labels for texts longer than an encoder reads."""

from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.training.demonstration import Demonstration

__all__ = ["DEMONSTRATION", "SUMMARY_METRICS", "TABLE_METRICS"]

DEMONSTRATION = Demonstration(
    "label",
    (
        "约球上这里！羽毛球、篮球、网球场馆在线订场，附近球友按水平匹配。",
        "海量商家：正餐、快餐、夜宵、饮品，骑手全城配送，送达时间写得清清楚楚。",
    ),
)
