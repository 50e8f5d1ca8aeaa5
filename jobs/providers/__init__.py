"""The outside services that make music for us, and the chain that asks one after the other."""

from jobs.providers.base import MusicProvider, Pace
from jobs.providers.chain import Local, Member, Recorder, make_by_chain
from jobs.providers.circuits import Circuits, CircuitState
from jobs.providers.fal import FalProvider
from jobs.providers.models import MODELS, choose_model, find_model
from jobs.providers.remote import Remote, call_off
from jobs.providers.replicate import ReplicateProvider
from jobs.providers.wish import Entry, Journal, Recording, SongWish, Submission

__all__ = [
    "MODELS",
    "CircuitState",
    "Circuits",
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
