"""The waveforms: what a player draws of a song, at every zoom."""

from dataclasses import dataclass
from pathlib import Path

from jobs.engines.music.loudness import SAMPLE_RATE
from jobs.engines.recordings import decode_stereo
from jobs.engines.run import Report
from jobs.formats.peaks import draw_pairs, widen_pairs, write_dat, write_json

ZOOMS = (256, 1024, 4096)  # samples to a pixel


@dataclass(frozen=True)
class Waveform:
    """One zoom, as JSON and as bytes."""

    samples_per_pixel: int
    json: Path
    dat: Path


def draw_waveforms(path: Path, folder: Path, report: Report) -> list[Waveform]:
    """Draw a recording at every zoom: the finest from its samples, the others from the finest."""
    report(0.0, "decoding")
    samples = decode_stereo(path, lambda fraction: report(0.8 * fraction, "decoding"))
    report(0.8, "drawing")
    finest = draw_pairs(samples, ZOOMS[0])
    waveforms = []
    for zoom in ZOOMS:
        pairs = widen_pairs(finest, zoom // ZOOMS[0])
        waveform = Waveform(zoom, folder / f"waveform-{zoom}.json", folder / f"waveform-{zoom}.dat")
        write_json(waveform.json, pairs, SAMPLE_RATE, zoom)
        write_dat(waveform.dat, pairs, SAMPLE_RATE, zoom)
        waveforms.append(waveform)
    return waveforms
