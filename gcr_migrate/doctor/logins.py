"""Judges credentials and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.doctor.answers import LOGIN_PROBLEMS, PlaceAnswers, why
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given
from gcr_migrate.doctor.remedies import LOG_IN, grant_impersonation, log_in_again
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.caller import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.doctor.answers import Answers
    from gcr_migrate.model.caller import Caller

_SKEW_UNTOLD_S: Final = 5.0  # services tell whole seconds, and answers take their time
_SKEW_WARNED_S: Final = 60.0
_SKEW_TOO_MUCH_S: Final = 300.0
_LONG_RUNS: Final = frozenset({Step.APPLY, Step.RESCUE})  # may take longer than a token lasts
_SHORT_S: Final = 600.0  # too little for any step
_RENEW: Final = "Use credentials that renew themselves for runs of more than an hour."


def login_checks(answers: Answers) -> Iterator[Check]:
    """Judge whose credentials were found, once for each login that is used."""
    places = answers.places[:1] if answers.case.one_login else answers.places
    for place in places:
        serving = answers.places if answers.case.one_login else (place,)
        steps = frozenset(step for one in serving for step in one.place.steps) & answers.steps
        refused = _refusal(answers, serving)
        side = "" if answers.case.one_login else f"{place.place.side}: "
        yield _login(side, place.caller, refused, steps, answers.now_s)


def _refusal(answers: Answers, places: tuple[PlaceAnswers, ...]) -> MigrateError | None:
    """Return the first refusal of a service that says that the login is no good."""
    found = [error for place in places for _, error in place.errors()]
    if any("source" in place.place.serves for place in places):
        found += [h.pull for h in answers.hosts.values() if isinstance(h.pull, MigrateError)]
    return next((error for error in found if error.problem in LOGIN_PROBLEMS), None)


def _login(
    side: str,
    caller: Caller | MigrateError,
    refused: MigrateError | None,
    steps: frozenset[Step],
    now_s: float,
) -> Check:
    area = Area.CREDENTIALS
    missing = given(steps, Status.MISSING)
    if isinstance(caller, MigrateError):
        code, remedy = caller.problem.code, caller.problem.remedy
        commands = log_in_again(caller.subject)
        if caller.problem is errors.NO_CREDENTIALS:
            commands = (LOG_IN,)
        if caller.problem is errors.IMPERSONATION_REFUSED:
            commands = (grant_impersonation(caller.subject),)
        return Check(area, f"{side}login", missing, why(caller), remedy, commands, code)
    subject = side + (caller.account or "account not told")
    if caller == ANONYMOUS:
        remedy = errors.NO_CREDENTIALS.remedy
        code = errors.NO_CREDENTIALS.code
        return Check(area, f"{side}anonymous", missing, "none were found", remedy, (LOG_IN,), code)
    if refused:
        saw = f"{caller.source}; {why(refused)}"
        code, remedy = refused.problem.code, refused.problem.remedy
        return Check(area, subject, missing, saw, remedy, log_in_again(caller.source), code)
    return _lifetime(subject, caller, steps, now_s)


def _lifetime(subject: str, caller: Caller, steps: frozenset[Step], now_s: float) -> Check:
    area, ok = Area.CREDENTIALS, given(steps, Status.OK)
    if caller.renewable:
        return Check(area, subject, ok, f"{caller.source}; renewed by itself")
    if caller.expires_at is None:
        verdicts = ok | given(steps & _LONG_RUNS, Status.WARNING)
        saw = f"{caller.source}; not renewable, and its end is not known"
        return Check(area, subject, verdicts, saw, _RENEW)
    left_s = caller.expires_at - now_s
    ends = datetime.fromtimestamp(caller.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if left_s <= 0:
        missing = given(steps, Status.MISSING)
        problem = errors.TOKEN_EXPIRED
        saw = f"{caller.source}; ended at {ends}"
        commands = log_in_again(caller.source)
        return Check(area, subject, missing, saw, problem.remedy, commands, problem.code)
    saw = f"{caller.source}; not renewable, ends at {ends} in {left_s / 60:.0f} min"
    short = steps if left_s < _SHORT_S else steps & _LONG_RUNS
    remedy = _RENEW if short else ""
    return Check(area, subject, ok | given(short, Status.WARNING), saw, remedy)


def clock_check(answers: Answers) -> Check:
    """Judge this machine's clock by what Google's answers say."""
    steps, skew_s = answers.steps, answers.skew_s
    if skew_s is None:
        saw = "no answer told a time"
        return Check(Area.CLOCK, "this machine's clock", given(steps, Status.NOT_ASKED), saw)
    status, remedy = Status.OK, ""
    if abs(skew_s) > _SKEW_WARNED_S:
        status = Status.MISSING if abs(skew_s) > _SKEW_TOO_MUCH_S else Status.WARNING
        remedy = "Set the clock; tokens and signatures are refused when it is wrong."
    if abs(skew_s) < _SKEW_UNTOLD_S:
        saw = "right to within a few seconds"
    else:
        saw = f"{abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}"
    commands = ("sudo timedatectl set-ntp true",) if remedy else ()
    verdicts = given(steps, status)
    return Check(Area.CLOCK, "this machine's clock", verdicts, saw, remedy, commands)
