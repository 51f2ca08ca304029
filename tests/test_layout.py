"""The packages know of each other only what the design lets them know, and all of them are shipped."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mobilevis

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]

# package → what of ours it may import, beside what is everyone's.
MAY_IMPORT = {
    "models": set(),
    "runtime": set(),
    "data": {"runtime"},
    "export": {"models", "runtime"},
    "training": {"models", "data"},
    "benchmarks.latency": {"runtime"},
    "benchmarks.accuracy": {"data", "runtime"},
    "benchmarks.cost": {"benchmarks.latency", "models"},
    "benchmarks.soak": {"benchmarks.latency", "runtime"},
    "cli": {"models", "runtime", "data", "export", "training", "benchmarks"},
}
SHARED = tuple(
    f"mobilevis.runtime.{module}" for module in ("arrays", "categories", "errors", "files", "reading")
)
TORCH = ("torch", "executorch")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package.replace(".", "/")).rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "mobilevis":
                yield from (f"mobilevis.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package):
    allowed = {package} | MAY_IMPORT[package]
    for file in modules(package):
        for name in imports(file):
            if not name.startswith("mobilevis.") or name in SHARED:
                continue
            owner = name.removeprefix("mobilevis.")
            assert any(owner == a or owner.startswith(f"{a}.") for a in allowed), (
                f"{file.relative_to(ROOT)} imports {name}"
            )


def test_the_procedural_set_is_entered_by_its_door():
    for file in [f for package in MAY_IMPORT for f in modules(package)]:
        if "data/synth" not in file.as_posix():
            inner = [name for name in imports(file) if name.startswith("mobilevis.data.synth.")]
            assert not inner, f"{file.relative_to(ROOT)} imports {inner}"


@pytest.mark.parametrize("package", ["runtime", "data"])
def test_torch_stays_out_of_what_runs_on_a_board(package):
    """ExecuTorch's own Python package needs torch; nothing else does."""
    for file in modules(package):
        if file.name == "executorch.py":
            continue
        for name in imports(file):
            assert name.split(".")[0] not in TORCH, f"{file.relative_to(ROOT)} imports {name}"


def test_the_runtime_runs_where_torch_is_not_installed():
    script = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['executorch'] = None\n"
        "import mobilevis.runtime.segmenter, mobilevis.runtime.streaming, mobilevis.runtime.sinks\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_command_line_starts_without_heavy_imports():
    """Help must not wait seconds for torch, nor need an extra."""
    script = (
        "import sys\nimport mobilevis.cli.main\n"
        "heavy = {'torch', 'cv2', 'onnx', 'onnxruntime', 'matplotlib', 'scipy', 'lap', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", mobilevis.__all__)
def test_the_front_door_leads_to_what_it_names(name):
    assert getattr(mobilevis, name) is not None
    assert name in dir(mobilevis)


def test_the_front_door_opens_without_heavy_imports():
    script = (
        "import sys\nimport mobilevis\nmobilevis.__version__, mobilevis.UserError\n"
        "heavy = {'torch', 'cv2', 'numpy', 'scipy', 'lap'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_package_is_shipped():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    top = {package.split(".")[0] for package in MAY_IMPORT}
    found = {
        "mobilevis." + ".".join(file.parent.relative_to(ROOT).parts)
        for package in top
        for file in (ROOT / package).rglob("__init__.py")
    }
    assert set(settings["packages"]) == {"mobilevis", *found}
    assert set(settings["package-dir"]) == {"mobilevis", *(f"mobilevis.{package}" for package in top)}


def test_every_folder_with_code_is_a_package():
    for package in MAY_IMPORT:
        for file in modules(package):
            assert (file.parent / "__init__.py").exists(), file.parent


def test_files_stay_readable():
    for file in [f for package in MAY_IMPORT for f in modules(package)]:
        assert len(file.read_text().splitlines()) <= 300, f"{file.relative_to(ROOT)} is too long"


def test_functions_stay_readable():
    for file in [f for package in MAY_IMPORT for f in modules(package)]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                code = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                body = (node.end_lineno or 0) - code[0].lineno + 1
                assert body <= 50, f"{file.relative_to(ROOT)}:{node.name} has {body} lines"
