"""Other defaults for VisualDL's pages, by replacing small parts of its scripts when they are served.

VisualDL has no settings for these. Its files stay as they are installed. The parts are those of VisualDL 2.5.3, the
version that setup.py requires; a script that lacks a part is served without that change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from paddle_tasks.figures.canvas import COLOURS


class Change(NamedTuple):
    """A part of a script and what replaces it."""

    old: str
    new: str


_TRAIN_FIRST = Change(
    "const l=e.toUpperCase(),h=a.toUpperCase()",
    'const l=e==="train"?"":e.toUpperCase(),h=a==="train"?"":a.toUpperCase()',
)
_RAW_VALUES = Change(  # scores are shown as they were measured; the curves of training steps are smoothed
    "tag:p,smoothing:n,", "tag:p,smoothing:/^(dev|test)\\/|learning_rate/.test(p)?0:n,"
)
_EVALUATION_POINTS = Change("c:0)<=1", "c:0)<=(/^(dev|test)\\//.test(s)?25:1)")
_LATEST_STEP = Change(
    "C(()=>{const e=o=>{const Y=document",
    "C(()=>{a.length&&j(a.length-1)},[a.length]),C(()=>{const e=o=>{const Y=document",
)
_WIDER_RUN_NAME = Change("max-width: 50%;", "max-width: 68%;")
_TEXTS_BY_RUN = Change(
    "items:l,renderChart:i",
    "items:[...l].sort((q,w)=>[q,w].map(z=>o.findIndex(y=>y.label===z.run.label)).reduce((x,y)=>x-y)),renderChart:i",
)
_ONE_EVALUATION = Change(  # the axis of steps must not have the length 0; VisualDL thought only of step 0
    "p===0&&h===0?-.4:", "p===h?p-.4:"
)
_TITLE_IN_TWO_LINES = Change("`${x} (${s.label})`", "`${x}\\n${s.label}`")
_COLOURED_VECTORS = Change(  # by the first column that is not a single value, and not of more values than colours
    "ae(0),le(-1)",
    "ae(0),le(n.labels.findIndex(q=>q.type===pe.Value||q.type===pe.Category&&q.categories.length>1&&"
    "q.categories.length<=at.CATEGORY_COLOR_MAP.length))",
)
_DISTINCT_COLOURS = Change(  # VisualDL's first two are the same blue to most eyes
    '"#9BB9E8","#8BB8FF","#B4CCB7","#A8E9B8","#DB989A","#6DCDE4","#93C2CA","#DE7CCE","#DA96BC","#309E51"',
    ",".join(f'"{colour}"' for colour in COLOURS),
)
_WIDER_TRIAL_NAME = Change("width:200,sticky", "width:340,sticky")
_MISSING_TEXT = Change('u[t][s]=e[t][s]+""', 'u[t][s]=e[t][s]==null?"–":e[t][s]+""')
_MISSING_NUMBER = Change(
    'u[t][s]=Number.parseFloat(e[t][s]+"")+""', 'u[t][s]=e[t][s]==null?"–":Number.parseFloat(e[t][s]+"")+""'
)
_WHOLE_RUN_NAMES = Change(
    "</head>",
    "<style>.run-list label > div, .run-list .run-item { white-space: normal !important; "
    "overflow-wrap: anywhere !important } .run-item > i { flex: none }</style></head>",
)

CHANGES: Mapping[str, Sequence[Change]] = {
    "index.html": (_WHOLE_RUN_NAMES,),
    "_dist_/components/ChartPage.js": (_TRAIN_FIRST,),
    "_dist_/components/HyperParameterPage/TableView/Table.js": (_WIDER_TRIAL_NAME,),
    "_dist_/components/LineChart.js": (_EVALUATION_POINTS,),
    "_dist_/components/StackChart.js": (_ONE_EVALUATION,),
    "_dist_/components/HistogramPage/HistogramChart.js": (_TITLE_IN_TWO_LINES,),
    "_dist_/components/SamplePage/SampleChart.js": (_LATEST_STEP, _WIDER_RUN_NAME),
    "_dist_/components/ScatterChart/ScatterChart.js": (_DISTINCT_COLOURS,),
    "_dist_/pages/high-dimensional.js": (_COLOURED_VECTORS,),
    "_dist_/pages/sample/text.js": (_TEXTS_BY_RUN,),
    "_dist_/pages/scalar.js": (_RAW_VALUES,),
    "_dist_/resource/hyper-parameter/format.js": (_MISSING_TEXT, _MISSING_NUMBER),
}
"""The changes of each file, by its path below VisualDL's ``server/dist``."""


def change_file(name: str, content: str) -> str:
    """Return the content of one of VisualDL's files with its changes."""
    for change in CHANGES.get(name, ()):
        content = content.replace(change.old, change.new)
    return content
