"""The shape of the code, enforced by reading its syntax trees: who may import whom, how large things may be.

Imports inside functions and `TYPE_CHECKING` blocks count too. `python tests/test_architecture.py` prints the
files above the soft limit. What the limits are for is in CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

SRC = Path(__file__).resolve().parent.parent / "src" / "tiltyard"

VALUES = {"records", "settings", "errors"}
MAY_IMPORT: Mapping[str, set[str]] = {
    "errors": set(),
    "records": set(),
    "settings": {"records", "errors"},
    "stats": {"records", "errors"},
    "servers": VALUES | {"stats"},
    "load": VALUES | {"stats", "servers"},
    "suites": VALUES | {"stats", "servers", "load"},
    "store": VALUES | {"stats"},
    "monitors": VALUES | {"stats"},
    "reports": VALUES | {"stats"},
    "web": VALUES,
}
EVERYTHING_BELOW = set(MAY_IMPORT) - {"web"}
MAY_IMPORT = {
    **MAY_IMPORT,
    "jobs": EVERYTHING_BELOW,
    "run": EVERYTHING_BELOW | {"jobs"},
    "cli": EVERYTHING_BELOW | {"jobs", "run", "web"},
    "__main__": {"cli"},
    "__init__": set(),
}

HEAVY = {
    "numpy",
    "aiohttp",
    "gguf",
    "jinja2",
    "rich",
    "xllamacpp",
    "pynvml",
    "psutil",
    "keyring",
    "tokenizers",
}
HEAVY_AT_TOP = {  # modules that are imported themselves only when they are needed
    "servers/tls.py": {"aiohttp"},
    "servers/tiny/weights.py": {"numpy"},
    "servers/tiny/writing.py": {"numpy", "gguf"},
}
LONG_DOCSTRING = {"errors.py"}  # the whole tree is drawn at its top
FORBIDDEN_NAMES = {
    "utils",
    "util",
    "common",
    "helpers",
    "helper",
    "core",
    "base",
    "manager",
    "managers",
    "misc",
}
BROAD_EXCEPT_FILES = {"suites/asking.py"}
BROAD_EXCEPT_PLACES = 1  # round one grade
SHORT_LINES, SOFT_LINES, HARD_LINES, FUNCTION_LINES, PARAMETERS = 20, 400, 600, 60, 6


class Module(NamedTuple):
    path: str  # relative to the package, with forward slashes
    name: str  # dotted, without the leading `tiltyard.`; "" for the package itself
    lines: int
    tree: ast.Module

    @property
    def package(self) -> str:
        """The entry at the top level it belongs to."""
        return self.path.split("/")[0].removesuffix(".py")


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for file in sorted(SRC.rglob("*.py")):
        path = file.relative_to(SRC).as_posix()
        text = file.read_text(encoding="utf-8")
        name = path.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")
        found.append(Module(path, name, text.count("\n"), ast.parse(text, filename=path)))
    return tuple(found)


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name without `tiltyard.`) of each import of ours, wherever it stands."""
    known = {m.name for m in modules()}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tiltyard":
                    yield node.lineno, alias.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            if source.split(".")[0] != "tiltyard":
                continue
            source = source.partition(".")[2]
            for alias in node.names:
                inner = f"{source}.{alias.name}".strip(".")
                yield node.lineno, inner if inner in known else source


def absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = ["tiltyard", *module.path.removesuffix(".py").split("/")][: -node.level]
    return ".".join([*parts, node.module] if node.module else parts)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute chain (calls and subscripts looked through), else the empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    return ""


def complain(faults: list[str]) -> None:
    if faults:
        pytest.fail("\n".join(["", *faults]), pytrace=False)


def test_top_level_holds_the_packages_of_the_design_and_no_others() -> None:
    there, listed = {m.package for m in modules()}, set(MAY_IMPORT)
    complain([f"{name}: not one of the design's packages" for name in there - listed])
    complain([f"{name}: listed here, but not there" for name in listed - there])
    drawn = (SRC.parent.parent / "docs" / "design.md").read_text(encoding="utf-8")
    folders = {f"{name}/" for name in there if (SRC / name).is_dir()}
    complain([f"{name}: not in docs/design.md" for name in folders if f"\n{name} " not in drawn])


def test_imports_point_one_way() -> None:
    faults = []
    for module in modules():
        allowed = MAY_IMPORT.get(module.package, set()) | {module.package, ""}
        for line, target in imported(module):
            if target.split(".")[0] not in allowed:
                faults.append(f"{module.path}:{line}: {module.package} may not import {target}")
    complain(faults)


def for_types_alone(module: Module) -> set[int]:
    """Lines of the imports that never run."""
    blocks = [n for n in ast.walk(module.tree) if isinstance(n, ast.If)]
    return {n.lineno for block in blocks if dotted(block.test).endswith("TYPE_CHECKING") for n in block.body}


def test_no_import_cycles() -> None:
    """Between packages the order above leaves none; here, between modules, wherever the import stands."""
    graph = {
        m.name: {
            target for line, target in imported(m) if target != m.name and line not in for_types_alone(m)
        }
        for m in modules()
    }
    done: set[str] = set()
    trail: list[str] = []
    faults: list[str] = []

    def visit(name: str) -> None:
        if name in trail:
            faults.append(" -> ".join([*trail[trail.index(name) :], name]))
            return
        if name in done:
            return
        trail.append(name)
        for target in sorted(graph.get(name, ())):
            visit(target)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)
    complain(faults)


def test_heavy_imports_happen_inside_functions() -> None:
    faults = []
    for module in modules():
        for node in module.tree.body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {n.split(".")[0] for n in names} & HEAVY - HEAVY_AT_TOP.get(module.path, set()):
                faults.append(f"{module.path}:{node.lineno}: {name} is heavy; import it where it is used")
    complain(faults)


def test_the_command_line_and_the_main_path_load_nothing_heavy() -> None:
    code = "import sys, tiltyard.cli, tiltyard.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    complain([f"{name} is loaded at the start" for name in sorted(HEAVY & set(done.stdout.split()))])


def test_files_stay_small() -> None:
    complain([f"{m.path}: {m.lines} lines" for m in modules() if m.lines > HARD_LINES])


def test_functions_stay_small() -> None:
    faults = []
    for module in modules():
        for function in functions(module.tree):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > FUNCTION_LINES:
                faults.append(f"{module.path}:{function.lineno}: {function.name} has {length} lines")
    complain(faults)


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    ends = {dotted(d).rpartition(".")[2] for d in function.decorator_list}
    return bool(ends & {"command", "group", "option", "argument"})


def test_functions_take_few_parameters() -> None:
    faults = []
    for module in modules():
        for function in functions(module.tree):
            if module.package == "cli" and is_command(function):
                continue  # a command's parameters are its options
            a = function.args
            names = [p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs] if p.arg not in {"self", "cls"}]
            if len(names) > PARAMETERS:
                faults.append(f"{module.path}:{function.lineno}: {function.name} takes {len(names)}")
    complain(faults)


def test_inheritance_stays_shallow() -> None:
    classes = {n.name: (m, n) for m in modules() for n in ast.walk(m.tree) if isinstance(n, ast.ClassDef)}
    exceptions = {"Exception", "TiltyardError"}

    def depth(name: str, seen: frozenset[str] = frozenset()) -> tuple[int, bool]:
        """Levels of our own classes above `Record`, the base of all values, and whether it is an error."""
        if name not in classes or name in seen or name == "Record":
            return 0, name in exceptions
        above = [depth(dotted(b).rpartition(".")[2], seen | {name}) for b in classes[name][1].bases]
        return 1 + max((d for d, _ in above), default=0), name in exceptions or any(e for _, e in above)

    faults = []
    for name, (module, node) in classes.items():
        levels, exception = depth(name)
        if levels > (4 if exception else 2):
            faults.append(f"{module.path}:{node.lineno}: {name} is {levels} levels deep")
    complain(faults)


def test_names_say_something() -> None:
    faults = [m.path for m in modules() if FORBIDDEN_NAMES & set(m.path.removesuffix(".py").split("/"))]
    complain([f"{path}: name it after what it does" for path in faults])


def test_only_settings_reads_the_environment() -> None:
    faults = []
    for module in modules():
        if module.path == "settings/environment.py":
            continue
        for node in ast.walk(module.tree):
            hit = isinstance(node, ast.Attribute) and dotted(node) in {
                "os.environ",
                "os.getenv",
                "os.environb",
            }
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                hit = bool({alias.name for alias in node.names} & {"environ", "getenv", "environb"})
            if hit:
                faults.append(f"{module.path}:{node.lineno}: only settings/environment.py reads it")
    complain(faults)


def broad(handler: ast.ExceptHandler) -> bool:
    """Catches everything and does not pass it on."""
    if handler.type is None:
        caught = {"BaseException"}
    else:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        caught = {dotted(kind) for kind in kinds}
    last = handler.body[-1]
    passed_on = isinstance(last, ast.Raise) and last.exc is None
    return bool(caught & {"Exception", "BaseException"}) and not passed_on


def test_broad_excepts_are_few() -> None:
    faults, places = [], 0
    for module in modules():
        for node in ast.walk(module.tree):
            suppresses = (
                isinstance(node, ast.Call)
                and dotted(node.func).endswith("suppress")
                and bool({dotted(a) for a in node.args} & {"Exception", "BaseException"})
            )
            if suppresses or (isinstance(node, ast.ExceptHandler) and broad(node)):
                places += 1
                if module.path not in BROAD_EXCEPT_FILES:
                    faults.append(f"{module.path}:{node.lineno}: catches everything")
    if places > BROAD_EXCEPT_PLACES:
        faults.append(f"{places} broad excepts, {BROAD_EXCEPT_PLACES} allowed")
    complain(faults)


def test_modules_say_what_they_are_for() -> None:
    faults = []
    for module in modules():
        if not module.tree.body:
            continue  # an empty __init__.py
        lines = [line for line in (ast.get_docstring(module.tree) or "").splitlines() if line.strip()]
        fewest = 1 if module.lines <= SHORT_LINES else 2
        if len(lines) < fewest or (len(lines) > 6 and module.path not in LONG_DOCSTRING):
            faults.append(f"{module.path}: the module docstring has {len(lines)} lines, not 2 to 6")
    complain(faults)


def test_only_the_command_line_prints() -> None:
    faults = []
    for module in modules():
        if module.package == "cli":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and dotted(node.func) in {
                "print",
                "click.echo",
                "sys.stdout.write",
            }:
                faults.append(f"{module.path}:{node.lineno}: prints")
    complain(faults)


if __name__ == "__main__":
    for each in sorted(modules(), key=lambda m: -m.lines):
        if each.lines > SOFT_LINES:
            sys.stdout.write(f"{each.lines:5d} lines  {each.path}\n")
