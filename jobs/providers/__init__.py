"""The outside services that make music and clips for us, and the chain that asks one after the other."""

from jobs.providers.base import MusicProvider, Pace
from jobs.providers.chain import Local, Member, Recorder, make_by_chain
from jobs.providers.circuits import Circuits, CircuitState
from jobs.providers.clips import CLIP_MODELS
from jobs.providers.fal import FalProvider
from jobs.providers.remote import Remote, call_off
from jobs.providers.replicate import ReplicateProvider
from jobs.providers.songs import SONG_MODELS
from jobs.providers.tables import MODELS, choose_model, find_model
from jobs.providers.wish import ClipWish, Entry, Journal, Recording, SongWish, Submission

__all__ = [
    "CLIP_MODELS",
    "MODELS",
    "SONG_MODELS",
    "CircuitState",
    "Circuits",
    "ClipWish",
    "Entry",
    "FalProvider",
    "Journal",
    "Local",
    "Member",
    "MusicProvider",
    "Pace",
    "Recorder",
    "Recording",
    "Remote",
    "ReplicateProvider",
    "SongWish",
    "Submission",
    "call_off",
    "choose_model",
    "find_model",
    "make_by_chain",
]
