"""Videos: films of a track, asked for in one transaction, rendered piece by piece by a job, kept for a while."""

from jobs.videos.codecs import find_codecs, tell_codecs
from jobs.videos.cutting import ClipWish, CutWish
from jobs.videos.generating import CLIP_KIND, CLIP_QUEUE, GeneratedWish
from jobs.videos.rendering import render
from jobs.videos.upkeep import drop_stale
from jobs.videos.wishes import KIND, QUEUE, LyricWish, RequestedVideo, VideoWish, request_video

__all__ = [
    "CLIP_KIND",
    "CLIP_QUEUE",
    "KIND",
    "QUEUE",
    "ClipWish",
    "CutWish",
    "GeneratedWish",
    "LyricWish",
    "RequestedVideo",
    "VideoWish",
    "drop_stale",
    "find_codecs",
    "render",
    "request_video",
    "tell_codecs",
]
