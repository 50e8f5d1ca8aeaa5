"""Singing: words are read or written, set to a melody, and sung by a voice that is spoken or built of formants."""
