"""The worker process: Dramatiq's threads take jobs, the loop beside them keeps order, SIGTERM drains both."""

import asyncio
import os
import signal
import socket
from collections.abc import Collection, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

import uvicorn
from dramatiq import Actor, Worker
from starlette.applications import Starlette

from jobs import bridge, schedule
from jobs.engines.run import warm_up
from jobs.foundry import Foundry, open_foundry
from jobs.kinds import KINDS
from jobs.queue import QUEUES, Desk, Queue
from jobs.submissions import call_off_strays
from jobs.uploads import drop_strays, expire_uploads
from jobs.videos import QUEUE as VIDEOS_QUEUE
from jobs.videos import drop_stale, find_codecs, tell_codecs
from jobs.webhooks.sender import open_sender
from server.health import Health
from server.logs import get_logger
from server.resources import Resources, open_resources
from server.settings import Settings
from storage import clips, lyrics, providers, videos, webhooks

STOP_MILLISECONDS = 10_000

log = get_logger(__name__)


async def work(settings: Settings, queues: Collection[str]) -> None:
    """Work on these queues until told to stop."""
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(settings))
        bridge.bind(asyncio.get_running_loop())
        await asyncio.to_thread(warm_up, "server.logs", "jobs.engines.tracks")
        name = f"{socket.gethostname()}:{os.getpid()}"
        foundry = open_foundry(settings)
        stack.push_async_callback(foundry.close)
        desk = Desk(
            KINDS,
            resources.blobs,
            foundry,
            worker=name,
            engine_memory_bytes=settings.engine_memory_mb << 20,
            engines_at_once=settings.worker_slots,
        )
        workers = await asyncio.to_thread(_start_workers, resources, desk, [QUEUES[queue] for queue in queues])
        sender = open_sender(settings)
        stack.push_async_callback(sender.close)
        health = Health(resources)
        chores = _chores(resources, foundry, health, name) + ([sender.run()] if "delivery" in queues else [])
        chores += [_tell_codecs(name, settings.engine_memory_mb << 20)] if VIDEOS_QUEUE in queues else []
        tasks = [asyncio.create_task(chore) for chore in chores]
        log.info("worker.ready", queues=sorted(queues), worker=name)
        await _stop_signal()
        health.draining = True
        await asyncio.gather(_drain(desk, workers, settings.drain_seconds), sender.drain(settings.drain_seconds))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _start_workers(resources: Resources, desk: Desk, queues: Collection[Queue]) -> list[Worker]:
    """A Dramatiq worker for each queue, so that a slow class of work cannot take another's threads."""
    broker = resources.bell.broker
    for kind in KINDS.values():
        Actor(
            partial(_answer, desk),
            broker=broker,
            actor_name=kind.name,
            queue_name=kind.queue,
            priority=0,
            options={},
        )
        for name in kind.also_in:
            broker.declare_queue(name)
    workers = []
    for queue in queues:
        slots = queue.slots or resources.settings.worker_slots
        worker = Worker(broker, queues={queue.name}, worker_timeout=queue.poll_milliseconds, worker_threads=slots)
        worker.queue_prefetch = slots  # no more than are worked on: what waits in memory waits for nobody else
        worker.start()
        workers.append(worker)
    return workers


def _answer(desk: Desk, _job_id: str, queue: str) -> None:
    desk.answer(QUEUES[queue])


def _chores(resources: Resources, foundry: Foundry, health: Health, name: str) -> list[Coroutine[Any, Any, None]]:
    chores = [
        schedule.keep_doing(partial(schedule.dispatch, resources.bell), schedule.DISPATCH_SECONDS),
        schedule.keep_doing(schedule.reap, schedule.REAP_SECONDS),
        schedule.keep_doing(partial(schedule.sweep, resources.blobs), schedule.SWEEP_SECONDS),
        schedule.keep_doing(
            partial(webhooks.sweep_deliveries, resources.settings.webhook_retention_days), schedule.SWEEP_SECONDS
        ),
        schedule.keep_doing(partial(expire_uploads, resources.blobs), schedule.EXPIRE_SECONDS),
        schedule.keep_doing(partial(drop_strays, resources.blobs), schedule.SWEEP_SECONDS),
        schedule.keep_doing(partial(drop_stale, resources.blobs), schedule.EXPIRE_SECONDS),
        schedule.keep_doing(videos.expire_films, schedule.SWEEP_SECONDS),
        schedule.keep_doing(
            partial(clips.expire_clips, resources.settings.video_retention_days), schedule.SWEEP_SECONDS
        ),
        schedule.keep_doing(partial(lyrics.forget_heard, resources.settings.lyrics_cache_days), schedule.SWEEP_SECONDS),
        schedule.keep_doing(partial(call_off_strays, foundry.providers), schedule.CALL_OFF_SECONDS),
    ]
    tell_circuits = partial(foundry.tell_circuits, name)
    chores += [
        schedule.keep_doing(tell_circuits, schedule.TELL_SECONDS),
        schedule.keep_doing(providers.forget_outcomes, schedule.SWEEP_SECONDS),
    ]
    if foundry.hints is not None:
        chores.append(foundry.hints.listen())
    port = resources.settings.worker_metrics_port
    return [*chores, _serve_health(health, resources.settings.host, port)] if port else chores


async def _tell_codecs(name: str, memory_bytes: int) -> None:
    """Those that open here, found once, and not while the first jobs are taken up."""
    await asyncio.sleep(schedule.TELL_SECONDS)
    codecs = await asyncio.to_thread(find_codecs, memory_bytes)
    if codecs is not None:
        await schedule.keep_doing(partial(tell_codecs, name, codecs), schedule.TELL_SECONDS)


async def _serve_health(health: Health, host: str, port: int) -> None:
    config = uvicorn.Config(
        Starlette(routes=health.routes()), host=host, port=port, log_config=None, access_log=False, lifespan="off"
    )
    await Quiet(config).serve()


class Quiet(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    await stop.wait()


async def _drain(desk: Desk, workers: Collection[Worker], seconds: float) -> None:
    """Take nothing new, let what runs go on for a while, then have it given back."""
    log.info("worker.draining")
    desk.close()
    await asyncio.to_thread(desk.wait_until_idle, seconds)
    desk.interrupt()
    await asyncio.gather(*(asyncio.to_thread(worker.stop, STOP_MILLISECONDS) for worker in workers))
