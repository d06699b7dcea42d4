"""What holds for the package as a whole: floors, signatures, speed of imports, messages."""

import ast
import graphlib
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "deephar"

FLOORS = [
    "skeletons geometry camera metrics files video visualize errors examples progress startup "
    "version",
    "layers losses models",
    "weights",
    "export",
    "data",
    "inference",
    "evaluation",
    "training",
    "cli",
    "__main__",
]
"""From the bottom up: a module imports from its own floor and from those below."""

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}

FOREIGN = {("data", "models"), ("data", "weights")}
"""What a room must not import, although it is below."""

MODELS = ("layers", "losses", "metrics", "models")
"""Their parameters follow Keras and the papers."""

KERAS_METHODS = ("HeatMapTraining.compute_loss",)
"""Elsewhere: methods with the parameters of the Keras methods that they replace."""


def imported_by(statement):
    """Top-level modules in a fresh process after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def seconds(statement):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def test_importing_deephar_takes_hardly_longer_than_numpy():
    rounds = [(seconds("import deephar"), seconds("import numpy")) for _ in range(3)]
    assert min(ours - numpy for ours, numpy in rounds) < 0.2


@pytest.mark.parametrize("module", ["deephar.skeletons", "deephar.geometry", "deephar.metrics"])
def test_the_lowest_floor_is_numpy_only(module):
    heavy = {"keras", "tensorflow", "cv2", "scipy", "matplotlib", "h5py"}
    assert not imported_by(f"import {module}") & heavy


def test_reading_a_data_set_needs_no_network_library():
    assert not imported_by("from deephar.data import MPII, LSP") & {"keras", "tensorflow"}


def test_openvino_tells_nobody_that_it_is_used_once_deephar_is_imported():
    assert "openvino_telemetry" in imported_by(
        "import deephar; assert sys.modules['openvino_telemetry'] is None"
    )


# --- messages of TensorFlow


def errors_of(statements, **variables):
    """Standard error of a fresh process in which the user has set nothing but these variables."""
    unset = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    result = subprocess.run(
        [sys.executable, "-c", statements],
        capture_output=True,
        text=True,
        env={**environment, **variables},
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


WITHOUT_SKLEARN = "import sys; sys.modules['sklearn'] = None"
"""Keras would import it, which takes a second."""


def test_a_prediction_and_a_child_process_print_no_messages_of_tensorflow():
    fields = "stem='vgg16-narrow', image_size=64, stem_features=8, num_pyramids=1, num_levels=2"
    predict = (
        "import numpy as np; from deephar import Predictor; "
        f"from deephar.models import ModelConfig, build_model; config = ModelConfig({fields}); "
        "predictor = Predictor.from_model(build_model(config), config); "
        "predictor(np.zeros((64, 64, 3), np.uint8), box=(0, 0, 63, 63))"
    )
    child = (
        "import subprocess; subprocess.run([sys.executable, '-c', 'import deephar, tensorflow'])"
    )
    assert errors_of(f"{WITHOUT_SKLEARN}; {predict}; {child}") == ""


def test_messages_are_kept_if_the_user_has_set_a_level():
    loud = "import os, deephar, tensorflow; assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '0'"
    assert "oneDNN" in errors_of(loud, TF_CPP_MIN_LOG_LEVEL="0")


@pytest.mark.parametrize("fails", [False, True])
def test_only_log_lines_are_dropped_and_none_of_a_failed_import(tmp_path, fails):
    (tmp_path / "tensorflow.py").write_text(
        "import os, sys\n"
        "os.write(2, b'I0000 00:00:1.2 3 port.cc:153] oneDNN custom operations are on.\\n')\n"
        "print('a warning of Python', file=sys.stderr)\n" + ("1 / 0\n" if fails else "")
    )
    statements = (
        "import deephar, contextlib\n"
        "with contextlib.suppress(ZeroDivisionError):\n    import tensorflow"
    )
    lines = errors_of(statements, PYTHONPATH=f"{tmp_path}:{PACKAGE.parent}").splitlines()
    assert "a warning of Python" in lines
    assert len(lines) == 1 + fails


# --- imports


@cache
def trees():
    """Module name -> its syntax tree, of all modules of the package."""
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = ast.parse(path.read_text(encoding="utf-8"))
    return modules


def imports(nodes):
    """Names of the modules that import statements among the nodes name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in trees() else node.module


def room(module):
    """``"data"`` of ``"deephar.data.sets.mpii"``."""
    return module.split(".")[1]


def test_imports_only_run_down():
    wrong = []
    for module, tree in trees().items():
        if module == "deephar":  # the public face, which nothing inside imports
            continue
        for name in set(imports(ast.walk(tree))):
            if name.split(".")[0] == "deephar" and (
                name == "deephar"
                or FLOOR_OF[room(name)] > FLOOR_OF[room(module)]
                or (room(module), room(name)) in FOREIGN
            ):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_no_imports_are_circular():
    graph = {module: set(imports(tree.body)) & set(trees()) for module, tree in trees().items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1]
        pytest.fail(" <- ".join(circle) if len(circle) > 2 else f"{circle[0]} imports itself")


def test_arguments_are_parsed_only_in_cli():
    users = {module for module, tree in trees().items() if "argparse" in imports(ast.walk(tree))}
    assert {room(module) for module in users} == {"cli"}


def test_tensorflow_is_imported_for_its_strategy_alone():
    for module, tree in trees().items():
        statements = list(ast.walk(tree))
        if module == "deephar.training.devices":  # one function imports it, when it is called
            (lazy,) = (it for it in statements if getattr(it, "name", "") == "_mirrored")
            statements = set(statements) - set(ast.walk(lazy))
        roots = {name.split(".")[0] for name in imports(statements)}
        assert "tensorflow" not in roots, module


# --- signatures


def public_functions(nodes, owner=""):
    """(qualified name, node) of public functions, and of public methods of public classes."""
    for node in nodes:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{owner}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (
            not node.name.startswith("_") or node.name in ("__init__", "__call__")
        ):
            yield owner + node.name, node


def positional_parameters(function):
    """All but ``self``."""
    parameters = function.args.posonlyargs + function.args.args
    return [parameter for parameter in parameters if parameter.arg not in ("self", "cls")]


def parameter_faults(function):
    """What is wrong with the number and the order of parameters, as texts."""
    positional = positional_parameters(function)
    count = len(positional) + len(function.args.kwonlyargs)
    if count > 7:
        yield f"has {count} parameters"
    first_optional = len(positional) - len(function.args.defaults)
    for parameter in positional[max(2, first_optional) :]:
        yield f"{parameter.arg} must be keyword-only"


def annotation_faults(function):
    """What has no annotation, as texts."""
    for parameter in positional_parameters(function) + function.args.kwonlyargs:
        if parameter.annotation is None:
            yield f"{parameter.arg} has no annotation"
    if function.returns is None and function.name != "__init__":
        yield "has no return annotation"


def faults(find, exempt=()):
    """The faults of all public functions, but for those that are exempt, or whose room is."""
    return [
        f"{module}, {name}: {fault}"
        for module, tree in trees().items()
        if module == "deephar" or room(module) not in exempt
        for name, function in public_functions(tree.body)
        if name not in exempt
        for fault in find(function)
    ]


def test_public_functions_take_few_parameters_and_options_by_keyword():
    assert faults(parameter_faults, exempt=MODELS + KERAS_METHODS) == []


def test_public_functions_are_annotated():
    assert faults(annotation_faults) == []
