"""Alarms and pushes at the end of a run, each over its own connections."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate import logs
from gcr_migrate.alarm.keeping import LocalFile, keep, recall
from gcr_migrate.alarm.memory import Memory
from gcr_migrate.alarm.news import delivered, news_of, remembered
from gcr_migrate.alarm.sending import WITHIN_S, Receiver
from gcr_migrate.cli.telling import Format, Receivers, not_told, object_of
from gcr_migrate.errors import NOT_TOLD, MigrateError
from gcr_migrate.report.alarms import alarm_facts, look_of, slack_text
from gcr_migrate.report.proof_metrics import pushed
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.alarm.news import News
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.interfaces import Kept
    from gcr_migrate.report.standing import Standing
    from gcr_migrate.wire.secret import Secret

_JSON: Final = "application/json"
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_PUSHES_AT_ONCE: Final = 8


async def alarm(receivers: Receivers, way: Way, standings: Sequence[Standing]) -> None:
    """Tell what changed since the last run, and remember that it was told.

    First it is told, then remembered: a run that dies between the two is told twice, and no
    finding is ever kept back. A memory that cannot be read is told of, and left as it is.

    Args:
        receivers: who is told, and where it is remembered.
        way: how Google's services are reached.
        standings: what the run found.
    """
    at = datetime.now(UTC)
    looks = [look_of(standing, at, of=len(standings)) for standing in standings]
    async with AsyncExitStack() as stack:
        kept, memory = None, Memory.empty()
        try:
            kept = await _kept(receivers.state, way, stack)
            if kept:
                memory, _ = await recall(kept)
        except MigrateError as error:
            not_told(error)
            kept = None
        news = [news_of(memory.known(look.target), look, receivers.remind_after) for look in looks]
        _log_news(news)
        was_told = await _post(receivers, way, news, standings, at)
        if kept is None:
            return

        def learned(before: Memory) -> Memory:
            for look in looks:
                known = before.known(look.target)
                again = news_of(known, look, receivers.remind_after)
                before = before.but(
                    look.target, remembered(known, again, at, told.get(look.target)), at
                )
            return before

        told = {one.target: delivered(one) for one in news} if was_told else {}
        try:
            await keep(kept, learned)
        except MigrateError as error:
            not_told(error)


async def push(gateway: Secret, way: Way, standings: Sequence[Standing], began_at: float) -> None:
    """Push the metrics of each target as a group of its own; after a failure no more are."""
    name = f"push gateway {gateway.reveal()}"
    done = 0
    try:
        async with way.outside() as wire, asyncio.timeout(WITHIN_S):
            receiver = Receiver(wire, gateway, name)

            async def one(standing: Standing) -> None:
                nonlocal done
                path, body = pushed(standing, began_at)
                await receiver.post(body, _METRICS, below=path)
                done += 1

            await a_few_of((one(standing) for standing in standings), _PUSHES_AT_ONCE)
    except MigrateError as error:
        not_told(error)
    except TimeoutError:
        saw = f"{done} of {len(standings)} were taken within {WITHIN_S:g} s"
        not_told(MigrateError(NOT_TOLD, subject=name, saw=saw))


async def _kept(state: str, way: Way, stack: AsyncExitStack) -> Kept | None:
    if not state:
        return None
    if not state.startswith("gs://"):
        return LocalFile(Path(state))
    connections = await stack.enter_async_context(way.open())
    return connections.kept_object(*object_of(state))


def _log_news(news: Sequence[News]) -> None:
    """Log what is told: a log that alarms needs no webhook."""
    for one in news:
        for event, pile in (
            ("alarm.new", one.new),
            ("alarm.reminder", one.reminders),
            ("alarm.over", one.over),
        ):
            for known in pile:
                trouble = known.trouble
                logs.warning(
                    event,
                    target=one.target,
                    code=trouble.code,
                    subject=trouble.subject,
                    count=trouble.count,
                    saw=trouble.saw,
                    since=known.since.isoformat(timespec="seconds"),
                )


async def _post(
    receivers: Receivers,
    way: Way,
    news: Sequence[News],
    standings: Sequence[Standing],
    at: datetime,
) -> bool:
    """Post the news, if there is any; return whether whoever is to be told has been."""
    if receivers.webhook is None or all(one.is_empty for one in news):
        return True
    number = uuid.uuid4().hex
    facts = alarm_facts(news, standings, at, number)
    text = slack_text(facts) if receivers.form is Format.SLACK else "".join(facts.json_parts())
    try:
        async with way.outside() as wire:
            receiver = Receiver(wire, receivers.webhook, "webhook")
            await receiver.post(text.encode(), _JSON, key=number)
    except MigrateError as error:
        not_told(error)
        return False
    return True
