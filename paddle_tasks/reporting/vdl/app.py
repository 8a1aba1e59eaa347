"""The server process of the dashboard: VisualDL's application, with our `answers` and our changes to its pages.

VisualDL's functions are replaced in this process only, before its application is made. They are called one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import visualdl.server.app as visualdl_app
from visualdl.server import lib
from visualdl.server.args import ParseArgs, parse_args
from visualdl.server.template import Template
from visualdl.utils.string_util import decode_tag
from werkzeug.serving import WSGIRequestHandler, make_server

from paddle_tasks.figures.learning import is_baseline
from paddle_tasks.operating_system import take_over
from paddle_tasks.reporting.vdl import answers
from paddle_tasks.reporting.vdl.frontend import change_file
from paddle_tasks.reporting.vdl.request_checks import allowed_hosts, answer_wrong_requests, check_hosts

LogReader = Any
"""`visualdl.reader.reader.LogReader`: the records of all runs, and the names of runs by folder and the reverse."""

_KINDS = ("scalar", "image", "text", "histogram", "pr_curve", "roc_curve")
"""The kinds of records whose pages list runs and tags."""

_SCORES = ("dev/", "test/")


def main(handed_over: str) -> None:
    """Serve on a listening socket; VisualDL's options are the arguments of the process.

    Args:
        handed_over: what the parent has written for `take_over`.
    """
    # VisualDL's own start looks for a free port first, and another program could take it in between.
    listener = take_over(handed_over)
    args = ParseArgs(**parse_args())
    app = create_app(args)
    make_server(args.host, args.port, app, request_handler=_Handler, fd=listener.fileno()).serve_forever()


class _Handler(WSGIRequestHandler):
    # As in VisualDL, requests are answered one at a time: a client that sends nothing must not block the others.
    timeout = 3.0  # seconds to read a request; the answer may take longer

    def run_wsgi(self) -> None:
        self.connection.settimeout(None)
        super().run_wsgi()


def create_app(args: ParseArgs) -> Any:
    """Return VisualDL's application with our answers and changes."""
    visualdl_app.get_component_tabs = _wrap_tabs(visualdl_app.get_component_tabs)
    Template.render = _wrap_render(Template.render)
    for kind in _KINDS:
        name = f"get_{kind}_tags"
        setattr(lib, name, _wrap_listing(getattr(lib, name)))
    lib.get_scalar_tags = _wrap_scalar_listing(lib.get_scalar_tags)
    lib.get_scalar = _wrap_scalar(lib.get_scalar)
    lib.get_embeddings_list = _wrap_vectors(lib.get_embeddings_list)
    lib.get_hparam_list = _wrap_trials(lib.get_hparam_list)
    lib.get_hparam_indicator = _wrap_settings(lib.get_hparam_indicator)
    app = visualdl_app.create_app(args)
    answer_wrong_requests(app)
    app.wsgi_app = check_hosts(app.wsgi_app, allowed_hosts(args.host, args.public_path))
    return app


# ---- the pages


def _wrap_tabs(get_tabs: Callable[..., tuple[str, Any, Any]]) -> Callable[..., tuple[str, Any, Any]]:
    def get_ordered_tabs(*apis: Any, **options: Any) -> tuple[str, Any, Any]:
        content, mimetype, headers = get_tabs(*apis, **options)
        answer = json.loads(content)
        return json.dumps({**answer, "data": answers.order_tabs(answer["data"] or ())}), mimetype, headers

    return get_ordered_tabs


def _wrap_render(render: Callable[[Template, str], Any]) -> Callable[[Template, str], Any]:
    def render_changed(self: Template, file: str) -> Any:
        response = render(self, file)
        if not response.direct_passthrough:  # pictures and fonts
            response.set_data(change_file(file, response.get_data(as_text=True)))
        return response

    return render_changed


# ---- runs and tags


def _wrap_listing(get_tags: Callable[[LogReader], answers.Listing]) -> Callable[[LogReader], answers.Listing]:
    def get_ordered_tags(reader: LogReader) -> answers.Listing:
        reader.load_new_data()
        return answers.list_runs(get_tags(reader), [_name_of(reader, run) for run in reader.runs()])

    return get_ordered_tags


def _name_of(reader: LogReader, folder: str) -> str:
    return str(reader.tags2name.get(folder, folder))


def _wrap_scalar_listing(get_tags: Callable[[LogReader], answers.Listing]) -> Callable[[LogReader], answers.Listing]:
    def get_varying_tags(reader: LogReader) -> answers.Listing:
        def values_of(run: str, tag: str) -> Iterable[float]:
            return (record.value for record in _scalars(reader, run, tag))

        return answers.leave_out_constants(get_tags(reader), values_of, _compared_scores(reader))

    return get_varying_tags


def _scalars(reader: LogReader, run: str, tag: str) -> Sequence[Any]:
    """Return the records of a scalar; none if the run does not have it."""
    scalars, folder = reader.data_manager.get_reservoir("scalar"), reader.name2tags.get(run, run)
    known = scalars.exist_in_keys(folder, decode_tag(tag))
    return scalars.get_items(folder, decode_tag(tag)) if known else ()


def _compared_scores(reader: LogReader) -> set[str]:
    """Return the tags of the scores that the page of hyper-parameters compares."""
    settings = reader.data_manager.get_reservoir("hyper_parameters")
    records = [record for key in settings.keys for record in settings.get_items(*key.rsplit("/", 1))]
    return {metric.name for record in records for metric in record.hparam.metricInfos}


# ---- points


def _wrap_scalar(
    get_scalar: Callable[[LogReader, str, str], list[answers.Point]],
) -> Callable[[LogReader, str, str], list[answers.Point]]:
    def get_scalar_or_level(reader: LogReader, run: str, tag: str) -> list[answers.Point]:
        points = get_scalar(reader, run, tag)
        tags = lib.get_logs(reader, "scalar")
        own_tags = dict(zip(tags["runs"], tags["tags"], strict=True)).get(run, ())
        if not tag.startswith(_SCORES) or not is_baseline(own_tags):
            return points
        return answers.as_level(points, max(_last_step(reader, other, tag) for other in tags["runs"]))

    return get_scalar_or_level


def _last_step(reader: LogReader, run: str, tag: str) -> int:
    return max((int(record.id) for record in _scalars(reader, run, tag)), default=0)


# ---- vectors and hyper-parameters


def _wrap_vectors(get_vectors: Callable[[LogReader], list[dict[str, Any]]]) -> Callable[[LogReader], list[Any]]:
    def get_all_vectors(reader: LogReader) -> list[dict[str, Any]]:
        reader.load_new_data()
        lib.EMBEDDING_NAME.clear()  # VisualDL would answer its first list again, without the runs since then
        lib.embedding_names.clear()
        vectors = [{**each, "label": _label_of(reader, each["name"])} for each in get_vectors(reader)]
        return sorted(vectors, key=lambda each: answers.natural_key(each["label"]))

    return get_all_vectors


def _label_of(reader: LogReader, name: str) -> str:
    """Return run and tag of vectors, which the page shows instead of the folder and the tag."""
    source = lib.EMBEDDING_NAME[name]
    return f"{_name_of(reader, source['run'])}/{source['tag']}"


def _wrap_trials(get_trials: Callable[[LogReader], list[dict[str, Any]]]) -> Callable[[LogReader], list[Any]]:
    def get_named_trials(reader: LogReader) -> list[dict[str, Any]]:
        return [{**trial, "name": _name_of(reader, trial["name"])} for trial in get_trials(reader)]

    return get_named_trials


def _wrap_settings(get_settings: Callable[[LogReader], dict[str, Any]]) -> Callable[[LogReader], dict[str, Any]]:
    def get_varying_settings(reader: LogReader) -> dict[str, Any]:
        return answers.choose_settings(get_settings(reader), lib.get_hparam_list(reader))

    return get_varying_settings
