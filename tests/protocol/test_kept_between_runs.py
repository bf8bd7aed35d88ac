"""What runs keep for each other: one suite for a file and for an object of Cloud Storage."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.oauth2.credentials import Credentials

from gcr_migrate.alarm.keeping import LocalFile, keep, recall
from gcr_migrate.alarm.news import Known
from gcr_migrate.alarm.trouble import seen
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.finding import Severity
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.wire.endpoints import Endpoints
from tests import google_clients as clients

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from gcr_migrate.alarm.memory import Memory
    from gcr_migrate.interfaces import Kept
    from gcr_migrate.sandbox.app import Sandbox

BUCKET, READER = "alarms-of-builds", "ya29.reader"
NIGHT = datetime(2026, 11, 27, 3, tzinfo=UTC)
SCENARIO = Scenario.model_validate(
    {
        "identities": [{}, {"member": "user:reader@example.com", "token": READER, "roles": []}],
        "projects": [
            {
                "id": "builds",
                "buckets": [
                    {
                        "name": BUCKET,
                        "bindings": [
                            {
                                "role": "roles/storage.objectViewer",
                                "members": ["user:reader@example.com"],
                            },
                            {
                                "role": "roles/storage.admin",
                                "members": ["projectOwner:builds"],
                            },
                        ],
                    }
                ],
            }
        ],
    }
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox with one bucket; each test has an object of its own."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


def endpoints(box: Sandbox) -> Endpoints:
    """Return where the sandbox's storage is."""
    return Endpoints.load(f"storage: {box.addresses['storage']}", "endpoints.yaml")


@pytest.fixture(params=["file", "object"])
def using(
    request: pytest.FixtureRequest, box: Sandbox, tmp_path: Path
) -> Callable[[Callable[[Kept], Awaitable[Any]]], Any]:
    """Do something with a place where nothing is yet."""

    def in_a_file(work: Callable[[Kept], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work(LocalFile(tmp_path / "state.json"))

        return asyncio.run(run())

    def in_an_object(work: Callable[[Kept], Awaitable[Any]]) -> Any:
        name = f"{request.node.name}/state.json"
        where = endpoints(box)
        return clients.using(where, lambda s: work(s.cloud_object(BUCKET, name)), box.token)

    return in_a_file if request.param == "file" else in_an_object


def learn(target: str) -> Callable[[Memory], Memory]:
    """Return who learns of one trouble of a target."""
    known = Known(seen("tag-gone", Severity.ERROR, f"{target}/app:1", ""), NIGHT, NIGHT, NIGHT)
    return lambda memory: memory.but(target, (known,), NIGHT)


def test_only_the_version_that_was_read_is_replaced(
    using: Callable[[Callable[[Kept], Awaitable[Any]]], Any],
) -> None:
    """Nothing is made over what is there, and nothing replaced that changed meanwhile."""

    async def work(kept: Kept) -> list[object]:
        told: list[object] = [await kept.read(), await kept.write(b"1", "")]
        first = await kept.read()
        assert first is not None
        told += [first[0], await kept.write(b"2", ""), await kept.write(b"3", first[1])]
        told += [await kept.write(b"4", first[1])]
        last = await kept.read()
        assert last is not None
        return [*told, last[0]]

    assert using(work) == [None, True, b"1", False, True, False, b"3"]


def test_two_runs_at_once_keep_what_each_has_learned(
    using: Callable[[Callable[[Kept], Awaitable[Any]]], Any],
) -> None:
    """Whoever comes second learns anew from what the first wrote."""

    async def work(kept: Kept) -> list[str]:
        await asyncio.gather(*(keep(kept, learn(name)) for name in "abc"))
        return [*(await recall(kept))[0].targets]

    assert using(work) == ["a", "b", "c"]


def test_what_is_no_memory_is_left_as_it_is(
    using: Callable[[Callable[[Kept], Awaitable[Any]]], Any],
) -> None:
    """A damaged one is told, and not written over."""

    async def work(kept: Kept) -> bytes:
        await kept.write(b'{"half": ', "")
        with pytest.raises(MigrateError) as caught:
            await keep(kept, learn("a"))
        assert (caught.value.problem.code, caught.value.subject) == ("bad-alarm-state", kept.name)
        found = await kept.read()
        assert found is not None
        return found[0]

    assert using(work) == b'{"half": '


def test_somebody_who_keeps_writing_is_told_of(tmp_path: Path) -> None:
    """After a few tries it is an error, and what the other wrote stays."""
    file = tmp_path / "state.json"
    turns = iter(range(100))

    def learned(memory: Memory) -> Memory:
        other = learn(f"other {next(turns)}")(memory)
        file.write_bytes(other.written())
        return learn("mine")(memory)

    with pytest.raises(MigrateError) as caught:
        asyncio.run(keep(LocalFile(file), learned))

    assert caught.value.problem.code == "alarm-state-busy"
    assert b"mine" not in file.read_bytes()


def test_a_bucket_that_is_not_there_or_not_ours_is_told(box: Sandbox, tmp_path: Path) -> None:
    """No object yet is no error; no bucket is one, and so is a missing right."""

    def code(bucket: str, token: str, *, writes: bool = False) -> str:
        async def work(kept: Kept) -> object:
            return await kept.write(b"1", "") if writes else await kept.read()

        with pytest.raises(MigrateError) as caught:
            clients.using(endpoints(box), lambda s: work(s.cloud_object(bucket, "s.json")), token)
        assert caught.value.subject == f"gs://{bucket}/s.json"
        return caught.value.problem.code

    assert code("no-such-bucket", box.token) == "file-missing"
    assert code(BUCKET, READER, writes=True) == "denied"
    with pytest.raises(MigrateError) as caught:
        asyncio.run(LocalFile(tmp_path / "no" / "s.json").read())
    assert caught.value.problem.code == "file-missing"


def test_googles_own_client_writes_objects_under_preconditions(box: Sandbox) -> None:
    """The sandbox takes uploads as the library sends them, and refuses as the service does."""
    credentials = Credentials(box.token)  # type: ignore[no-untyped-call]
    options = {"api_endpoint": box.addresses["storage"]}
    client = storage.Client(project="builds", credentials=credentials, client_options=options)
    blob = client.bucket(BUCKET).blob("by the library/a b.txt")

    blob.upload_from_string("one", if_generation_match=0)
    first = blob.generation
    blob.upload_from_string("two", if_generation_match=first)

    assert blob.generation > first
    assert blob.download_as_text(if_generation_match=blob.generation) == "two"
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string("three", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.reload(if_generation_match=first)
    assert not client.bucket(BUCKET).blob(blob.name, generation=first).exists()
    client.close()
