#!/usr/bin/env python3
"""Measures of the house: how far facts are spread over rooms, printed as one table.

    python tools/measures.py [ROOT ...]

Each ROOT is a checkout (default: this one); several are put side by side, so that a change of layout can be judged by
what it was for. Everything is read from the source with ``ast`` and ``tomllib``; nothing is imported or run.

- *Files that name an operator*: modules and data files in which the operator's name stands as a string, for operators
  that differ in kind. Someone who adds such an operator has to visit that many places.
- *Files that name a kernel library*: the same for ``cmsis-nn``, by modules (code) and data files.
- *Rooms that name operators*: packages whose code (not data) holds names of TFLM operators.
- *Places that seek a plan*: modules that call a planner's or a patch search's entry themselves.
- *Files to touch to add*: those that ``docs/architecture.md`` names under "How to add", each up to its "Done when", if
  they exist; of a choice (``a`` or ``b``) one, of a folder one module.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

OPERATORS = {"elementwise": "HARD_SWISH", "window": "AVERAGE_POOL_2D", "move": "SPACE_TO_DEPTH", "reduction": "SUM"}
"""One operator of each kind, named as TFLite names it."""

LIBRARIES = ("cmsis-nn", "esp-nn")
LONG = 400
"""Lines from which on a module has to have a reason."""

REASONS = {
    "boards/spec.py": "the tables of a board's spec, one after the other: what a field may hold is in fields.py",
    "memory/stacking.py": "one exact search, whose pruning rules share its state and undo it",
    "patching/arena/lattice.py": "one best-first search: labels, walk and bounds ahead are of the same paths",
    "patching/arena/search.py": "one search from combinations to the plan that stands, and the plan that it returns",
    "patching/writing/price.py": "prices of single operators and the tally of a stage, which ask each other",
    "proof/function/follow.py": "one follower whose methods share its state; what it names and moves is beside it",
    "reports/documents/report.py": "the contract of check's JSON: dataclasses one after the other, no code",
}
"""Why a module that is longer is one all the same; the only place where that is said."""


@dataclass(frozen=True)
class Module:
    """One source file with its syntax tree."""

    path: Path
    room: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The module's syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def strings(self) -> frozenset[str]:
        """Every string of the code that is not a docstring."""
        nodes = [n for n in ast.walk(self.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        documentation = {id(d) for d in _docstrings(self.tree)}
        return frozenset(str(n.value) for n in nodes if id(n) not in documentation)

    @property
    def lines(self) -> int:
        """Number of lines, blank ones included."""
        return self.text.count("\n")


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """The string nodes that document: first of a module, class or function, or right behind an assignment."""
    for node in ast.walk(tree):
        for first in getattr(node, "body", ()) if isinstance(getattr(node, "body", None), list) else ():
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def modules(root: Path) -> list[Module]:
    """Every module of the package below ``root``, sorted by path."""
    package = root / "mcuplan"
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        found.append(Module(path, parts[0].removesuffix(".py"), path.read_text("utf-8")))
    return found


def data_files(root: Path) -> dict[Path, str]:
    """The package's data files and their text, but for links taken apart by a tool (flash): nobody writes those."""
    found = sorted((root / "mcuplan").rglob("*.json"))
    return {p: p.read_text("utf-8") for p in found if "flash" not in str(p.relative_to(root))}


def operator_names(root: Path) -> frozenset[str]:
    """Names of builtin operators, as the newest table of what TFLM supports has them (others are patches of it)."""
    tables = [json.loads(text) for path, text in data_files(root).items() if path.name.startswith("support")]
    return max((frozenset(table.get("operators", ())) for table in tables), key=len, default=frozenset())


def undocumented(module: Module) -> int:
    """Functions, classes and methods of a public name without a docstring; those inside a function do not count."""
    count, todo = 0, list(module.tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            count += not node.name.startswith("_") and ast.get_docstring(node) is None
        if isinstance(node, ast.ClassDef):
            todo += node.body
    return count


def _called(module: Module) -> set[str]:
    calls = (n.func for n in ast.walk(module.tree) if isinstance(n, ast.Call))
    return {f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, ast.Name | ast.Attribute)}


def _elementwise(module: Module) -> int:
    """Assignments of a name that says elementwise or pointwise: each is one more definition of it."""
    names = (t.id for n in ast.walk(module.tree) if isinstance(n, ast.Assign | ast.AnnAssign)
             for t in (n.targets if isinstance(n, ast.Assign) else [n.target]) if isinstance(t, ast.Name))  # fmt: skip
    return sum(any(word in name.lower() for word in ("elementwise", "pointwise")) for name in names)


def measures(root: Path) -> dict[str, str]:
    """Each measure of one checkout, by its name, as printed."""
    code, data = modules(root), data_files(root)
    operators = operator_names(root)
    rows: dict[str, str] = {"modules": str(len(code)), "lines": f"{sum(m.lines for m in code):,}"}
    for kind, name in OPERATORS.items():
        in_code = sum(name in m.strings for m in code)
        in_data = sum(f'"{name}"' in text for text in data.values())
        rows[f"files that name {name} ({kind})"] = f"{in_code} code + {in_data} data"
    for library in LIBRARIES:
        in_code = sum(any(library in s for s in m.strings) for m in code)
        rows[f"files that name {library}"] = f"{in_code} code + {sum(library in t for t in data.values())} data"
    naming = sorted({m.room for m in code if len(m.strings & operators) > 0})
    rows["rooms that name operators"] = f"{len(naming)}: {', '.join(naming)}"
    rows["modules that name operators"] = str(sum(bool(m.strings & operators) for m in code))
    rows["definitions of elementwise or pointwise"] = str(sum(map(_elementwise, code)))
    seekers = [m for m in code if _called(m) & _planners(code)]
    rows["modules that seek a plan"] = f"{len(seekers)} in {', '.join(sorted({m.room for m in seekers}))}"
    rows['options by string, option("...")'] = str(sum(_option_strings(m) for m in code))
    rows["calls of safe_name"] = str(sum(_calls_of(m, "safe_name") for m in code))
    long = [_long(m, m.path.relative_to(root / "mcuplan").as_posix()) for m in code if m.lines > LONG]
    rows[f"modules over {LONG} lines"] = f"{len(long)}: {', '.join(long)}" if long else "0"
    commands = [m for m in code if m.room == "cli" and m.lines > 100 and _is_command(m)]
    rows["command modules over 100 lines"] = str(len(commands))
    rows["public names without a docstring"] = str(sum(map(undocumented, code)))
    rows.update(_contracts(root))
    rows.update({f"files to touch to add {thing}": counts for thing, counts in to_add(root).items()})
    return rows


def to_add(root: Path) -> dict[str, str]:
    """What ``docs/architecture.md`` says is touched to add a thing: modules and data files, and what does not exist."""
    page = root / "docs" / "architecture.md"
    text = page.read_text("utf-8") if page.is_file() else ""
    section = text.partition("\n## How to add\n")[2].partition("\n## ")[0]
    found = {}
    for entry in re.split(r"^(?=\*\*)", section, flags=re.M)[1:]:
        thing, told = entry.removeprefix("**").split("**", 1)
        named = _named(told.partition("Done when")[0])
        code = sum(path.endswith(".py") or any((root / path).glob("*.py")) for path in named)
        lacking = [path for path in named if not _exists(root, path)]
        counted = f"{len(named)}: {code} code + {len(named) - code} data"
        found[thing.lower()] = counted + (f" (not there: {', '.join(lacking)})" if lacking else "")
    return found


def _named(told: str) -> list[str]:
    """Files and folders that a text names in backticks, each once; of ``a`` or ``b`` the first."""
    paths = re.findall(r"(?<!` or )`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|json|toml))`", re.sub(r"\s+", " ", told))
    return list({path.rpartition("/")[2]: path for path in reversed(paths)}.values())[::-1]


def _exists(root: Path, path: str) -> bool:
    """Whether it is there; a name without a folder, anywhere in the data of TFLM versions."""
    return (root / path).exists() or ("/" not in path and any((root / "mcuplan" / "tflm" / "data").rglob(path)))


def _long(module: Module, name: str) -> str:
    """A long module, its lines, and why it is one."""
    return f"{name} {module.lines} ({REASONS.get(name, 'no reason stated')})"


def _planners(code: list[Module]) -> set[str]:
    """Public functions of planning and patching that return a plan: what a module calls that seeks one."""
    found = set()
    for module in code:
        if module.room not in ("planning", "patching"):
            continue
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.returns is not None:
                result = ast.unparse(node.returns)
                if result.split("[")[0].split(" |")[0].endswith(("Plan", "PatchPlan", "Patched", "Found")):
                    found.add(node.name)
    return found


def _calls_of(module: Module, name: str) -> int:
    calls = (n.func for n in ast.walk(module.tree) if isinstance(n, ast.Call))
    return sum((isinstance(f, ast.Name) and f.id == name) or (isinstance(f, ast.Attribute) and f.attr == name)
               for f in calls)  # fmt: skip


def _option_strings(module: Module) -> int:
    """Options of operators by string; ``click.option`` is none of them."""
    calls = (n for n in ast.walk(module.tree) if isinstance(n, ast.Call) and n.args)
    return sum(isinstance(c.func, ast.Attribute) and c.func.attr == "option" and isinstance(c.args[0], ast.Constant)
               and not (isinstance(c.func.value, ast.Name) and c.func.value.id == "click") for c in calls)  # fmt: skip


def _is_command(module: Module) -> bool:
    """Whether it is one of the command line's modules that hold a command, by its name there."""
    return any(isinstance(node, ast.FunctionDef) and node.name == "command" for node in module.tree.body)


def _contracts(root: Path) -> dict[str, str]:
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    exceptions = sum(len(contract.get("ignore_imports", ())) for contract in contracts)
    return {"import contracts": f"{len(contracts)}, {exceptions} exceptions"}


def main(arguments: list[str]) -> None:
    """Print the measures of every checkout named, side by side."""
    roots = [Path(a) for a in arguments] or [Path(__file__).resolve().parent.parent]
    columns = [measures(root) for root in roots]
    for name in columns[-1]:
        print(f"{name:<48}", *(f"{column.get(name, ''):<28}" for column in columns))


if __name__ == "__main__":
    main(sys.argv[1:])
