"""The table of the fault matrix: rows are faults, columns the steps of a migration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.fault_stage import EUROPE, US

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.relay import Lie


@dataclass(frozen=True)
class Column:
    """A step, and the one request of it that is hit.

    In patterns stand names for digests, see `test_fault_matrix.Names`: `{layer}` and `{tagged}`
    are the own layer and the tagged manifest of image `b`, `{untagged}` is its other manifest,
    `{base}` the layer that `a` and `b` share.

    Attributes:
        name: its name.
        command: which command is run.
        phase: the step as the sandbox names it.
        host: who is asked.
        path: which request it is, of that step.
        method: its method, for a relay.
        roots: items that a fault which does not end makes fail; regular expression of a subject and
            what is said of it.
        blocked: what needs those.
        skip: how many of these requests a wire fault that ends lets pass, to hit one with a body.
    """

    name: str
    command: Literal["plan", "apply", "verify"]
    phase: str
    host: str
    path: str
    method: str
    roots: str
    blocked: str = "(?!)"
    skip: int = 0


B = "/app/b"
_OF_B = "app/b@{tagged}|app/b:1"
COLUMNS = [
    Column("token-of-plan", "plan", "token", US, "b%3Apull", "GET", "app/b(@{untagged})?( |$)"),
    Column(
        "listing-of-plan",
        "plan",
        "listing",
        US,
        "app/b/tags/list",
        "GET",
        "app/b(@{untagged})?( |$)",
    ),
    Column(
        "manifest-read-of-plan",
        "plan",
        "manifest-read",
        US,
        "app/b/.*{untagged}",
        "GET",
        "app/b(@{untagged})?( |$)",
    ),
    Column("token", "apply", "token", EUROPE, "b%3Apull%2Cpush", "GET", "app/b[:@]", "app/b[:@]"),
    Column("listing", "apply", "listing", EUROPE, "app/b/tags/list", "GET", "app/b:1"),
    Column("blob-read", "apply", "blob-read", US, "{layer}", "GET", "app/b@{layer}", _OF_B, 1),
    Column(
        "upload-start",
        "apply",
        "upload-start",
        EUROPE,
        "app/b/blobs/uploads/$",
        "POST",
        "app/b@(?!{tagged}|{untagged})",
        "app/b[:@]",
    ),
    Column("upload-body", "apply", "upload-body", EUROPE, "{layer}", "PUT", "b@{layer}", _OF_B),
    Column("upload-end", "apply", "upload-end", EUROPE, "{layer}", "PUT", "b@{layer}", _OF_B),
    Column(
        "mount",
        "apply",
        "mount",
        EUROPE,
        "mount={base}",
        "POST",
        "app/[ab]@{base}",
        "app/[ab]:1|app/[ab]@(?!{base})",
    ),
    Column(
        "manifest-write",
        "apply",
        "manifest-write",
        EUROPE,
        "{untagged}",
        "PUT",
        "app/b@{untagged}",
    ),
    Column("tag-write", "apply", "tag-write", EUROPE, "app/b/manifests/1", "PUT", "b:1|b@{tagged}"),
    Column("listing-of-verify", "verify", "listing", EUROPE, "app/b/tags/list", "GET", "b:1"),
    Column(
        "manifest-read-of-verify",
        "verify",
        "manifest-read",
        EUROPE,
        "app/b/.*{untagged}",
        "GET",
        "b@{untagged}",
    ),
]


@dataclass(frozen=True)
class End:
    """How a cell ends.

    Attributes:
        how: `heals`: as an undisturbed run; `fails`: exactly the items that are touched, and the
            rest is done; `stops`: the command ends there.
        code: of the problem; a regular expression.
        unproven: the run believes a lie, which `verify` finds by this code.
    """

    how: Literal["heals", "fails", "stops"]
    code: str = ""
    unproven: str = ""


HEALS = End("heals")


def fails(code: str) -> End:
    """The items that are touched fail, and nothing else."""
    return End("fails", code)


def stops(code: str) -> End:
    """The command ends with this."""
    return End("stops", code)


def unproven(code: str) -> End:
    """The run takes it for done, and `verify` finds that it is not."""
    return End("heals", unproven=code)


@dataclass(frozen=True)
class Row:
    """A fault.

    Attributes:
        name: its name.
        end: how its cells end.
        rule: what the sandbox does; `DATE`, `THIEF`, `STORE`, `LOOP`, `ZEROS` in it are
            made by the test.
        lie: what the relay does, if it is one of the wire.
        times: how often; None: for ever.
        but: columns that end in another way; None: it makes no sense there.
        only: the columns that it makes sense in; empty: all.
        touches_all: it is the whole service that is touched, not the items of the one request;
            after many in a row that ends the command.
    """

    name: str
    end: End
    rule: Mapping[str, Any] | None = None
    lie: Lie | None = None
    times: int | None = None
    but: Mapping[str, End | None] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    touches_all: bool = False

    def ends(self, column: Column) -> End | None:
        """How it ends in a column; None where it makes no sense."""
        if self.only and column.name not in self.only:
            return None
        return self.but.get(column.name, self.end)


def _status(code: int, **more: Any) -> dict[str, Any]:
    return {"status": code, **more}


def _of(command: str) -> tuple[str, ...]:
    return tuple(one.name for one in COLUMNS if one.command == command)


TOKENS = ("token-of-plan", "token")
WRITES = ("upload-start", "upload-body", "upload-end", "mount", "manifest-write", "tag-write")
BODIES = tuple(one.name for one in COLUMNS if one.name not in WRITES)
HASHED = ("manifest-read-of-plan", "blob-read", "manifest-read-of-verify")
MANIFESTS = ("manifest-read-of-plan", "manifest-read-of-verify")
# A list that is not there is a name that has nothing, which is no fault of the run; where tags are
# promised they are asked for one by one.
NOT_THERE = {"listing": HEALS, "listing-of-verify": HEALS}
# Only the answer is lost, and the target is asked whether it has the blob, or what the tag is.
HAS_COME = {"upload-body": HEALS, "upload-end": HEALS, "tag-write": HEALS}
# What is told to a mount alone costs no more than the mount: the blob is sent.
SENT = {"mount": HEALS}
LYING = ("upload-end", "mount", "manifest-write", "tag-write")

ROWS = [
    # A token that was given once cannot be had anew: the run is given back.
    Row(
        "401-once", HEALS, _status(401), times=1, but=dict.fromkeys(TOKENS, stops("token-expired"))
    ),
    Row(
        "401-for-ever",
        fails("unauthorized"),
        _status(401),
        but=dict.fromkeys(TOKENS, stops("token-expired")) | SENT,
    ),
    Row("token-ends", HEALS, {"ends_tokens": True}, times=1),
    Row("403-for-ever", fails("denied"), _status(403), but=SENT),
    Row(
        "404-for-ever",
        fails("name-unknown"),
        _status(404),
        but=NOT_THERE
        | {
            "blob-read": fails("blob-unknown"),
            "manifest-read-of-plan": fails("manifest-unknown"),
            "manifest-read-of-verify": fails("digest-gone"),
            "mount": HEALS,
            "upload-body": fails("request-refused"),
            "upload-end": fails("request-refused"),
        },
    ),
    Row("404-once", HEALS, _status(404), times=1, only=("upload-body", "upload-end", "mount")),
    Row("408-once", HEALS, _status(408), times=1),
    Row("408-for-ever", fails("unreachable"), _status(408), but=SENT),
    # The sandbox gives its tokens at an address that is none of Google's. To an upload it says that
    # its session is lost.
    Row(
        "412-for-ever",
        fails("not-migrated"),
        _status(412),
        but=dict.fromkeys((*TOKENS, "upload-body", "upload-end"), fails("request-refused")),
    ),
    Row("429-seconds", HEALS, _status(429, headers={"retry-after": "1"}), times=1),
    Row("429-date", HEALS, _status(429, headers={"retry-after": "DATE"}), times=1),
    Row("429-silent", HEALS, _status(429), times=2),
    Row("429-for-ever", fails("too-many-requests"), _status(429), touches_all=True, but=SENT),
    *(Row(f"{code}-burst", HEALS, _status(code), times=2) for code in (500, 502, 503, 504)),
    *(
        Row(f"{code}-for-ever", fails("server-error"), _status(code), but=SENT)
        for code in (500, 502, 503, 504)
    ),
    Row("500-after-it-was-done", HEALS, _status(500, when="after"), times=1),
    Row("reset-before", HEALS, lie="reset-before", times=1),
    Row("reset-within", HEALS, lie="reset-within", times=1),
    Row("reset-after", HEALS, lie="reset-after", times=1),
    Row("reset-for-ever", fails("unreachable"), lie="reset-before", but=SENT),
    Row("tls-break", HEALS, lie="tls", times=1),
    Row("tls-for-ever", fails("unreachable|bad-reply"), lie="tls", but=HAS_COME | SENT),
    Row("stall-once", HEALS, lie="stall", times=1),
    Row("stall-for-ever", fails("unreachable"), lie="stall", but=HAS_COME | SENT),
    Row("cut-once", HEALS, lie="cut", times=1, only=BODIES),
    Row("cut-for-ever", fails("bad-reply"), lie="cut", only=BODIES),
    # For ever it may heal or not: it depends on which packet they come in.
    Row("extra-bytes", HEALS, lie="extra", times=1, only=BODIES),
    Row("corrupt-once", HEALS, lie="corrupt", times=1, only=HASHED),
    Row(
        "corrupt-for-ever",
        fails("digest-mismatch"),
        lie="corrupt",
        only=HASHED,
        but={"manifest-read-of-verify": fails("bytes-differ")},
    ),
    Row(
        "corrupt-on-the-way-up",
        HEALS,
        lie="corrupt-request",
        times=1,
        only=("upload-body", "manifest-write"),
    ),
    Row("length-too-long", fails("bad-reply"), lie="longer", only=BODIES),
    # What is left over is seen at once, or by the hash.
    Row(
        "length-too-short",
        fails("bad-reply|digest-mismatch|bytes-differ"),
        lie="shorter",
        only=BODIES,
    ),
    Row(
        "redirect-to-a-thief",
        fails("bad-reply"),
        _status(302, headers={"location": "THIEF"}),
        but=SENT,
    ),
    Row(
        "redirect-to-a-store",
        HEALS,
        _status(302, headers={"location": "STORE"}),
        only=("blob-read",),
    ),
    Row("redirect-loop", fails("bad-reply"), _status(302, headers={"location": "LOOP"}), but=SENT),
    Row("clock-a-day-off", HEALS, lie="clock"),
    Row(
        "lying-201-names-another-digest",
        fails("digest-mismatch"),
        _status(201, headers={"docker-content-digest": "ZEROS"}),
        only=LYING,
        but=SENT,
    ),
    Row(
        "lying-201",
        unproven("digest-gone"),
        _status(201),
        times=1,
        only=LYING,
        # The target refuses the manifest then, so that the blob is sent after all.
        but={"upload-end": HEALS, "mount": HEALS, "tag-write": unproven("tag-gone")},
    ),
]
CELLS = [(row, column) for row in ROWS for column in COLUMNS if row.ends(column)]
