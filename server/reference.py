"""The generated pages that are committed and checked: the printed schema, and the README's table of settings."""

import re
from pathlib import Path

from schema import schema
from server.settings import Settings

BEGIN, END = "<!-- settings: written by `make schema` -->", "<!-- end of settings -->"


def write_schema(root: Path, check: bool) -> Path | None:  # noqa: FBT001 - the flag of a command line
    """Bring `schema/schema.graphql` up to date; answers with the file if it was not."""
    return _write(root / "schema" / "schema.graphql", schema.as_str() + "\n", check)


def write_settings_table(root: Path, check: bool) -> Path | None:  # noqa: FBT001 - the flag of a command line
    """Bring the README's table of settings up to date; answers with the file if it was not."""
    readme = root / "README.md"
    between = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    table = f"{BEGIN}\n{settings_table()}\n{END}"
    return _write(readme, between.sub(lambda _: table, readme.read_text()), check)


def settings_table() -> str:
    """Every setting, with what it is when nobody sets it."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in ("", frozenset()) or name == "secret_key" else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def _write(path: Path, text: str, check: bool) -> Path | None:  # noqa: FBT001 - see above
    if path.exists() and path.read_text() == text:
        return None
    if not check:
        path.write_text(text)
    return path
