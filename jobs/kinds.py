"""The contents page of the work that can be asked for: every kind of job, its queue and its actor."""

from jobs import analyses, clips, covers, imports, lyrics, probes, tracks, uploads, videos
from jobs.queue import Kind

KINDS = {
    kind.name: kind
    for kind in (
        Kind("tracks.render", "media", tracks.render, also_in=(tracks.REMOTE_QUEUE,)),
        Kind("tracks.import", "media", imports.import_upload),
        Kind("analyses.listen", "media", analyses.listen),
        Kind("covers.draw", "default", covers.draw),
        Kind("covers.rasterise", "default", covers.rasterise),
        Kind("uploads.check", "default", uploads.check),
        Kind("lyrics.align", "speech", lyrics.align),
        Kind(videos.KIND, videos.QUEUE, videos.render),
        Kind(videos.CLIP_KIND, videos.CLIP_QUEUE, clips.film_section),
        Kind("jobs.probe", "default", probes.probe),
    )
}
