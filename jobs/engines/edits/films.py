"""A film of pieces: their pictures and their sound in one MP4."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from jobs.engines.edits.pictures import Canvas, draw_piece
from jobs.engines.edits.pieces import Piece, check_piece
from jobs.engines.edits.sounds import BLOCK, count_samples, open_sound
from jobs.engines.films.encoding import encode_pictures
from jobs.engines.films.joining import AUDIO_BITS_PER_SECOND, join_film
from jobs.engines.films.planes import Picture
from jobs.engines.run import Report
from jobs.formats.m4a import M4aWriter


@dataclass(frozen=True)
class Edited:
    """The film."""

    path: Path
    frame_count: int


def edit_film(piece: Piece, canvas: Canvas, folder: Path, report: Report) -> Edited:
    """Make the film in this folder; equal pieces of equal files give equal bytes."""
    check_piece(piece, canvas.width, canvas.height, canvas.fps)
    pictures, sound, film = folder / "pictures.mp4", folder / "sound.m4a", folder / "film.mp4"
    _write_sound(piece, canvas.fps, sound)
    encode_pictures(pictures, _tell(piece, canvas, report), canvas.fps)
    join_film(film, [(pictures, Fraction(0))], sound)
    pictures.unlink()
    sound.unlink()
    return Edited(film, piece.frame_count)


def _write_sound(piece: Piece, fps: int, path: Path) -> None:
    left = count_samples(piece.frame_count, fps)
    with ExitStack() as stack, M4aWriter(path, bits_per_second=AUDIO_BITS_PER_SECOND) as writer:
        sound = open_sound(piece, fps, stack)
        while left:
            size = min(left, BLOCK)
            writer.write(sound.read(size))
            left -= size


def _tell(piece: Piece, canvas: Canvas, report: Report) -> Iterator[Picture]:
    for number, picture in enumerate(draw_piece(piece, canvas)):
        if number % canvas.fps == 0:
            report(number / piece.frame_count, f"frame {number} of {piece.frame_count}")
        yield picture
