"""What a check finds, and how that looks in a terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from server.settings import Settings

NAME_WIDTH = 22
INDENT = " " * 4
SECRET_PARTS = ("password", "secret", "token", "key")


class Level(Enum):
    """How bad it is; the value is its mark."""

    OK = "[green]✓[/]"
    WARN = "[yellow]![/]"
    FAIL = "[red]✗[/]"


@dataclass(frozen=True)
class Finding:
    """One line of the report; `advice` says what to do about anything that is not well."""

    name: str
    level: Level
    text: str
    advice: str = ""


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, Level.OK, text)


def warn(name: str, text: str, advice: str) -> Finding:
    """It works, and might be better."""
    return Finding(name, Level.WARN, text, advice)


def fail(name: str, text: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(name, Level.FAIL, text, advice)


def show(finding: Finding, console: Console) -> None:
    """Write its line, and its advice below."""
    line = f"  {finding.level.value} {finding.name:<{NAME_WIDTH}} {escape(finding.text)}"
    console.print(line, highlight=False, soft_wrap=True)
    if finding.advice:
        console.print(f"{INDENT}{'':<{NAME_WIDTH}} [dim]{escape(finding.advice)}[/]", highlight=False, soft_wrap=True)


def show_settings(settings: Settings, console: Console) -> None:
    """Every setting as it is in effect; those that somebody chose stand out."""
    given = dict(describe_settings(settings))
    usual = {name: field.get_default() for name, field in Settings.model_fields.items()}
    width = max(map(len, given))
    for name, text in given.items():
        style = "dim" if getattr(settings, name) == usual[name] else "default"
        console.print(f"{INDENT}[{style}]{name.upper():<{width}}  {escape(text)}[/]", highlight=False, soft_wrap=True)


def describe_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each setting with its value, without anything that must stay secret."""
    for name in Settings.model_fields:
        value = getattr(settings, name)
        listed = sorted(value) if isinstance(value, frozenset) else value
        text = ", ".join(listed) if isinstance(listed, list | tuple) else str(listed)
        yield name, (redact(text) if "://" in text else text) or "not set"


def redact(url: str) -> str:
    """An address without its password and without the secrets among its parameters."""
    place, mark, query = url.partition("?")
    if password := urlsplit(url).password:
        place = place.replace(f":{password}@", ":…@", 1)
    return place + mark + "&".join(_redact_parameter(one) for one in query.split("&"))


def verdict_of(findings: Mapping[Level, int]) -> str:
    """The last line."""
    failed, warned = findings.get(Level.FAIL, 0), findings.get(Level.WARN, 0)
    if failed:
        return f"[red]{failed} failed[/]" + (f", {warned} to look at" if warned else "")
    return "[green]All well[/]" + (f", {warned} to look at" if warned else "") + "."


def _redact_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    is_secret = equals and any(part in name.lower() for part in SECRET_PARTS)
    return f"{name}=…" if is_secret else parameter
