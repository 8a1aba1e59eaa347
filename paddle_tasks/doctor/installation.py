"""Checks of what is installed: Python, Paddle, PaddleNLP, the other libraries and their versions."""

from __future__ import annotations

import re
import sys

from paddle_tasks.doctor.finding import Finding, fail, ok, warn
from paddle_tasks.doctor.probe import Answer
from paddle_tasks.doctor.requirements import (
    KNOWN_FAILURES,
    NLP_STACK,
    REQUIREMENTS,
    TOLERATED_PADDLENLP,
    installed,
    lock_install,
    pip_install,
    ranges,
    satisfies,
)

# Importing paddle_tasks first sets the environment of a real run; the tensor work shows that the device computes.
PADDLE_PROBE = """
try:
    import paddle_tasks
except Exception as error:
    report(unprepared=f"{type(error).__name__}: {error}")
import paddle
report(
    version=paddle.__version__,
    cuda=paddle.version.cuda() if paddle.is_compiled_with_cuda() else None,
    threads=os.environ.get("OMP_NUM_THREADS"),
    dispatch=os.environ.get("MKL_DEBUG_CPU_TYPE"),
)
gpus = range(paddle.device.cuda.device_count())
report(device=paddle.device.get_device(), gpus=[paddle.device.cuda.get_device_name(gpu) for gpu in gpus])
weight = paddle.ones([8, 8])
weight.stop_gradient = False
paddle.matmul(weight, weight).sum().backward()
report(gradient=float(weight.grad.sum()))
"""
PROBE_GRADIENT = 1024.0  # of the sum of W·W with W = ones: 8 + 8 in each of the 64 places

PADDLENLP_PROBE = """
import paddlenlp
report(version=paddlenlp.__version__)
"""

# Module name: distribution name.
LIBRARIES = {
    "visualdl": "visualdl",
    "numpy": "numpy",
    "yaml": "pyyaml",
    "pydantic": "pydantic",
    "typer": "typer",
    "rich": "rich",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "sklearn": "scikit-learn",
    "seqeval": "seqeval",
}

LIBRARIES_PROBE = f"""
import importlib
broken = {{}}
for name in {list(LIBRARIES)}:
    report(importing=name)
    try:
        importlib.import_module(name)
    except Exception as error:
        broken[name] = f"{{type(error).__name__}}: {{error}}"
        report(broken=broken)
"""

# Read back what was written: a writer that drops records is as bad as one that raises.
VISUALDL_PROBE = """
import pathlib, tempfile, visualdl
with tempfile.TemporaryDirectory() as folder:
    with visualdl.LogWriter(logdir=folder) as writer:
        writer.add_scalar("doctor/loss", 0.5, 3)
    [log] = pathlib.Path(folder).glob("*vdlrecords*")
    records = visualdl.LogReader(file_path=str(log)).get_data("scalar", "doctor/loss")
    report(records=[[record.id, record.value] for record in records])
"""

_LOCKED = ("paddlepaddle", "paddlepaddle-gpu", "visualdl", *NLP_STACK)


def gpu_install() -> str:
    """Return how to put the GPU build in place of whatever build is there (its wheels depend on the CUDA version)."""
    return (
        "python -m pip uninstall -y paddlepaddle paddlepaddle-gpu, then install paddlepaddle-gpu"
        + REQUIREMENTS["paddlepaddle"]
        + " with the command that PaddlePaddle's install page gives for your CUDA version"
    )


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Check that Python is one that Paddle and PaddleNLP have wheels for."""
    found = ".".join(map(str, version))
    if (3, 10) <= version < (3, 13):
        return ok("python", found)
    fix = "make an environment with a supported Python: python3.11 -m venv .venv"
    return fail("python", f"{found}; expected 3.10, 3.11 or 3.12", fix)


def check_paddle(answer: Answer, machine_gpus: list[str]) -> Finding:
    """Check that Paddle can be imported and that no second wheel has overwritten its files."""
    wheels = {name: installed(name) for name in ("paddlepaddle", "paddlepaddle-gpu")}
    names = [f"{name} {version}" for name, version in wheels.items() if version]
    on_gpu = bool(machine_gpus or wheels["paddlepaddle-gpu"])
    version = answer.facts.get("version")
    if len(names) == len(wheels):
        cpu_fix = "python -m pip uninstall -y paddlepaddle paddlepaddle-gpu && " + pip_install("paddlepaddle")
        broken = "" if version else f"; import paddle fails: {answer.error}"
        message = f"{' and '.join(names)} are both installed and overwrite each other's files{broken}"
        return (warn if version else fail)("paddle", message, gpu_install() if machine_gpus else cpu_fix)
    if version:
        return ok("paddle", f"{version} ({', '.join(names) or 'no wheel'})")
    if not names:
        gpu_hint = f"; for the GPU: {gpu_install()}" if machine_gpus else ""
        return fail("paddle", f"no wheel is installed: {answer.error}", pip_install("paddlepaddle") + gpu_hint)
    # numpy is named because reinstalling the dependencies would otherwise bring numpy 2.
    reinstall = pip_install("paddlepaddle", "numpy", options="--force-reinstall")
    return fail("paddle", f"{names[0]} cannot be imported: {answer.error}", gpu_install() if on_gpu else reinstall)


def check_paddlenlp(answer: Answer, paddle: Answer) -> Finding:
    """Check that PaddleNLP can be imported and is a release that this project was proven with."""
    version = answer.facts.get("version")
    if answer.error is None:
        return _check_paddlenlp_version(str(version))
    if "version" not in paddle.facts:
        return fail("paddlenlp", "not examined, since it needs paddle", "mend paddle first")
    if answer.error == "ModuleNotFoundError: No module named 'paddlenlp'":
        return fail("paddlenlp", "not installed", pip_install(*NLP_STACK))
    for known in KNOWN_FAILURES:
        if re.search(known.trace, answer.trace):
            return fail("paddlenlp", f"cannot be imported: {known.message}", known.fix)
    # The lock holds the CPU wheel, which would overwrite a GPU one.
    fix = pip_install(*NLP_STACK) if installed("paddlepaddle-gpu") else lock_install()
    return fail("paddlenlp", f"cannot be imported: {answer.error}", fix)


def _check_paddlenlp_version(version: str) -> Finding:
    if satisfies(version, REQUIREMENTS["paddlenlp"]):
        return ok("paddlenlp", version)
    proof = "works, with less proof" if version == TOLERATED_PADDLENLP else "not proven here"
    message = f"{version} ({proof}); expected {REQUIREMENTS['paddlenlp'].lstrip('=')}"
    return warn("paddlenlp", message, pip_install(*NLP_STACK))


def check_libraries(answer: Answer) -> Finding:
    """Check that the other libraries can be imported."""
    broken: dict[str, str] = dict(answer.facts.get("broken", {}))
    if answer.error is not None:  # a crash or a hang, in the last module that was named
        broken[answer.facts.get("importing", next(iter(LIBRARIES)))] = answer.error
    if not broken:
        return ok("libraries", f"all {len(LIBRARIES)} can be imported")
    message = "; ".join(f"{module}: {error}" for module, error in broken.items())
    names = [LIBRARIES[module] for module in broken]
    # pip leaves an installed library alone, however broken, unless it is forced.
    options = "--force-reinstall --no-deps" if all(map(installed, names)) else ""
    return fail("libraries", f"cannot be imported: {message}", pip_install(*names, options=options))


def check_versions() -> Finding:
    """Compare the installed versions of the fragile distributions with the proven ranges."""
    versions = {name: version for name in _LOCKED if (version := installed(name))}
    if not versions:
        return warn("versions", f"none installed of {', '.join(_LOCKED)}", lock_install())
    expected = ranges(versions.get("paddlenlp"))
    expected["paddlepaddle-gpu"] = expected["paddlepaddle"]
    wrong = [name for name, version in versions.items() if not satisfies(version, expected[name])]
    if not wrong:
        return ok("versions", ", ".join(f"{name} {version}" for name, version in versions.items()))
    message = ", ".join(f"{name} {versions[name]} (proven: {expected[name].lstrip('=')})" for name in wrong)
    # Beside a GPU wheel the CPU wheel is not mended but in the way, as the finding on paddle says.
    kept = {"paddlepaddle", "paddlepaddle-gpu"} if "paddlepaddle-gpu" in versions else set()
    by_pip = [name + expected[name] for name in wrong if name not in kept]
    command = "python -m pip install " + " ".join(f'"{text}"' for text in by_pip)
    fixes = [command] * bool(by_pip) + [gpu_install()] * bool(kept & set(wrong))
    return warn("versions", message, "; ".join(fixes))


def check_visualdl(answer: Answer) -> Finding:
    """Check that VisualDL writes a scalar and reads it back."""
    records = answer.facts.get("records")
    if answer.error is None and records == [[3, 0.5]]:
        return ok("visualdl", "writes a scalar and reads it back")
    if answer.error and answer.error.startswith(("OSError", "PermissionError", "FileNotFoundError")):
        return fail("visualdl", f"cannot write: {answer.error}", "export TMPDIR=FOLDER, with a folder you may write to")
    found = answer.error or f"wrote [[3, 0.5]], read back {records}"
    return fail("visualdl", f"cannot log: {found}", pip_install("visualdl", options="--force-reinstall --no-deps"))
