"""The budgets and names of STYLE, as a test: what is not checked is only a wish."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from jobs.engines.music.styles import STYLES
from jobs.kinds import KINDS
from jobs.queue import QUEUES
from storage.styles import CATALOGUE

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "schema", "jobs", "storage", "tests")
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 400, 600, 50
BANNED = re.compile(
    r"(^|_)(utils?|helpers?|common|misc|manager|service|handler|processor|info|data)(_|$)|^(process|handle)_"
)
GIVEN_BY_LIBRARIES = {
    "handle_exit",
    "data_received",
    "handle_starttag",
    "handle_endtag",
    "handle_data",
    "handle_async_request",
}  # names that a base class of theirs prescribes

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def definitions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_its_budget(path: Path) -> None:
    limit = TEST_FILE_LINES if "tests" in path.relative_to(ROOT).parts else FILE_LINES
    assert len(path.read_text().splitlines()) <= limit
    for node in definitions(path):
        if not isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_opens_with_a_sentence_and_names_say_something(path: Path) -> None:
    text = path.read_text().strip()
    assert not text or ast.get_docstring(ast.parse(text)), "a module opens with one sentence on what it is for"
    names = [path.stem, *(node.name for node in definitions(path))]
    own = [name for name in names if not name.startswith("test_") and name not in GIVEN_BY_LIBRARIES]
    assert [name for name in own if BANNED.search(name)] == []


def test_no_installed_distribution_claims_our_import_names() -> None:
    claimed = {
        (distribution.metadata["Name"], top)
        for distribution in distributions()
        if distribution.metadata["Name"] != "libretto"
        for top in {str(file).split("/")[0] for file in distribution.files or ()}
        if top in {*PACKAGES, "migrations"}
    }
    assert claimed == set()


def test_every_kind_of_job_waits_in_a_queue_that_exists() -> None:
    assert {name for kind in KINDS.values() for name in (kind.queue, *kind.also_in)} <= set(QUEUES)
    assert all(name == kind.name for name, kind in KINDS.items())


def test_catalogue_offers_the_styles_that_the_composer_knows() -> None:
    assert [slug for slug, _, _ in CATALOGUE] == list(STYLES)


def test_tree_names_no_machine_and_no_registry() -> None:
    forbidden = re.compile(rf"/root/|/home/\w|pythonhosted|https?://pypi|{re.escape(str(ROOT))}/")
    for path in [
        *ROOT.glob("*requirements*.txt"),
        *ROOT.glob("*.toml"),
        ROOT / "Makefile",
        ROOT / "README.md",
        *SOURCES,
    ]:
        if path != Path(__file__):
            assert not forbidden.search(path.read_text()), path
