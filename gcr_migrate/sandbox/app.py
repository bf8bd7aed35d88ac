"""The sandbox as one server: a port for each registry host and each of Google's services.

Which host is meant follows from the port, so that clients may keep the real names in scopes and
reports and only their addresses change (an endpoints file maps the names to the ports).
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import asdict
from pydantic import ValidationError
from ruamel.yaml import YAML
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gcr_migrate.sandbox.answers import RefusalError, error, read_object
from gcr_migrate.sandbox.calls import NAME
from gcr_migrate.sandbox.contents import fill
from gcr_migrate.sandbox.faults import Entry, Fault, Faults, Log
from gcr_migrate.sandbox.registry import Registry
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from gcr_migrate.sandbox.services import API, METADATA, OAUTH, SERVICES, make_gates, make_services
from gcr_migrate.sandbox.serving import Ports
from gcr_migrate.sandbox.store import REGISTRY_HOSTS, Store
from gcr_migrate.sandbox.tls import Authority
from gcr_migrate.sandbox.tokens import Identity, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

_CONTROL: Final = "/_sandbox/"
_STORAGE: Final = "https://storage.googleapis.com"
_SERVICE_ACCOUNT: Final = re.compile(r"serviceAccount:[^@\s]+@[^@\s]+")


class Sandbox:
    """A registry to rehearse on.

    Args:
        directory: where blobs lie; made if it is missing.
        scenario: what it holds at the start.
        port_base: first of consecutive ports; without it the system chooses free ones.
        events: file to which each request is appended, as a line of JSON, before its answer.
        tls: serve TLS with an authority of its own, whose certificate lies in `directory`.

    Attributes:
        token: access token of the first identity.
        store: what it holds.
        log: requests that came.
        faults: what goes wrong with some.
        certificate: file of its authority's certificate; None without TLS.
    """

    def __init__(
        self,
        directory: Path,
        scenario: Scenario,
        *,
        port_base: int | None = None,
        events: Path | None = None,
        tls: bool = False,
    ) -> None:
        self.token = scenario.identities[0].token
        self.store = Store(directory)
        identities = [Identity(**part.model_dump()) for part in scenario.identities]
        self._tokens = Tokens(identities, scenario.token_lifetime, scenario.access_token_lifetime)
        fill(self.store, scenario)
        downloads = _STORAGE if scenario.blobs_from == "storage" else ""
        self._registry = Registry(self.store, self._tokens, scenario.limits, downloads)
        self._gates = make_gates(self.store, self._tokens, scenario)
        self.log, self.faults, self._events = Log(), Faults(), events
        authority = Authority(directory) if tls else None
        self.certificate = authority.certificate if authority else None
        context = authority.context if authority else None
        contexts = {
            host: authority.bad_context(trouble)
            for host, trouble in scenario.certificates.items()
            if authority
        }
        self._ports = Ports([*REGISTRY_HOSTS, *SERVICES], port_base, context, {METADATA}, contexts)
        self._services = make_services(self.store, self._tokens, scenario, self.addresses)

    @property
    def addresses(self) -> dict[str, str]:
        """Return the address of each registry host and of each service."""
        return self._ports.addresses

    @property
    def endpoints(self) -> dict[str, Any]:
        """Return what an endpoints file says, so that clients come here."""
        addresses = self.addresses
        registries = {host: addresses[host] for host in REGISTRY_HOSTS}
        return {"registries": registries} | {label: addresses[label] for label in SERVICES}

    @property
    def control_url(self) -> str:
        """Return the address under which requests, faults and state are found."""
        return f"{self.addresses[API]}{_CONTROL.rstrip('/')}"

    def write_endpoints(self, path: Path) -> None:
        """Write the endpoints file."""
        # Whoever waits for the file shall find all of it.
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("w", encoding="utf-8") as stream:
            YAML().dump(self.endpoints, stream)
        draft.replace(path)

    @contextmanager
    def start_in_background(self) -> Iterator[Sandbox]:
        """Serve in a thread of its own while the block runs."""
        with self._ports.serving(self):
            yield self

    def stop(self) -> None:
        """Let it end; may be called from any thread."""
        self._ports.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request = Request(scope, receive)
        host = self._ports.labels[scope["server"][1]]
        if host == API and request.url.path.startswith(_CONTROL):
            try:
                response = await self._control(request)
            except RefusalError as refusal:
                response = refusal.response
            await response(scope, receive, send)
            return
        path, query = request.url.path, request.url.query
        authorization = "authorization" in request.headers
        entry = self.log.open(host, request.method, path, query, authorization=authorization)
        caller = self._tokens.caller(request.headers.get("authorization", ""))
        entry.member = caller.identity.member if caller and caller.identity else ""
        target = f"{path}?{query}" if query else path
        fault = self.faults.find(host, request.method, target)
        if fault and fault.ends_logins:
            self._tokens.end(registry=True)
        elif fault and fault.ends_tokens:
            self._tokens.end_registry()
        exchange = _Exchange(self, entry, fault, receive, send)
        try:
            await exchange.run(scope, host)
        except ClientDisconnect:
            return  # a client that went away in mid-upload gets no answer

    async def answer(self, host: str, request: Request) -> Response:
        """Do the work of one request."""
        try:
            return await self._answer(host, request)
        except RefusalError as refusal:
            return refusal.response

    async def _answer(self, host: str, request: Request) -> Response:
        for gate in self._gates:
            refusal = gate.closed(host, request)
            if refusal:
                return refusal
        if host in REGISTRY_HOSTS:
            return await self._registry.answer(host, request)
        if host == "storage" and request.url.path.startswith("/artifacts-downloads/"):
            return await self._registry.download(request)
        if host in self._services:
            return await self._services[host].answer(request)
        return error(404, f"Method not found: {request.url.path}")

    async def issue_key(self, member: str, token_uri: str = "") -> dict[str, str]:
        """Make a key for a service account.

        Args:
            member: such as `serviceAccount:robot@project.iam.gserviceaccount.com`.
            token_uri: where its holder gets access tokens; here, if it is not stated.
        """
        email = member.partition(":")[2]
        return await self._tokens.keys.issue(email, token_uri or f"{self.addresses[OAUTH]}/token")

    def note(self, entry: Entry) -> None:
        """Append a request to the file of events, if there is one."""
        if self._events:
            with self._events.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(entry)) + "\n")

    async def _control(self, request: Request) -> Response:
        """Answer the calls by which tests steer the sandbox."""
        what = f"{request.method} {request.url.path.removeprefix(_CONTROL)}"
        if what == "POST faults":
            return await self._add_fault(request)
        if what in {"POST keys", "POST tokens/expire"}:
            return await self._credentials(what, request)
        calls: dict[str, Callable[[], Any]] = {
            "GET requests": self.log.plain,
            "GET requests/counts": lambda: dict(self.log.counts),
            "POST requests/reset": self.log.reset,
            "GET faults": self.faults.plain,
            "DELETE faults": self.faults.rules.clear,
            "GET state": self.store.state,
        }
        if what not in calls:
            return JSONResponse({"error": f"no such call: {what}"}, 404)
        return JSONResponse(calls[what]())

    async def _credentials(self, what: str, request: Request) -> Response:
        wanted = await read_object(request)
        member = str(wanted.get("member") or "")
        if what == "POST tokens/expire":
            self._tokens.end(member or None, registry=bool(wanted.get("registry")))
            return JSONResponse({})
        if not _SERVICE_ACCOUNT.fullmatch(member):
            return JSONResponse({"error": "member names no service account"}, 400)
        return JSONResponse(await self.issue_key(member, str(wanted.get("token_uri") or "")))

    async def _add_fault(self, request: Request) -> Response:
        try:
            rule = Fault.model_validate_json(await request.body())
        except ValidationError as wrong:
            return JSONResponse({"error": str(wrong)}, 400)
        self.faults.rules.append(rule)
        return JSONResponse(rule.plain())


class _Exchange:
    """One request on its way through the log and the faults."""

    def __init__(
        self, box: Sandbox, entry: Entry, fault: Fault | None, receive: Receive, send: Send
    ) -> None:
        self._box, self._entry, self._fault = box, entry, fault
        self._receive, self._send = receive, send

    async def run(self, scope: Scope, host: str) -> None:
        """Do the work, or what the fault says instead, and answer."""
        fault = self._fault
        if fault and fault.when == "before":
            await asyncio.sleep(fault.delay_s)
            if fault.status:
                if fault.phase != "upload-body":
                    await _drain(self._count)  # as a server behind a proxy would read it
                await _lie(fault)(scope, self._count, self._tell)
                return
        response = await self._box.answer(host, Request(scope, self._count))
        # From here on the work is done and can be seen to be, though nobody has been told.
        self._entry.status = response.status_code
        self._entry.name = self._entry.name or scope.get(NAME, "")
        self._box.note(self._entry)
        if fault and fault.when == "after":
            await asyncio.sleep(fault.delay_s)
            response = _lie(fault) if fault.status else response
        await response(scope, self._count, self._tell)

    async def _count(self) -> Message:
        message = await self._receive()
        self._entry.bytes_in += len(message.get("body", b""))
        return message

    async def _tell(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._entry.told = message["status"]
            self._entry.status = self._entry.status or message["status"]
        await self._send(message)


def _lie(fault: Fault) -> Response:
    return Response(fault.body, fault.status or 500, headers=fault.headers)


async def _drain(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


@contextmanager
def running(
    scenario: Scenario | str | Path,
    directory: Path,
    *,
    events: Path | None = None,
    tls: bool = False,
) -> Iterator[Sandbox]:
    """Run a sandbox while the block runs.

    Args:
        scenario: a scenario, or the name or path of one.
        directory: where blobs lie.
        events: file of requests, see `Sandbox`.
        tls: serve TLS, see `Sandbox`.

    Yields:
        The sandbox: `endpoints`, `write_endpoints`, `token`, `control_url`.
    """
    wanted = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    with Sandbox(directory, wanted, events=events, tls=tls).start_in_background() as box:
        yield box
