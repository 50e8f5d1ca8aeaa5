"""Pictures that announce what they do not hold."""

import io
import struct
import tracemalloc
from pathlib import Path

from PIL import Image

from jobs.engines.probe import probe_picture

ROOM_BYTES = 64 << 20


def test_chunk_that_announces_gigabytes_is_given_no_room_for_them(tmp_path: Path) -> None:
    """Each of those was tried until the memory of its process had run out, three times, before it was turned away."""
    with io.BytesIO() as out:
        Image.effect_noise((64, 48), 50).save(out, "PNG")
        picture = bytearray(out.getvalue())
    place = picture.index(b"IDAT") - 4
    picture[place : place + 4] = struct.pack(">I", 0x7FFF_0000)
    (tmp_path / "picture.png").write_bytes(picture)
    tracemalloc.start()
    try:
        found = probe_picture(tmp_path / "picture.png", tmp_path, lambda _fraction, _stage: None)
        assert (found.picture and found.picture.width, found.kind) == (64, "picture")
        assert tracemalloc.get_traced_memory()[1] < ROOM_BYTES
    finally:
        tracemalloc.stop()
