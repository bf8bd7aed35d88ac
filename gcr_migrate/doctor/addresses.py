"""Judges how the names of both worlds resolve: gcr.io hosts and Artifact Registry's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.doctor.answers import why
from gcr_migrate.doctor.checks import STEPS_OF, Area, Check, Status, Step, given
from gcr_migrate.doctor.remedies import PRIVATE_ADDRESSES, RESTRICTED_ADDRESSES, private_zone
from gcr_migrate.doctor.usage import in_use
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.address import Range, Reach, Way
from gcr_migrate.model.names import ar_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.doctor.answers import Answers
    from gcr_migrate.doctor.checks import Side


def dns_checks(answers: Answers) -> Iterator[Check]:
    """Judge each host by itself, and against the virtual addresses that others lead to."""
    used = _used(answers)
    ways = {host: way for host, way in answers.ways.items() if host in used}
    ranges = {
        one.range
        for one in ways.values()
        if isinstance(one, Way) and one.reach is Reach.DIRECT and one.addresses
    }
    virtual = next((one for one in (Range.RESTRICTED, Range.PRIVATE) if one in ranges), None)
    for host, way in ways.items():
        yield _check(host, way, virtual, _steps(answers, host))


def _used(answers: Answers) -> frozenset[str]:
    """Return the hosts that matter: no names for gcr.io hosts that the project does not use."""
    case = answers.case
    locations = [*case.locations, *(name.split("/")[3] for name in case.repositories)]
    return _of_source(answers) | {ar_host(location) for location in locations}


def _of_source(answers: Answers) -> frozenset[str]:
    """Return the hosts of the source: its images have names at gcr.io and Artifact Registry."""
    names, read = in_use(answers), answers.case.read_location
    names |= {ar_host(read)} if read else set()
    return names | {ar_host(host.location) for host in answers.hosts if host.name in names}


def _steps(answers: Answers, host: str) -> frozenset[Step]:
    """Return the steps that ask a host: targets are never asked by those of the source alone."""
    sides: set[Side] = set()
    if host in _of_source(answers):
        sides.add("source")
    if not host.endswith("gcr.io") and answers.case.target:
        sides.add("target")
    return frozenset(step for side in sides for step in STEPS_OF[side]) & answers.steps


def _check(
    host: str, way: Way | MigrateError, virtual: Range | None, steps: frozenset[Step]
) -> Check:
    def line(status: Status, saw: str, remedy: str = "", commands: tuple[str, ...] = ()) -> Check:
        return Check(Area.DNS, host, given(steps, status), saw, remedy, commands, code)

    code = way.problem.code if isinstance(way, MigrateError) else ""
    if isinstance(way, MigrateError):
        commands = _zone(host, virtual) if virtual else ()
        remedy = _remedy(host, virtual) if virtual else way.problem.remedy
        return line(Status.MISSING, why(way), remedy, commands)
    if way.reach is Reach.MAPPED:
        return line(Status.NOT_ASKED, "the endpoints file maps it to another address")
    if way.reach is Reach.PROXY:
        return line(Status.NOT_ASKED, f"the proxy {way.via} looks it up")
    shown = ", ".join(way.addresses[:4])
    words = {
        Range.RESTRICTED: "Google's restricted virtual addresses",
        Range.PRIVATE: "Google's private virtual addresses",
        Range.PUBLIC: "public or other addresses",
    }
    saw = f"{words[way.range]}: {shown}"
    if virtual and way.range is not virtual:
        saw += f"; other names lead to {words[virtual]}"
        return line(Status.WARNING, saw, _remedy(host, virtual), _zone(host, virtual))
    return line(Status.OK, saw)


def _domain(host: str) -> str:
    return next((d for d in ("gcr.io", "pkg.dev") if host.endswith(d)), host)


def _remedy(host: str, virtual: Range) -> str:
    domain = _domain(host)
    return (
        f"Send {domain} and *.{domain} to the {virtual} addresses too, "
        "or clients behind the private zone cannot reach it."
    )


def _zone(host: str, virtual: Range) -> tuple[str, ...]:
    addresses: Mapping[Range, str] = {
        Range.RESTRICTED: RESTRICTED_ADDRESSES,
        Range.PRIVATE: PRIVATE_ADDRESSES,
    }
    return private_zone(_domain(host), addresses[virtual])
