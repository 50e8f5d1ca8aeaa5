"""H.264 as MP4 and Matroska keep it: parameter sets apart from the pictures, and every unit with its length."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

OWN_NUMBER = 27  # of the parameter sets of what we encode, 0 to 31; cameras and encoders count from 0
PROFILES = {66: "baseline", 77: "main", 100: "high", 110: "high10", 122: "high422"}
_SEQUENCE, _PICTURE = 7, 8
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Parameters:
    """What a decoder must know before the first picture."""

    profile: int
    constraints: int
    level: int
    sequences: tuple[bytes, ...]
    pictures: tuple[bytes, ...]
    rest: bytes  # more about the format of colours, in the higher profiles

    def merge(self, other: "Parameters") -> "Parameters":
        """Both, so that pictures of either can follow each other."""
        return replace(self, sequences=self.sequences + other.sequences, pictures=self.pictures + other.pictures)

    def pack(self) -> bytes:
        """As a file keeps them."""
        head = bytes([1, self.profile, self.constraints, self.level, 0xFC | (_LENGTH_BYTES - 1)])
        return b"".join(
            [head, _pack_units(0xE0, self.sequences), _pack_units(0, self.pictures), self.rest],
        )


def read_parameters(extradata: bytes) -> Parameters | None:
    """The parameters of a stream; None where they are kept otherwise, or lengths take other than four bytes."""
    if len(extradata) < 7 or extradata[0] != 1 or extradata[4] & 3 != _LENGTH_BYTES - 1:
        return None
    try:
        sequences, place = _unpack_units(extradata, 5, 0x1F)
        pictures, place = _unpack_units(extradata, place, 0xFF)
    except (IndexError, struct.error):
        return None
    if not sequences or not pictures:
        return None
    return Parameters(extradata[1], extradata[2], extradata[3], sequences, pictures, extradata[place:])


def read_encoded(extradata: bytes) -> Parameters:
    """The parameters that an encoder gives, whose units begin with a mark."""
    units = list(_split(extradata))
    sequences = tuple(unit for unit in units if unit[0] & 0x1F == _SEQUENCE)
    pictures = tuple(unit for unit in units if unit[0] & 0x1F == _PICTURE)
    return Parameters(sequences[0][1], sequences[0][2], sequences[0][3], sequences, pictures, b"")


def with_lengths(packet: bytes) -> bytes:
    """Units with their lengths where they had marks."""
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in _split(packet))


def has_own_number(parameters: Parameters) -> bool:
    """Whether our number is taken."""
    numbers = {_read_number(unit[4:]) for unit in parameters.sequences}
    return OWN_NUMBER in numbers | {_read_number(unit[1:]) for unit in parameters.pictures}


def _read_number(bits: bytes) -> int:
    """The first number, as Exponential-Golomb code."""
    text = "".join(f"{byte:08b}" for byte in bits[:8])
    zeros = text.index("1") if "1" in text else 0
    return int(text[zeros : 2 * zeros + 1] or "1", 2) - 1


def _split(units: bytes) -> Iterator[bytes]:
    for unit in units.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01"):
        if unit:
            yield unit


def _pack_units(marks: int, units: Sequence[bytes]) -> bytes:
    return bytes([marks | len(units)]) + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def _unpack_units(extradata: bytes, place: int, mask: int) -> tuple[tuple[bytes, ...], int]:
    units = []
    count, place = extradata[place] & mask, place + 1
    for _ in range(count):
        (size,) = struct.unpack_from(">H", extradata, place)
        units.append(extradata[place + 2 : place + 2 + size])
        place += 2 + size
    return tuple(units), place
