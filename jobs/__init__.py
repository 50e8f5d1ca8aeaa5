"""What takes time: actors, media engines, formats, providers."""
