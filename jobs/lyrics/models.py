"""Where a worker finds its speech model; it downloads one only where the settings allow that."""

import os
from importlib import import_module
from pathlib import Path

from server.errors import SpeechModelMissing
from server.settings import Settings


def find_model(settings: Settings) -> Path | None:
    """The model's folder or file, if it is on this machine: a path from the root on, or a name in the home."""
    path = _place(settings)
    return path if path.exists() else None


def get_model(settings: Settings) -> Path:
    """The same, fetched where that is allowed; SpeechModelMissing when there is none."""
    if found := find_model(settings):
        return found
    name = settings.speech_model
    if not settings.speech_download or Path(name).is_absolute():
        raise SpeechModelMissing(f"The speech model {name!r} is not here; set SPEECH_MODEL to its folder")
    return _download(name, _place(settings))


def _place(settings: Settings) -> Path:
    given = Path(settings.speech_model).expanduser()
    return given if given.is_absolute() else settings.libretto_home / "models" / given.name


def _download(name: str, path: Path) -> Path:
    """Fetch a model of faster-whisper's; it is in its place once it is whole."""
    try:
        library = import_module("faster_whisper")  # an extra, half a second and 100 MB
    except ImportError as error:
        raise SpeechModelMissing("The extra `speech` is not installed, so no model can be fetched") from error
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        library.download_model(name, output_dir=str(part))
        part.rename(path)
    except (OSError, ValueError) as error:  # also what the hub's client raises
        raise SpeechModelMissing(f"The speech model {name!r} could not be fetched: {error}"[:500]) from error
    return path
