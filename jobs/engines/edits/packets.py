"""Where a trim can copy: the packets of a film, its groups of pictures, and which of them lie whole within the cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from jobs.engines.edits.avc import PROFILES, has_own_number, read_parameters
from jobs.engines.media import find_video, open_media
from jobs.engines.run import EngineRefused

COPIED_PIXELS = ("yuv420p", "yuv422p", "yuv420p10le", "yuv422p10le", "yuvj420p")


@dataclass(frozen=True)
class Entry:
    """A packet, in the order of the file."""

    pts: int
    dts: int | None
    is_key: bool


@dataclass(frozen=True)
class Index:
    """All of a film's packets with pictures, and why none of them can be copied, if so."""

    entries: tuple[Entry, ...]
    tick: Fraction
    obstacle: str | None

    @property
    def first(self) -> int:
        """When the film begins."""
        return min(entry.pts for entry in self.entries)

    def list_times(self, start: Fraction, end: Fraction) -> list[int]:
        """When the pictures between these times are shown, in seconds of the film."""
        low, high = self.first + start / self.tick, self.first + end / self.tick
        return sorted(entry.pts for entry in self.entries if low <= entry.pts < high)


@dataclass(frozen=True)
class Copied:
    """Packets from a key frame to before another, and how much earlier than shown they are decoded."""

    begin: int  # when the first is shown
    end: int | None  # when the first is shown that is not copied; None: to the end of the file
    lead: int


def read_index(path: Path) -> Index:
    """Read all packets; the pictures are not decoded."""
    with open_media(path) as container:
        stream = find_video(container)
        if stream is None:
            raise EngineRefused("UNREADABLE", "There are no moving pictures in it")
        obstacle = _find_obstacle(stream.codec_context.name, stream.codec_context.extradata, stream.pix_fmt)
        entries = []
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or packet.is_discard:
                obstacle = "some of its pictures have no time"
                continue
            entries.append(Entry(packet.pts, packet.dts, packet.is_keyframe))
        if not entries:
            raise EngineRefused("UNREADABLE", "None of its pictures can be read")
        return Index(tuple(entries), Fraction(stream.time_base or 1), obstacle)


def _find_obstacle(codec: str, extradata: bytes | None, pixels: str | None) -> str | None:
    if codec != "h264":
        return f"it is in {codec}, and only H.264 is copied"
    parameters = read_parameters(bytes(extradata or b""))
    if parameters is None or has_own_number(parameters):
        return "its parameters are kept in another way"
    if parameters.profile not in PROFILES or pixels not in COPIED_PIXELS:
        return "its profile cannot be encoded alike"
    return None


def find_copied(index: Index, times: Sequence[int]) -> Copied | str:
    """The groups that lie whole between the first and the last of these times; or why there are none."""
    if index.obstacle is not None:
        return index.obstacle
    keys = [number for number, entry in enumerate(index.entries) if entry.is_key]
    following = min((entry.pts for entry in index.entries if entry.pts > times[-1]), default=None)
    begins = [number for number in keys if index.entries[number].pts >= times[0]]
    if not begins or index.entries[begins[0]].pts > times[-1]:
        return "no key frame lies within it"
    begin = begins[0]
    ends = [
        number for number in keys if number > begin and following is not None and index.entries[number].pts <= following
    ]
    end = None if following is None else ends[-1] if ends else begin
    if end == begin:
        return "no whole group of pictures lies within it"
    low, high = index.entries[begin].pts, None if end is None else index.entries[end].pts
    inside, behind = index.entries[begin:end], () if end is None else index.entries[end:]
    is_apart = high is None or (all(one.pts < high for one in inside) and all(one.pts >= high for one in behind))
    if not is_apart or any(one.pts < low for one in inside):
        return "its groups of pictures are open: some need pictures of the group before"
    leads = {
        None if entry.dts is None else entry.pts - entry.dts
        for entry in (index.entries[begin], *(() if end is None else (index.entries[end],)))
    }
    lead = leads.pop()
    if leads or lead is None:
        return "its groups of pictures are decoded at different distances"
    return Copied(low, high, lead)
