"""The generated pages that are committed and checked: the printed schema, the README's map and its settings."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from schema import schema
from server.settings import Settings

PACKAGES = ("server", "schema", "jobs", "storage")
SKIPPED = {"__pycache__"}


def write_reference(root: Path, check: bool) -> list[str]:  # noqa: FBT001 - the flag of a command line
    """Bring the generated pages up to date, or with `check` only look; answers with those that were not."""
    readme = root / "README.md"
    pages = {
        root / "schema" / "schema.graphql": schema.as_str() + "\n",
        readme: _fill(_fill(readme.read_text(), "settings", settings_table), "map", lambda: draw_map(root)),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if not check:
        for path in stale:
            path.write_text(pages[path])
    return [str(path.relative_to(root)) for path in stale]


def settings_table() -> str:
    """Every setting, with what it is when nobody sets it."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = f"`{_write_default(field.default)}`" if str(field.default) and field.default != frozenset() else ""
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def _write_default(default: object) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default)


def draw_map(root: Path) -> str:
    """Every module, with the sentence that it opens with."""
    return "\n".join(line for package in PACKAGES for line in _lines(root / package, 0))


def _lines(folder: Path, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}- **{folder.name}/** {_sentence(folder / '__init__.py')}"
    modules = sorted(path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py"))
    for path in modules:
        yield f"{'  ' * (depth + 1)}- `{path.name}` {_sentence(path)}"
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in SKIPPED):
        if (inner / "__init__.py").exists():
            yield from _lines(inner, depth + 1)


def _sentence(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].replace("\n", " ")


def _fill(page: str, name: str, write: Callable[[], str]) -> str:
    begin, end = f"<!-- {name}: written by `make schema` -->", f"<!-- end of {name} -->"
    between = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    return between.sub(lambda _: f"{begin}\n{write()}\n{end}", page)
