"""Makes a Whisper model of CTranslate2's tell word times by all its attention heads, better than by a few.

The heads that models come with put words 90 ms late; all of them together have no such lean (`tests.bench speech`).
They are named in the folder's `config.json`, so the engine is given a folder of links with another one.
"""

import json
import re
import struct
from pathlib import Path
from typing import BinaryIO

_HEAD_SIZE = 64  # of every Whisper model
_LAYER = re.compile(r"decoder/layer_(\d+)/")
_MOST_VARIABLES = 10_000
_EMBEDDINGS = "decoder/embeddings/weight"


class ModelBroken(Exception):
    """This is not a model that can be read."""


def link_model(model: Path, folder: Path) -> Path:
    """A folder like the model's, in which all heads of the decoder tell the time."""
    try:
        config = json.loads((model / "config.json").read_bytes())
        with (model / "model.bin").open("rb") as file:
            layers, width = _read_shape(file)
        config["alignment_heads"] = [[layer, head] for layer in range(layers) for head in range(width // _HEAD_SIZE)]
        for file_of_model in model.iterdir():
            if file_of_model.name != "config.json":
                (folder / file_of_model.name).symlink_to(file_of_model.resolve())
        (folder / "config.json").write_text(json.dumps(config))
    except (OSError, ValueError, TypeError, struct.error) as error:
        raise ModelBroken(f"{type(error).__name__}: {error}") from error
    return folder


def _read_shape(file: BinaryIO) -> tuple[int, int]:
    """How many layers the decoder has, and how wide they are."""
    _read(file, "I")
    _read_name(file)
    _read(file, "I")
    layers, width = 0, 0
    for _ in range(min(_read(file, "I"), _MOST_VARIABLES)):
        name, rank = _read_name(file), _read(file, "B")
        sizes = [_read(file, "I") for _ in range(rank)]
        _read(file, "B")
        file.seek(_read(file, "I"), 1)
        if found := _LAYER.match(name):
            layers = max(layers, int(found[1]) + 1)
        elif name == _EMBEDDINGS:
            width = sizes[-1]
    if not layers or not width:
        raise ValueError("it has no decoder")
    return layers, width


def _read(file: BinaryIO, form: str) -> int:
    (value,) = struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
    return int(value)


def _read_name(file: BinaryIO) -> str:
    return file.read(_read(file, "H")).rstrip(b"\0").decode()
