"""A model's layers as a VisualDL graph file.

`LogWriter.add_graph` fails on Paddle 3, because it looks for a file that Paddle 3 does not write. VisualDL 2.5.3 reads
(component/graph and reader/graph_reader.py there) JSON with nodes by path, the input and output variables of each node,
and a list of these variables. Here every layer is a node. Layers without sublayers are connected in the order in which
the model defines them, so the arrows show that order and not the data flow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from paddle import Tensor, nn

ROOT = "/"
_INPUT, _OUTPUT = "/input", "/output"


def build_graph(model: nn.Layer) -> dict[str, Any]:
    """Return the content of a graph file: a model's layers, their settings and the shapes of their weights."""
    layers = {f"/{name.replace('.', '/')}": layer for name, layer in model.named_sublayers() if name}
    layers = layers or {f"/{type(model).__name__}": model}
    # Found by path: a sublayer that the model uses in two places is listed under one of them only.
    inner = {path for path in layers if any(other.startswith(f"{path}/") for other in layers)}
    leaves = [_INPUT, *(path for path in layers if path not in inner), _OUTPUT]
    nodes = [_layer_node(path, layer, leaves) for path, layer in layers.items()]
    ends = [
        _end_node(_INPUT, "feed", {}, {"X": [_link(_INPUT)]}),
        _end_node(_OUTPUT, "fetch", {"X": [_link(leaves[-2])]}, {}),
    ]
    root = _node(ROOT, type(model).__name__, is_leaf=False)
    nodes = [root, *ends, *nodes]
    _add_children(nodes)
    weights = [_weight(path, name, value) for path, layer in layers.items() for name, value in _direct_weights(layer)]
    links = [_variable(_link(source), source, [target]) for source, target in pairwise(leaves)]
    return {"version": "1.0.0", "nodes": nodes, "vars": [*links, *weights], "edges": _edges(leaves)}


def _layer_node(path: str, layer: nn.Layer, leaves: Sequence[str]) -> dict[str, Any]:
    inside = [leaf for leaf in leaves if leaf == path or leaf.startswith(f"{path}/")]
    node = _node(path, type(layer).__name__, is_leaf=inside == [path])
    parameters = list(layer.parameters())
    settings = {
        "settings": ("STRING", str(layer.extra_repr())),
        "parameters": ("LONG", sum(math.prod(parameter.shape) for parameter in parameters)),
        "trained": ("BOOL", any(not parameter.stop_gradient for parameter in parameters)),
    }
    node["attrs"] = {name: value for name, (_, value) in settings.items()}
    node["attr_types"] = {name: kind for name, (kind, _) in settings.items()}
    node["input_vars"] = {"X": [_link(leaves[leaves.index(inside[0]) - 1])]}
    node["input_vars"] |= {name: [f"{path}.{name}"] for name, _ in _direct_weights(layer)}
    node["output_vars"] = {"Y": [_link(inside[-1])]}
    return node


def _direct_weights(layer: nn.Layer) -> list[tuple[str, Tensor]]:
    return list(layer.named_parameters(include_sublayers=False))


def _end_node(path: str, kind: str, inputs: dict[str, list[str]], outputs: dict[str, list[str]]) -> dict[str, Any]:
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


def _add_children(nodes: Sequence[dict[str, Any]]) -> None:
    by_name = {node["name"]: node for node in nodes}
    for node in nodes:
        if node["parent_node"]:
            by_name[node["parent_node"]]["children_node"].append(node["name"])


def _link(path: str) -> str:
    """Return the name of the variable that connects a node to the next one."""
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
    return [
        {"from_node": source, "to_node": target, "vars": [_link(source)], "label": ""}
        for source, target in pairwise(leaves)
    ]
