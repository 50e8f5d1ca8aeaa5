"""Lyrics in time: asked for, listened for by a job, and put right by people."""

from jobs.lyrics.alignments import LyricsWish, align, request_lyrics
from jobs.lyrics.corrections import Correction, correct_line
from jobs.lyrics.kept import read_lines

__all__ = ["Correction", "LyricsWish", "align", "correct_line", "read_lines", "request_lyrics"]
