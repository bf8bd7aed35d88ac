"""A service and its timer for systemd, and a second pair that watches for silence (FACTS 15.5)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from gcr_migrate.schedule import gcloud
from gcr_migrate.schedule.text import comment, head
from gcr_migrate.schedule.words import for_systemd, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.schedule.job import Job
    from gcr_migrate.schedule.words import Input

_KEPT: Final = "/etc/gcr-migrate"
_HARD: Final = """\
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
"""
_UNTRIED: Final = (
    "Tried: systemd 252 verifies it and reads back the command, which is run, in tests. Not tried:"
    " a night under systemd with all these restrictions."
)


def render(job: Job, version: str) -> dict[str, str]:
    """Return the files, by name."""
    name = job.name
    put = ", ".join(f"{_KEPT}/{one.name}" for one in (*job.inputs("secret"), *job.inputs("file")))
    told = [
        "Apply it so, as root, after identity.sh:",
        f"  install -m 644 {name}*.service {name}*.timer /etc/systemd/system/",
        "  systemctl daemon-reload",
        f"  systemctl start {name}.service  # once, before the watch begins",
        f"  systemctl enable --now {name}.timer {name}-watch.timer",
        (
            f"A key or a configuration of workload identity for {job.account} belongs into"
            f" {_KEPT}/google.json, for root only. On a machine of Google's that has this account,"
            " delete the two lines that name google.json."
        ),
    ]
    told += [f"It reads {put} too; secrets for root only."] if put else []
    identity_head = head(
        f"{name}: account and roles in Google Cloud, with gcloud.",
        [
            f"Run it {gcloud.by_whom(job)}.",
            "Tried: run in tests with a gcloud that only takes notes. Not tried: Google Cloud.",
        ],
        version,
    )

    def unit(what: str, extra: Iterable[str], body: str) -> str:
        return comment(head(f"{name}: {what}", [*extra, _UNTRIED], version)) + "\n" + body

    return {
        "identity.sh": gcloud.script(identity_head, _commands(job)),
        f"{name}.service": unit("the job.", told, _service(job)),
        f"{name}.timer": unit("when the job runs.", [], _timer(job)),
        f"{name}-watch.service": unit(
            "fails when there was no success for too long.",
            ["A machine that is off cannot tell: watch it from outside as well."],
            _watch(job),
        ),
        f"{name}-watch.timer": unit("when the watch looks.", [], _watch_timer(job)),
        f"{name}-alert@.service": unit("tells somebody that a unit failed.", [], _alert(job)),
    }


def _commands(job: Job) -> list[str]:
    return [gcloud.enabled(job, "artifactregistry"), *gcloud.identity(job)]


def _service(job: Job) -> str:
    words = [
        for_systemd(one.text)[:-1] + _place(one.input) + for_systemd(one.after)[1:]
        for one in job.words
    ]
    loaded = "".join(
        f"LoadCredential={one.name}:{_KEPT}/{one.name}\n" for one in job.inputs("secret")
    )
    apart = sorted(
        {
            str(PurePosixPath(path).parent)
            for path in job.outputs
            if not PurePosixPath(path).is_relative_to(f"/var/lib/{job.name}")
        }
    )
    paths = "".join(f"ReadWritePaths={plain(path)}\n" for path in apart)
    return f"""\
[Unit]
Description=Verification of container images ({job.name})
Wants=network-online.target
After=network-online.target
OnFailure={job.name}-alert@%n.service

[Service]
Type=oneshot
# No SuccessExitStatus: what differs or could not be checked has to fail this unit.
ExecStart={for_systemd(job.program)} {" ".join(words)}
ExecStartPost=/usr/bin/touch %S/{job.name}/last-success
TimeoutStartSec={job.deadline_s}
DynamicUser=yes
StateDirectory={job.name}
WorkingDirectory=%S/{job.name}
Environment=HOME=%S/{job.name}
LoadCredential=google.json:{_KEPT}/google.json
Environment=GOOGLE_APPLICATION_CREDENTIALS=%d/google.json
{loaded}MemoryMax=1G
{paths}{_HARD}"""


def _place(one: Input | None) -> str:
    """Return where an input is, in systemd's own words."""
    if one is None:
        return ""
    return f"%d/{one.name}" if one.kind == "secret" else f"{_KEPT}/{one.name}"


def _timer(job: Job) -> str:
    times = "".join(f"OnCalendar={line}\n" for line in job.cron.calendar(job.zone))
    return f"""\
[Unit]
Description=Times of {job.name}

[Timer]
{times}# After a time without power one run is made up for. A run that is on is not started twice.
Persistent=yes
RandomizedDelaySec=5min
FixedRandomDelay=yes

[Install]
WantedBy=timers.target
"""


def _watch(job: Job) -> str:
    look = f'test -n "$(find /var/lib/{job.name}/last-success -mmin -{job.silence_h * 60})"'
    hard = _HARD.replace("CapabilityBoundingSet=\n", "CapabilityBoundingSet=CAP_DAC_READ_SEARCH\n")
    return f"""\
[Unit]
Description=Whether {job.name} was well within {job.silence_h} hours
OnFailure={job.name}-alert@%n.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c {for_systemd(look)}
TimeoutStartSec=60
{hard}"""


def _watch_timer(job: Job) -> str:
    return f"""\
[Unit]
Description=When {job.name}-watch looks

[Timer]
OnCalendar=*-*-* 00/6:30:00
Persistent=yes

[Install]
WantedBy=timers.target
"""


def _alert(job: Job) -> str:
    tell = " ".join(for_systemd(one) + " %i" for one in job.notify)
    note = "# It gets the name of the unit as its argument, and runs as root.\n"
    if not job.notify:
        note = "# Only the journal is told: say --notify PROGRAM when this is rendered.\n"
        tell = f'/usr/bin/logger --priority=user.alert --tag={job.name} "%i failed"'
    return f"""\
[Unit]
Description=Tells that %i failed

[Service]
Type=oneshot
{note}ExecStart={tell}
TimeoutStartSec=300
"""
