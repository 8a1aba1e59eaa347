"""A model's layers in the form of VisualDL's graph files, whose own way to them fails on Paddle 3.

`LogWriter.add_graph` looks for a file that Paddle 3 no longer writes. What VisualDL 2.5.3 reads (component/graph and
reader/graph_reader.py there) is JSON: nodes by path, with the variables that go in and out, and these variables. Here
every layer is a node, and those without layers of their own are joined one after another in the order in which the
model defines them: the arrows are that order, not the way of the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from paddle import Tensor, nn

ROOT = "/"
_INPUT, _OUTPUT = "/input", "/output"


def graph_of(model: nn.Layer) -> dict[str, Any]:
    """Return a model's layers, their settings and the shapes of their weights, as a graph file holds them."""
    layers = {f"/{name.replace('.', '/')}": layer for name, layer in model.named_sublayers() if name}
    layers = layers or {f"/{type(model).__name__}": model}
    # By path: parts that stand elsewhere too are named there alone.
    inner = {path for path in layers if any(other.startswith(f"{path}/") for other in layers)}
    leaves = [_INPUT, *(path for path in layers if path not in inner), _OUTPUT]
    nodes = [_layer_node(path, layer, leaves) for path, layer in layers.items()]
    ends = [_end(_INPUT, "feed", {}, {"X": [_link(_INPUT)]}), _end(_OUTPUT, "fetch", {"X": [_link(leaves[-2])]}, {})]
    root = _node(ROOT, type(model).__name__, is_leaf=False)
    nodes = [root, *ends, *nodes]
    _name_children(nodes)
    weights = [_weight(path, name, value) for path, layer in layers.items() for name, value in _own(layer)]
    links = [_variable(_link(before), before, [after]) for before, after in pairwise(leaves)]
    return {"version": "1.0.0", "nodes": nodes, "vars": [*links, *weights], "edges": _edges(leaves)}


def _layer_node(path: str, layer: nn.Layer, leaves: Sequence[str]) -> dict[str, Any]:
    within = [leaf for leaf in leaves if leaf == path or leaf.startswith(f"{path}/")]
    node = _node(path, type(layer).__name__, is_leaf=within == [path])
    parameters = list(layer.parameters())
    settings = {
        "settings": ("STRING", str(layer.extra_repr())),
        "parameters": ("LONG", sum(math.prod(parameter.shape) for parameter in parameters)),
        "trained": ("BOOL", any(not parameter.stop_gradient for parameter in parameters)),
    }
    node["attrs"] = {name: value for name, (_, value) in settings.items()}
    node["attr_types"] = {name: kind for name, (kind, _) in settings.items()}
    node["input_vars"] = {"X": [_link(leaves[leaves.index(within[0]) - 1])]}
    node["input_vars"] |= {name: [f"{path}.{name}"] for name, _ in _own(layer)}
    node["output_vars"] = {"Y": [_link(within[-1])]}
    return node


def _own(layer: nn.Layer) -> list[tuple[str, Tensor]]:
    return list(layer.named_parameters(include_sublayers=False))


def _end(path: str, kind: str, inputs: dict[str, list[str]], outputs: dict[str, list[str]]) -> dict[str, Any]:
    return {**_node(path, kind, is_leaf=True), "input_vars": inputs, "output_vars": outputs}


def _node(path: str, kind: str, *, is_leaf: bool) -> dict[str, Any]:
    return {
        "name": path,
        "show_name": path,
        "type": kind,
        "attrs": {},
        "attr_types": {},
        "input_vars": {},
        "output_vars": {},
        "parent_node": "" if path == ROOT else path.rpartition("/")[0] or ROOT,
        "children_node": [],
        "input_nodes": [],
        "output_nodes": [],
        "edge_input_nodes": [],
        "edge_output_nodes": [],
        "is_leaf_node": is_leaf,
    }


def _name_children(nodes: Sequence[dict[str, Any]]) -> None:
    known = {node["name"]: node for node in nodes}
    for node in nodes:
        if node["parent_node"]:
            known[node["parent_node"]]["children_node"].append(node["name"])


def _link(path: str) -> str:
    return "input" if path == _INPUT else f"{path[1:]}:out"


def _weight(path: str, name: str, value: Tensor) -> dict[str, Any]:
    weight = _variable(f"{path}.{name}", "", [path])
    dtype = str(value.dtype).removeprefix("paddle.")
    return {**weight, "shape": list(value.shape), "dtype": dtype, "persistable": True}


def _variable(name: str, source: str, targets: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "shape": [],
        "type": "LOD_TENSOR",
        "dtype": "",
        "value": [],
        "persistable": False,
        "attrs": {},
        "from_node": source,
        "to_nodes": list(targets),
    }


def _edges(leaves: Sequence[str]) -> list[dict[str, Any]]:
    return [{"from_node": one, "to_node": two, "vars": [_link(one)], "label": ""} for one, two in pairwise(leaves)]
