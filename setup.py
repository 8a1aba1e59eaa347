"""Package metadata; the exact, proven versions are in requirements/."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
CONFIGS = {"paddle_tasks.configs": "configs", "paddle_tasks.configs.quick": "configs/quick"}

setup(
    name="paddle_tasks",
    version="0.1.0",
    description="Chinese NLP course projects on PaddlePaddle: train, score and look at them, offline or on a GPU",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    # The wheel has the top-level folder of configurations inside the package.
    packages=[*find_packages(include=["paddle_tasks", "paddle_tasks.*"]), *CONFIGS],
    package_dir=dict(CONFIGS),
    package_data={
        **{name: ["*.yaml"] for name in CONFIGS},
        "paddle_tasks": [
            "py.typed",
            "assets/**/*",
            "locale/**/*.mo",
            "reporting/*.yaml",
            "reporting/html/templates/*",
            "workflows/*.html",
            "inference/service/page/*",
        ],
    },
    install_requires=[
        # paddlepaddle is an extra: on a GPU machine it would overwrite paddlepaddle-gpu.
        "paddlenlp==3.0.0b4",
        # What lets paddlenlp 3.0.0b4 be imported: newer hubs removed names it uses, pyarrow 22 needs numpy 2,
        # and older datasets use names that pyarrow 21 removed.
        "aistudio-sdk==0.2.6",
        "huggingface_hub<0.37",
        "datasets>=3",
        "pyarrow<22",
        "numpy<2",
        # Older ones need onnxoptimizer 0.3.13, which has no wheel for 3.12 and takes minutes to compile.
        "paddle2onnx>=2.1; python_version >= '3.12'",
        "visualdl==2.5.3",
        "pip",  # paddlenlp imports it, and environments made by uv have none
        "psutil>=5.9",
        "pyyaml>=6",
        "filelock>=4.1",
        "pydantic>=2.7",
        "typer>=0.15",
        "rich>=13",
        "safetensors>=0.4",
        "tqdm>=4.60",
        "tokenizers>=0.20",
        "scikit-learn>=1.3",
        "seqeval>=1.2.2",
        "sacrebleu>=2.4,<3",
        "jinja2>=3.1",
        "fastapi>=0.115",
        "uvicorn>=0.30",
    ],
    extras_require={
        "cpu": ["paddlepaddle==3.3.1"],
        "onnx": ["onnx>=1.15", "onnxruntime>=1.17"],  # export --format onnx
        "dev": [
            "babel>=2.12",  # the catalogue of messages
            "pytest>=8",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "nbclient>=0.10",  # executes notebooks in tests
            "nbformat>=5.9",
            "ipykernel>=6.29",
            "setuptools>=77",  # builds the package of docs/add-a-task.md in a test
            "ruff>=0.8",
            "mypy>=1.13",
            "types-PyYAML",
            "pre-commit>=4",
            "mkdocs>=1.6,<2",  # the site of docs/
            "mkdocs-material>=9.5,<10",
        ],
    },
    entry_points={"console_scripts": ["paddle-tasks = paddle_tasks.cli:main"]},
)
