"""Serve a model by LitServe, with the records and the request of `paddle-tasks serve`, as its peer.

python benchmarks/peers/serve_litserve.py sentiment --port 8041

LitServe collects the requests that arrive within a time, and calls the model with all of them in a process of its own.
"""

from __future__ import annotations

import argparse
from typing import Any

import litserve


class PipelineAPI(litserve.LitAPI):  # type: ignore[misc]
    """Predicts by `paddle_tasks.pipeline`."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(api_path="/v1/predict", **options)
        self._name = name

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the model in the process that computes."""
        from paddle_tasks import pipeline

        self._pipeline = pipeline(self._name)
        self._pipeline(["很好"])

    def decode_request(self, request) -> str:  # type: ignore[no-untyped-def]  # LitServe reads the annotation
        """Return the text of a request."""
        return str(request["texts"])

    def predict(self, texts: list[str] | str) -> list[dict[str, Any]] | dict[str, Any]:
        """Return a record for each text."""
        return [dict(record) for record in self._pipeline(texts)] if isinstance(texts, list) else self._pipeline(texts)

    def encode_response(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of a record."""
        return {"model": self._name, "records": [dict(record)]}


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a shipped model or a run folder")
    parser.add_argument("--port", type=int, default=8041)
    parser.add_argument("--batch-size", type=int, default=1, help="the largest batch; 1 computes each request alone")
    parser.add_argument("--batch-timeout", type=float, default=0.005, help="seconds to wait for a full batch")
    chosen = parser.parse_args()
    batching = {"batch_timeout": chosen.batch_timeout} if chosen.batch_size > 1 else {}
    api = PipelineAPI(chosen.model, max_batch_size=chosen.batch_size, **batching)
    server = litserve.LitServer(api, accelerator="cpu", devices=1)
    server.run(host="127.0.0.1", port=chosen.port, generate_client_file=False)


if __name__ == "__main__":
    main()
