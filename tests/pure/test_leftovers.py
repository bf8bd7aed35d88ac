"""What may go, by examples: one thing is not as it should be, and one claim says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.leftovers.ask import logged_pulls
from gcr_migrate.leftovers.buckets import judge_bucket
from gcr_migrate.leftovers.claims import Claim, ClaimName, Standing, Verdict, verdict_of
from gcr_migrate.leftovers.costs import bucket_cost, repository_cost
from gcr_migrate.leftovers.evidence import Compared, Held, Moves
from gcr_migrate.leftovers.repositories import judge_repository
from gcr_migrate.model.cloud import DockerImage, Redirection
from gcr_migrate.model.content import Digest
from gcr_migrate.model.prices import Prices
from gcr_migrate.model.pulls import Pulls, Silence
from gcr_migrate.model.storage import StoredObject
from gcr_migrate.report.leftovers import LeftoversFacts, leftover_lines
from tests.leftovers import (
    BLOBS,
    DAY_MS,
    FACTS,
    HOST,
    NOW_MS,
    PROJECT,
    REFUSED,
    SETTINGS,
    bucket,
    contents,
    listed,
    project,
    pulls,
    redirect,
    repository,
)
from tests.made import made

_NAMES, _STANDINGS = st.sampled_from(ClaimName), st.sampled_from(Standing)
_CLAIMS = st.lists(made(Claim, _NAMES, _STANDINGS, st.just("")), min_size=1).map(tuple)
KEEP, UNPROVEN = Verdict.KEEP, Verdict.UNPROVEN
STRANGE = StoredObject("backups/db.sql", 7, "STANDARD", NOW_MS)
OLD_TAG = StoredObject("containers/repositories/library/web/app/tag_1.0", 5, "STANDARD", 0)


def _open(claims: tuple[Claim, ...]) -> dict[str, str]:
    return {one.name: one.saw for one in claims if one.standing is not Standing.PROVEN}


def test_a_bucket_may_go_when_all_is_proven() -> None:
    """Then, and only then, there is something to run; its cost is known by the table."""
    found = judge_bucket(project(), bucket(), Prices(), NOW_MS)
    assert (found.verdict, _open(found.claims)) == (Verdict.MAY_GO, {})
    assert found.command == "gcloud storage rm --recursive gs://us.artifacts.builds.appspot.com"
    assert (found.cost.size_bytes, found.cost.usd_a_month) == (3 * 2**30, 0.08)


@pytest.mark.parametrize(
    ("around", "change", "verdict", "claim", "word"),
    [
        (
            {"redirect": redirect(Redirection.ENABLED_AND_COPYING)},
            {},
            KEEP,
            "redirected",
            "copied out",
        ),
        ({"redirect": redirect(Redirection.DISABLED)}, {}, KEEP, "redirected", "only copy"),
        ({"redirect": redirect(Redirection.UNKNOWN)}, {}, KEEP, "redirected", "not known"),
        ({"redirect": redirect(Redirection.PARTIAL)}, {}, KEEP, "redirected", "not all requests"),
        ({"redirect": REFUSED}, {}, UNPROVEN, "redirected", "403"),
        ({"repositories": ()}, {}, KEEP, "served", "no repository us.gcr.io in us"),
        ({"has_repository": {"us": REFUSED}}, {}, UNPROVEN, "served", "403"),
        ({}, {"listed": ()}, UNPROVEN, "copied", "no file was given"),
        ({}, {"listed": (listed(is_complete=False),)}, UNPROVEN, "copied", "does not list all"),
        ({}, {"listed": (listed(gone=1),)}, UNPROVEN, "copied", "1 of 3 manifests in m are gone"),
        ({}, {"listed": (listed(gone=REFUSED),)}, UNPROVEN, "copied", "403"),
        (
            {},
            {"listed": (listed(blobs={BLOBS[0]: "app"}),)},
            UNPROVEN,
            "copied",
            "2 of 3 blobs are of no image in m",
        ),
        ({}, {"lost": frozenset(BLOBS[:1])}, KEEP, "copied", "lacks 1 of 3 blobs"),
        ({}, {"lost": None}, UNPROVEN, "copied", "not asked for each blob"),
        ({}, {"lost": REFUSED}, UNPROVEN, "copied", "403"),
        ({}, {"contents": contents(OLD_TAG)}, UNPROVEN, "names-copied", "such as web/app:1.0"),
        ({}, {"contents": contents(STRANGE)}, KEEP, "alone", "1 other objects: backups/db.sql"),
        ({}, {"contents": contents(held=2)}, KEEP, "deletable", "2 objects are held"),
        (
            {},
            {"settings": replace(SETTINGS, retention_s=700 * 86_400, retention_locked=True)},
            KEEP,
            "deletable",
            "a locked rule retains objects for 700 days, the newest until 2027-02-26",
        ),
        (
            {},
            {"contents": contents(retained_until_ms=NOW_MS + DAY_MS)},
            KEEP,
            "deletable",
            "retained until",
        ),
    ],
)
def test_a_bucket_is_kept_for_one_reason(
    around: dict[str, Any], change: dict[str, Any], verdict: Verdict, claim: str, word: str
) -> None:
    """Whatever is not proven is named by its claim, and nothing is to be run."""
    found = judge_bucket(project(**around), bucket(**change), Prices(), NOW_MS)
    missing = _open(found.claims)
    assert (found.verdict, list(missing), found.command) == (verdict, [claim], "")
    assert word in missing[claim]
    assert all(one.remedy for one in found.claims if one.name == claim)


@pytest.mark.parametrize(
    "change",
    [{"settings": REFUSED}, {"contents": REFUSED}, {"contents": contents(is_complete=False)}],
)
def test_what_was_not_wholly_seen_is_not_proven(change: dict[str, Any]) -> None:
    """Neither is its cost; of a part nothing is concluded about the rest."""
    found = judge_bucket(project(), bucket(**change), Prices(), NOW_MS)
    assert (found.verdict, found.command, found.cost.usd_a_month) == (UNPROVEN, "", None)
    assert found.cost.why


def test_a_bucket_of_another_project_is_left_to_it() -> None:
    """The name alone says nothing: no further claim is made, and no cost is told."""
    other = replace(SETTINGS, project_number="77")
    found = judge_bucket(project(), bucket(settings=other), Prices(), NOW_MS)
    assert (found.verdict, len(found.claims)) == (Verdict.NOT_YOURS, 1)
    assert (found.command, found.cost.usd_a_month) == ("", None)


def test_old_retention_rules_and_old_tags_can_be_done_with() -> None:
    """A rule whose time is over holds nothing; tags that a file lists are no loss."""
    kept = bucket(
        settings=replace(SETTINGS, retention_s=30 * 86_400, soft_delete_s=7 * 86_400),
        contents=contents(OLD_TAG),
        listed=(listed(tags=frozenset({("web/app", "1.0")})),),
    )
    found = judge_bucket(project(), kept, Prices(), NOW_MS)
    assert found.verdict is Verdict.MAY_GO
    assert found.notes == ("what is deleted can be restored for 7 days, and is billed until then",)


def test_a_repository_may_go_when_all_is_proven() -> None:
    """The command names it as `gcloud` does; its cost is that of the table."""
    found = judge_repository(project(), repository(), Prices(), NOW_MS, 90)
    assert (found.verdict, _open(found.claims)) == (Verdict.MAY_GO, {})
    command = "gcloud artifacts repositories delete us.gcr.io --location=us --project=builds"
    assert (found.command, found.cost.usd_a_month) == (command, 0.50)


@pytest.mark.parametrize(
    ("change", "verdict", "claim", "word"),
    [
        ({"moves": None, "compared": None}, UNPROVEN, "moved", "no migration file"),
        ({"compared": REFUSED}, UNPROVEN, "moved", "403"),
        ({"compared": Compared(3, 2, 1, ["app:1"])}, KEEP, "moved", "1 are at no target: app:1"),
        (
            {"compared": Compared(3, 2, 1, ["app:1"]), "moves": Moves(("m",), {}, ("r.example",))},
            UNPROVEN,
            "moved",
            "r.example cannot be listed here",
        ),
        ({"pulls": None}, UNPROVEN, "not-pulled", "no audit log"),
        (
            {"pulls": pulls(last_ms=NOW_MS - DAY_MS, last_name="us-docker.pkg.dev/b/us.gcr.io/x")},
            KEEP,
            "not-pulled",
            "us.gcr.io/x was pulled on",
        ),
        (
            {"pulls": pulls(begins_ms=NOW_MS - 5 * DAY_MS)},
            UNPROVEN,
            "not-pulled",
            "does not tell of 90 days",
        ),
        (
            {"pulls": pulls(ends_ms=NOW_MS - 20 * DAY_MS)},
            UNPROVEN,
            "not-pulled",
            "nothing tells of the days since",
        ),
        ({"pulls": pulls(begins_ms=None)}, UNPROVEN, "not-pulled", "nothing of the project"),
        (
            {"virtual": ("projects/b/locations/us/repositories/all",)},
            KEEP,
            "not-an-upstream",
            "all",
        ),
        ({"virtual": REFUSED}, UNPROVEN, "not-an-upstream", "403"),
    ],
)
def test_a_repository_is_kept_for_one_reason(
    change: dict[str, Any], verdict: Verdict, claim: str, word: str
) -> None:
    """Whatever is not proven is named by its claim, and nothing is to be run."""
    found = judge_repository(project(), repository(**change), Prices(), NOW_MS, 90)
    missing = _open(found.claims)
    assert (found.verdict, list(missing), found.command) == (verdict, [claim], "")
    assert word in missing[claim]


def test_a_pull_long_ago_is_no_pull_of_late() -> None:
    """It is told all the same."""
    kept = repository(pulls=pulls(last_ms=NOW_MS - 100 * DAY_MS, last_name="x"))
    found = judge_repository(project(), kept, Prices(), NOW_MS, 90)
    assert found.verdict is Verdict.MAY_GO
    assert any("the last on" in one.saw for one in found.claims)


@pytest.mark.parametrize(("days_ago", "verdict"), [(60, UNPROVEN), (120, Verdict.MAY_GO)])
def test_a_log_with_a_gap_proves_nothing_of_that_time(days_ago: int, verdict: Verdict) -> None:
    """Days without any entry keep a repository only if they are of the time that counts."""
    first = datetime.fromtimestamp(NOW_MS / 1000, UTC).date() - timedelta(days=days_ago)
    gap = Silence(first, first + timedelta(days=9))
    kept = repository(pulls=pulls(silences=(gap,)))
    found = judge_repository(project(), kept, Prices(), NOW_MS, 90)
    assert found.verdict is verdict
    assert (gap.told in str(found.claims)) is (verdict is UNPROVEN)


@given(_CLAIMS)
def test_nothing_goes_without_each_proof(claims: tuple[Claim, ...]) -> None:
    """One claim that is not proven is enough, whatever the others say."""
    proven = all(one.standing is Standing.PROVEN for one in claims)
    assert (verdict_of(claims) is Verdict.MAY_GO) is proven
    refuted = any(one.standing is Standing.REFUTED for one in claims)
    assert (verdict_of(claims) in {Verdict.KEEP, Verdict.NOT_YOURS}) is refuted


def _held(**tags: int) -> Held:
    """Return a repository with a manifest for each tag, by its number."""
    held = Held()
    for tag, number in tags.items():
        held.add(DockerImage("app", Digest.parse(f"sha256:{number:064x}"), (tag,)))
    return held


def test_a_repository_is_compared_with_what_its_targets_have_now() -> None:
    """A manifest or tag counts at any of its targets, and a tag by what it points to."""
    old, there = _held(a=1, b=2, c=3), _held(a=1, b=3)
    moves = Moves(("m",), {"app": (("gone", "app"), ("there", "app"))})
    found = Compared.of(old, moves, {"there": there})
    assert (found.manifests, found.tags, found.lacking) == (3, 3, 3)
    assert sorted(found.examples) == ["app:b", "app:c", f"app@sha256:{2:064x}"]
    assert Compared.of(old, Moves(("m",), {}), {"there": there}).lacking == 6


def test_what_services_left_in_a_repository_is_told() -> None:
    """A version of App Engine that runs still pulls its image when an instance starts."""
    old = Held()
    for path in ("appengine/default.1", "appengine/default.2", "app"):
        old.add(DockerImage(path, Digest.parse(BLOBS[0])))
    kept = repository(compared=Compared.of(old, Moves(("m",), {}), {}))
    notes = judge_repository(project(), kept, Prices(), NOW_MS, 90).notes
    told = [one for one in notes if "App Engine" in one]
    assert len(told) == 1
    assert told[0].startswith("2 of its image paths: images that App Engine's flexible")


def test_a_log_tells_of_one_repository_and_of_how_far_it_reaches() -> None:
    """Pulls of others in the project show that it was written; those of other projects do not."""
    log = Pulls()
    log.note("builds", 10)
    for name, at_ms in (("builds/us.gcr.io/app", 20), ("builds/new/app", 30), ("other/x/y", 40)):
        log.add(f"us-docker.pkg.dev/{name}", "1", at_ms)
    found = logged_pulls(log, PROJECT, HOST)
    assert (found.begins_ms, found.ends_ms, found.last_ms) == (10, 30, 20)
    assert found.last_name.endswith("us.gcr.io/app")
    assert found.pushed_ms is None
    log.push("us-docker.pkg.dev/builds/us.gcr.io/tool", "1", 50)
    log.push("us-docker.pkg.dev/builds/new/tool", "1", 60)
    assert logged_pulls(log, PROJECT, HOST).pushed_ms == 50


def test_a_log_that_ends_in_the_future_tells_nothing_of_today() -> None:
    """One entry with a wrong date would make an old log a fresh one."""
    for ahead, verdict in ((0.5, Verdict.MAY_GO), (3, Verdict.UNPROVEN)):
        log = pulls(ends_ms=NOW_MS + int(ahead * DAY_MS))
        assert (
            judge_repository(project(), repository(pulls=log), Prices(), NOW_MS, 90).verdict
            is verdict
        )


@pytest.mark.parametrize("days", [0, 89, 91])
def test_who_still_pushes_keeps_a_repository_as_who_pulls_does(days: int) -> None:
    """A build that pushes there every night fails without it."""
    for change in ({"last_ms": NOW_MS - days * DAY_MS}, {"pushed_ms": NOW_MS - days * DAY_MS}):
        found = judge_repository(
            project(), repository(pulls=pulls(**change)), Prices(), NOW_MS, unused_days=90
        )
        assert found.verdict is (Verdict.KEEP if days < 90 else Verdict.MAY_GO), change


def test_of_many_a_person_reads_the_table_and_what_to_run() -> None:
    """Of a few each claim is told; the sum says that nothing was deleted, and what is known."""
    one = judge_bucket(project(), bucket(), Prices(), NOW_MS)
    kept = judge_bucket(project(), bucket(listed=()), Prices(), NOW_MS)
    for count, claims in ((12, 12 * 2), (13, 0)):
        facts = LeftoversFacts.of([(f"builds-{n}", [one, kept], []) for n in range(count)], "2025")
        lines = [str(line) for line in leftover_lines(facts)]
        assert sum("it belongs to the project" in line for line in lines) == claims
        assert sum(line.startswith("  run ") for line in lines) == count
        assert sum(line.endswith(" copied") for line in lines) == count
        known = f"${facts.usd_a_month:,.2f} a month known, by prices of 2025; nothing was deleted"
        assert lines[-1] == f"{count} projects: {count} may-go, {count} unproven; {known}"
        assert facts.exit is Exit.OK


def test_what_was_refused_is_never_a_success() -> None:
    """Nothing was seen there: that is not the same as nothing being there."""
    facts = LeftoversFacts.of([("builds", [], [("repositories in us", REFUSED)])], "2025")
    lines = [str(line) for line in leftover_lines(facts)]
    assert facts.exit is Exit.OUT_OF_REACH
    assert lines[-1] == "1 project: nothing was seen; not all could be seen"
    assert any("repositories in us of builds" in line for line in lines)


@pytest.mark.parametrize("text", ["", "x", "NEARLINE=1", "NEARLINE/US", "NEARLINE/US=-1", "a/b=1"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    """It says how one is written."""
    with pytest.raises(MigrateError, match="bad-usage"):
        Prices().but([text])


def test_unknown_prices_stay_unknown_until_they_are_stated() -> None:
    """Of other classes, and of single regions, the table has none."""
    cold = contents(StoredObject("containers/images/x", 2**30, "NEARLINE", 0))
    unknown = bucket_cost(Prices(), SETTINGS, cold)
    assert (unknown.usd_a_month, unknown.size_bytes) == (None, 4 * 2**30)
    assert "NEARLINE in US" in unknown.why
    stated = Prices().but(["NEARLINE/US=0.015", "artifact-registry=1"])
    assert bucket_cost(stated, SETTINGS, cold).usd_a_month == 0.09
    assert repository_cost(stated, FACTS.size_bytes).usd_a_month == 5.0
    region = replace(SETTINGS, location="US-EAST1", is_multi_region=False)
    assert bucket_cost(Prices(), region, contents()).usd_a_month is None
    assert repository_cost(Prices(), None).usd_a_month is None
