"""What processes have used so far, as Linux counts it in /proc: 10 ms of CPU is the smallest step."""

import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
PARENT, USER, SYSTEM, ENDED_USER, ENDED_SYSTEM, RESIDENT = 1, 11, 12, 13, 14, 21  # fields behind the name


def cpu_seconds(pid: int) -> float:
    """Of a process and all that descends from it; what ended meanwhile counts as far as its parent has noticed."""
    stats = _read_all()
    family = _family(stats, pid)
    ticks = sum(stats[member][USER] + stats[member][SYSTEM] for member in family)
    if pid in stats:
        ticks += stats[pid][ENDED_USER] + stats[pid][ENDED_SYSTEM]
    return ticks / TICKS_PER_SECOND


def resident_kib(pid: int) -> float:
    """Memory that a process holds."""
    return _read(pid)[RESIDENT] * PAGE_KIB


def _family(stats: dict[int, list[int]], root: int) -> set[int]:
    family, added = set[int](), {root} & stats.keys()
    while added:
        family |= added
        added = {pid for pid, fields in stats.items() if fields[PARENT] in added}
    return family


def _read_all() -> dict[int, list[int]]:
    stats = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stats[int(folder.name)] = _read(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return stats


def _read(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/stat").read_text()
    state, *fields = text[text.rindex(")") + 2 :].split()
    return [ord(state), *map(int, fields)]
