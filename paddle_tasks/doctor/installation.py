"""Checks of the installed software: Python, Paddle, PaddleNLP, the other libraries and their versions."""

from __future__ import annotations

import re
import sys

from paddle_tasks.doctor.finding import Finding, fail, ok, warn
from paddle_tasks.doctor.home import HOME_FIX, comes_from_home
from paddle_tasks.doctor.probe import ProbeResult
from paddle_tasks.doctor.requirements import (
    KNOWN_FAILURES,
    NLP_STACK,
    REQUIREMENTS,
    TOLERATED_PADDLENLP,
    installed,
    lock_install,
    pip_install,
    satisfies,
    version_ranges,
)
from paddle_tasks.language import _, join, mark

# Importing paddle_tasks first sets the environment of a real run. The gradient shows that the device computes.
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
PROBE_GRADIENT = 1024.0  # the sum of the gradient of sum(W·W) for W = ones: 8 + 8 for each of the 64 elements

# A run on a CPU computes with what this probe finds.
ONEDNN_PROBE = """
from paddle_tasks.onednn import library, precision
dnn = library.get()
report(version=dnn.version if dnn else None, isa=dnn.isa if dnn else None, why_not=library.why_not())
report(precision=precision.automatic())
import numpy
from paddle_tasks.onednn.primitives import matmul
ones, result = numpy.ones((64, 64), "float32"), numpy.empty((64, 64), "float32")
if dnn:
    matmul(ones, ones, result)
    report(product=float(result.sum()))
"""
ONEDNN_PRODUCT = 64.0**3

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
    "filelock": "filelock",
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

# Records are read back: a writer may drop them without an error.
VISUALDL_PROBE = """
import pathlib, tempfile, visualdl
with tempfile.TemporaryDirectory() as folder:
    with visualdl.LogWriter(logdir=folder) as writer:
        writer.add_scalar("doctor/loss", 0.5, 3)
    [log] = pathlib.Path(folder).glob("*vdlrecords*")
    records = visualdl.LogReader(file_path=str(log)).get_data("scalar", "doctor/loss")
    report(records=[[record.id, record.value] for record in records])
"""

_AGAIN = mark(
    "run this again when the machine is less busy: the first import after an installation, or from a cold network "
    "disk, takes minutes; if it takes as long again, install into a new environment"
)
_LOCKED = ("paddlepaddle", "paddlepaddle-gpu", "visualdl", *NLP_STACK)


def gpu_install() -> str:
    """Return how to replace the installed build by the GPU build, whose wheels depend on the CUDA version."""
    message = _(
        "{uninstall}, then install {requirement} with the command that PaddlePaddle's install page gives for your CUDA "
        "version"
    )
    uninstall = "python -m pip uninstall -y paddlepaddle paddlepaddle-gpu"
    return message.format(uninstall=uninstall, requirement="paddlepaddle-gpu" + REQUIREMENTS["paddlepaddle"])


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Check that Paddle and PaddleNLP have wheels for this Python."""
    name = ".".join(map(str, version))
    if (3, 10) <= version < (3, 13):
        return ok("python", name)
    fix = _("create an environment with a supported Python: python3.11 -m venv .venv")
    return fail("python", _("{version}; expected 3.10, 3.11 or 3.12").format(version=name), fix)


def check_paddle(probe: ProbeResult, machine_gpus: list[str]) -> Finding:
    """Check that Paddle can be imported, and that only one of its two wheels is installed."""
    wheels = {name: installed(name) for name in ("paddlepaddle", "paddlepaddle-gpu")}
    names = [f"{name} {version}" for name, version in wheels.items() if version]
    on_gpu = bool(machine_gpus or wheels["paddlepaddle-gpu"])
    version = probe.facts.get("version")
    if len(names) == len(wheels):
        cpu_fix = "python -m pip uninstall -y paddlepaddle paddlepaddle-gpu && " + pip_install("paddlepaddle")
        message = _("{one} and {other} are both installed and overwrite each other's files")
        message = message.format(one=names[0], other=names[1])
        if not version:
            message += _("; import paddle fails: {error}").format(error=probe.error)
        return (warn if version else fail)("paddle", message, gpu_install() if machine_gpus else cpu_fix)
    if version:
        wheel = join(names) or _("no wheel")
        return ok("paddle", f"{version} ({wheel})")
    if not names:
        gpu_hint = _("; for the GPU: {command}").format(command=gpu_install()) if machine_gpus else ""
        message = _("no wheel is installed: {error}").format(error=probe.error)
        return fail("paddle", message, pip_install("paddlepaddle") + gpu_hint)
    if comes_from_home(probe.error):
        return fail("paddle", _home_problem(probe), _(HOME_FIX))
    if probe.timed_out:
        return fail("paddle", _("{name} is slow: {error}").format(name=names[0], error=probe.error), _(_AGAIN))
    # Without numpy in the command, reinstalling the dependencies would install numpy 2.
    reinstall = pip_install("paddlepaddle", "numpy", options="--force-reinstall")
    message = _("{name} cannot be imported: {error}").format(name=names[0], error=probe.error)
    return fail("paddle", message, gpu_install() if on_gpu else reinstall)


def _home_problem(probe: ProbeResult) -> str:
    return _("cannot write to HOME: {error}").format(error=probe.error)


def _import_problem(error: str | None) -> str:
    return _("cannot be imported: {error}").format(error=error)


def check_paddlenlp(probe: ProbeResult, paddle: ProbeResult) -> Finding:
    """Check that PaddleNLP can be imported and is a release that this project was tested with."""
    version = probe.facts.get("version")
    if probe.error is None:
        return _check_paddlenlp_version(str(version))
    if "version" not in paddle.facts:
        return fail("paddlenlp", _("not checked, since it needs paddle"), _("fix paddle first"))
    if probe.error == "ModuleNotFoundError: No module named 'paddlenlp'":
        return fail("paddlenlp", _("not installed"), pip_install(*NLP_STACK))
    if probe.timed_out:
        return fail("paddlenlp", _import_problem(probe.error), _(_AGAIN))
    for known in KNOWN_FAILURES:
        if re.search(known.trace, probe.trace):
            return fail("paddlenlp", _import_problem(_(known.message)), _(known.fix))
    if comes_from_home(probe.error):
        return fail("paddlenlp", _home_problem(probe), _(HOME_FIX))
    # The lock file has the CPU wheel, which would overwrite the GPU wheel.
    fix = pip_install(*NLP_STACK) if installed("paddlepaddle-gpu") else lock_install()
    return fail("paddlenlp", _import_problem(probe.error), fix)


def _check_paddlenlp_version(version: str) -> Finding:
    if satisfies(version, REQUIREMENTS["paddlenlp"]):
        return ok("paddlenlp", version)
    evidence = _("works, but less tested") if version == TOLERATED_PADDLENLP else _("not tested")
    message = _("{version} ({evidence}); expected {expected}")
    expected = REQUIREMENTS["paddlenlp"].lstrip("=")
    found = message.format(version=version, evidence=evidence, expected=expected)
    return warn("paddlenlp", found, pip_install(*NLP_STACK))


def check_libraries(probe: ProbeResult) -> Finding:
    """Check that the other libraries can be imported."""
    broken: dict[str, str] = dict(probe.facts.get("broken", {}))
    if probe.error is not None:  # a crash or a hang while importing the last reported module
        broken[probe.facts.get("importing", next(iter(LIBRARIES)))] = probe.error
    if not broken:
        return ok("libraries", _("all {count} can be imported").format(count=len(LIBRARIES)))
    message = "; ".join(f"{module}: {error}" for module, error in broken.items())
    if probe.timed_out:
        return fail("libraries", _import_problem(message), _(_AGAIN))
    names = [LIBRARIES[module] for module, error in broken.items() if not comes_from_home(error)]
    # Unless forced, pip does not reinstall a library, even a broken one.
    options = "--force-reinstall --no-deps" if all(map(installed, names)) else ""
    fixes = [_(HOME_FIX)] * (len(names) < len(broken)) + [pip_install(*names, options=options)] * bool(names)
    return fail("libraries", _import_problem(message), "; ".join(fixes))


def check_versions() -> Finding:
    """Compare the installed versions of fragile distributions with the tested ranges."""
    versions = {name: version for name in _LOCKED if (version := installed(name))}
    if not versions:
        return warn("versions", _("none installed of {names}").format(names=join(_LOCKED)), lock_install())
    expected = version_ranges(versions.get("paddlenlp"))
    expected["paddlepaddle-gpu"] = expected["paddlepaddle"]
    wrong = [name for name, version in versions.items() if not satisfies(version, expected[name])]
    if not wrong:
        return ok("versions", join([f"{name} {version}" for name, version in versions.items()]))
    message = join([_untested(name, versions[name], expected[name]) for name in wrong])
    # With a GPU wheel, pip must not install the CPU wheel; see the finding on paddle.
    kept = {"paddlepaddle", "paddlepaddle-gpu"} if "paddlepaddle-gpu" in versions else set()
    by_pip = [name + expected[name] for name in wrong if name not in kept]
    command = "python -m pip install " + " ".join(f'"{text}"' for text in by_pip)
    fixes = [command] * bool(by_pip) + [gpu_install()] * bool(kept & set(wrong))
    return warn("versions", message, "; ".join(fixes))


def _untested(name: str, version: str, expected: str) -> str:
    return _("{name} {version} (tested: {expected})").format(name=name, version=version, expected=expected.lstrip("="))


def check_visualdl(probe: ProbeResult) -> Finding:
    """Check that VisualDL can write a scalar and read it back."""
    records = probe.facts.get("records")
    if probe.error is None and records == [[3, 0.5]]:
        return ok("visualdl", _("writes a scalar and reads it back"))
    if comes_from_home(probe.error):
        return fail("visualdl", _home_problem(probe), _(HOME_FIX))
    if probe.error and probe.error.startswith(("OSError", "PermissionError", "FileNotFoundError")):
        message = _("cannot write: {error}").format(error=probe.error)
        return fail("visualdl", message, _("export TMPDIR=FOLDER, with a folder that you can write to"))
    problem = probe.error or _("wrote [[3, 0.5]], read back {records}").format(records=records)
    message = _("cannot log: {problem}").format(problem=problem)
    return fail("visualdl", message, pip_install("visualdl", options="--force-reinstall --no-deps"))
