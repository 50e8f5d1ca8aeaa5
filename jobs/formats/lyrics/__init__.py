"""Words with times, written in the formats that players and editors read."""

from jobs.formats.lyrics.ass import write_ass
from jobs.formats.lyrics.lines import Line, Word, check_lines
from jobs.formats.lyrics.lrc import write_enhanced_lrc, write_lrc
from jobs.formats.lyrics.plain import write_json
from jobs.formats.lyrics.subtitles import write_srt, write_vtt
from jobs.formats.lyrics.ttml import write_ttml

__all__ = [
    "Line",
    "Word",
    "check_lines",
    "write_ass",
    "write_enhanced_lrc",
    "write_json",
    "write_lrc",
    "write_srt",
    "write_ttml",
    "write_vtt",
]
