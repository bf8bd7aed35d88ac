"""The sandbox's registry dialect, as a plain HTTP client sees it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.model.content import ACCEPT, OCI_INDEX, OCI_MANIFEST, Digest
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario, scenario_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

PRODUCT2 = "builds/product2/stable/product2"
APP = "builds/product1/dev/product1-app"
LAYER = b"a layer"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """Run the scenario of the documentation, with an empty target beside it."""
    plain = load_scenario("builds").model_dump()
    target = {"project": "builds", "location": "us"}
    plain["repositories"] = [
        *plain["repositories"],
        target | {"id": "product1"},
        target | {"id": "frozen", "immutable_tags": True},
        {"project": "builds", "location": "europe", "id": "product1"},
    ]
    plain["never_migrated"] = ["oldies"]
    with running(Scenario.model_validate(plain), tmp_path) as one:
        yield one


def client(box: Sandbox, host: str, *scopes: str) -> httpx.Client:
    """Return a client of a host with a registry token for some scopes."""
    base = box.addresses[host]
    asked = {"service": host, "scope": [f"repository:{scope}" for scope in scopes]}
    reply = httpx.get(f"{base}/v2/token", params=asked, auth=("_token", box.token))
    headers = {"Authorization": f"Bearer {reply.json()['token']}", "Accept": ACCEPT}
    return httpx.Client(base_url=base, headers=headers)


def code(reply: httpx.Response) -> str:
    """Return the first error code of an answer."""
    return str(reply.json()["errors"][0]["code"])


def upload(at: httpx.Client, name: str, data: bytes) -> httpx.Response:
    """Upload a blob in one PUT."""
    location = at.post(f"/v2/{name}/blobs/uploads/").headers["location"]
    return at.put(f"{location}&digest={Digest.of(data)}", content=data)


def image(at: httpx.Client, name: str, **more: Any) -> bytes:
    """Upload a config and a layer, and return a manifest of them."""
    described = []
    for data in (b"{}", LAYER):
        upload(at, name, data)
        entry = {"mediaType": "application/octet-stream", "digest": str(Digest.of(data))}
        described.append(entry | {"size": len(data)})
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0]}
    return json.dumps(body | {"layers": described[1:]} | more).encode()


def put(at: httpx.Client, name: str, reference: str, raw: bytes) -> httpx.Response:
    """Push a manifest."""
    headers = {"Content-Type": OCI_MANIFEST}
    return at.put(f"/v2/{name}/manifests/{reference}", content=raw, headers=headers)


def test_ping_names_the_token_endpoint(box: Sandbox) -> None:
    """Without a token the answer is 401, with a realm under the name that the client used."""
    base = box.addresses["us.gcr.io"]

    own = httpx.get(f"{base}/v2/", headers={"Host": "us.gcr.io"})
    other = httpx.get(f"{base}/v2/")

    assert own.status_code == 401
    challenge = 'Bearer realm="https://us.gcr.io/v2/token",service="us.gcr.io"'
    assert own.headers["www-authenticate"] == challenge
    assert own.headers["x-gcr-using-artifact-registry"] == "true"
    assert f'realm="{base}/v2/token"' in other.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("token", "status"), [("ya29.sandbox-ci", 200), ("ya29.sandbox-stranger", 403), ("wrong", 401)]
)
def test_tokens_follow_the_policy(box: Sandbox, token: str, status: int) -> None:
    """A reader gets a token to pull, a stranger 403 DENIED, a wrong password 401."""
    reply = httpx.get(
        f"{box.addresses['us.gcr.io']}/v2/token?scope=repository:{APP}:pull",
        auth=("oauth2accesstoken", token),
    )

    assert reply.status_code == status


def test_anonymous_is_denied_at_the_token_endpoint(box: Sandbox) -> None:
    """A private repository answers 403 DENIED to who has no credentials."""
    reply = httpx.get(f"{box.addresses['us.gcr.io']}/v2/token?scope=repository:{APP}:pull")

    assert (reply.status_code, code(reply)) == (403, "DENIED")


def test_a_token_covers_only_its_scopes(box: Sandbox) -> None:
    """A token for one name pulls nothing from another."""
    with client(box, "us.gcr.io", f"{APP}:pull") as at:
        assert at.get(f"/v2/{APP}/tags/list").status_code == 200
        assert at.get(f"/v2/{PRODUCT2}/tags/list").status_code == 403
        assert at.post(f"/v2/{APP}/blobs/uploads/").status_code == 403


def test_an_old_token_is_refused(tmp_path: Path) -> None:
    """A registry token past its lifetime answers 401."""
    plain = load_scenario("builds").model_copy(update={"token_lifetime": 0.0})
    with running(plain, tmp_path) as one, client(one, "us.gcr.io", f"{APP}:pull") as at:
        assert at.get(f"/v2/{APP}/tags/list").status_code == 401


def test_lists_name_children_tags_and_untagged(box: Sandbox) -> None:
    """The root lists folders; an image lists its tags, and digests without a tag."""
    name = "builds/product2/dev/product2"
    with client(box, "us.gcr.io", "builds:pull", f"{name}:pull") as at:
        root = at.get("/v2/builds/tags/list").json()
        listed = at.get(f"/v2/{name}/tags/list?n=10000").json()

    assert (root["child"], root["tags"]) == (["product1", "product2"], [])
    assert listed["tags"] == ["alpha"]
    infos = list(listed["manifest"].values())
    assert sorted(info["tag"] for info in infos) == [[], ["alpha"]]
    assert all(isinstance(info["timeUploadedMs"], int) for info in infos)
    assert all(info["imageSizeBytes"].isdigit() for info in infos)


def test_times_of_upload_are_text_where_a_scenario_says_so(tmp_path: Path) -> None:
    """Container Registry told a time as text, which `times_as_text` brings back."""
    plain = load_scenario("builds")
    old = plain.repositories[0].model_copy(update={"times_as_text": True})
    scenario = plain.model_copy(update={"repositories": (old,)})
    with running(scenario, tmp_path) as one, client(one, "us.gcr.io", f"{APP}:pull") as at:
        infos = [*at.get(f"/v2/{APP}/tags/list").json()["manifest"].values()]
    assert infos
    assert all(info["timeUploadedMs"].isdigit() for info in infos)


def test_a_short_page_links_to_the_next(box: Sandbox) -> None:
    """Following Link leads to all tags (OCI end-8b)."""
    found, url = [], f"/v2/{PRODUCT2}/tags/list?n=1"
    with client(box, "us.gcr.io", f"{PRODUCT2}:pull") as at:
        while url:
            page = at.get(url)
            found += page.json()["tags"]
            url = page.links.get("next", {}).get("url", "")

    assert len(found) == 3


def test_manifests_come_as_pushed_and_only_if_accepted(box: Sandbox) -> None:
    """The bytes hash to the digest header; a type that is not accepted is not found."""
    url = "/v2/builds/product1/stable/product1/manifests/1.0"
    with client(box, "us.gcr.io", "builds/product1/stable/product1:pull") as at:
        got = at.get(url)
        head = at.head(url)
        narrow = at.get(url, headers={"Accept": OCI_MANIFEST})

    assert got.headers["docker-content-digest"] == str(Digest.of(got.content))
    assert got.headers["content-type"] == OCI_INDEX
    assert head.headers["content-length"] == str(len(got.content))
    assert (narrow.status_code, code(narrow)) == (404, "MANIFEST_UNKNOWN")


def test_blobs_come_through_a_redirect(box: Sandbox) -> None:
    """GET answers 302 with a relative Location that needs no token; HEAD answers 200."""
    with client(box, "us.gcr.io", f"{APP}:pull") as at:
        layer = at.get(f"/v2/{APP}/manifests/beta-2.0").json()["layers"][0]
        url = f"/v2/{APP}/blobs/{layer['digest']}"
        first, head = at.get(url), at.head(url)
        second = httpx.get(box.addresses["us.gcr.io"] + first.headers["location"])

    assert first.status_code == 302
    assert first.headers["location"].startswith("/artifacts-downloads/namespaces/builds/")
    assert str(Digest.of(second.content)) == layer["digest"]
    assert head.headers["content-length"] == str(layer["size"])


def test_both_names_of_a_repository_serve_the_same(box: Sandbox) -> None:
    """us.gcr.io/P/IMG is us-docker.pkg.dev/P/us.gcr.io/IMG."""
    new = APP.replace("builds/", "builds/us.gcr.io/")
    with (
        client(box, "us.gcr.io", f"{APP}:pull") as old_at,
        client(box, "us-docker.pkg.dev", f"{new}:pull") as new_at,
    ):
        old = old_at.get(f"/v2/{APP}/manifests/beta-2.0")

        assert new_at.get(f"/v2/{new}/manifests/beta-2.0").content == old.content


def test_a_never_migrated_project_answers_in_plain_text(box: Sandbox) -> None:
    """412 without JSON, as Container Registry's last answer; nothing says that another did."""
    with client(box, "gcr.io", "oldies/app:pull") as at:
        reply = at.get("/v2/oldies/app/manifests/latest")

    assert reply.status_code == 412
    assert reply.text.startswith("Container Registry is deprecated and shutting down")
    assert "X-Gcr-Using-Artifact-Registry" not in reply.headers


def test_a_missing_repository_is_name_unknown(box: Sandbox) -> None:
    """Who may see the project learns that the repository is not there."""
    with client(box, "us-docker.pkg.dev", "builds/nothing/app:pull") as at:
        reply = at.get("/v2/builds/nothing/app/manifests/1")

    assert (reply.status_code, code(reply)) == (404, "NAME_UNKNOWN")


def test_uploads_are_whole_or_refused(box: Sandbox) -> None:
    """One PUT, or one PATCH and a PUT; no second PATCH, no unknown length, no other bytes."""
    name, digest = "builds/product1/app", Digest.of(LAYER)
    with client(box, "us-docker.pkg.dev", f"{name}:push,pull") as at:

        def start() -> str:
            return str(at.post(f"/v2/{name}/blobs/uploads/").headers["location"])

        chunked = at.put(f"{start()}&digest={digest}", content=iter([LAYER]))
        wrong = at.put(f"{start()}&digest={digest}", content=b"other")
        assert (chunked.status_code, wrong.status_code) == (411, 400)
        assert code(wrong) == "DIGEST_INVALID"
        assert at.head(f"/v2/{name}/blobs/{digest}").status_code == 404

        location = at.patch(start(), content=LAYER).headers["location"]
        assert at.patch(location, content=LAYER).status_code == 405
        assert at.put(f"{location}&digest={digest}").status_code == 201
        assert upload(at, name, b"more").status_code == 201
        last = httpx.get(f"{box.control_url}/requests").json()[-1]
        assert (last["method"], last["name"], last["bytes_in"]) == ("PUT", name, 4)
        assert at.head(f"/v2/{name}/blobs/{digest}").status_code == 200


def test_mounts_stay_in_a_location_and_need_both_scopes(box: Sandbox) -> None:
    """201 in the location with pull at the origin; else 202 and an open upload."""
    origin = APP.replace("builds/", "builds/us.gcr.io/")
    scopes = ("builds/product1/app:push,pull", f"{origin}:pull")
    with client(box, "us-docker.pkg.dev", *scopes) as at:
        digest = at.get(f"/v2/{origin}/manifests/beta-2.0").json()["layers"][0]["digest"]
        params = {"mount": digest, "from": origin}
        url = "/v2/builds/product1/app/blobs/uploads/"
        assert at.post(url, params=params).status_code == 201
        assert at.head(f"/v2/builds/product1/app/blobs/{digest}").status_code == 200
        absent = at.post(url, params={"mount": str(Digest.of(b"?")), "from": origin})
        assert absent.headers["location"].startswith("/artifacts-uploads/")
    with client(box, "us-docker.pkg.dev", scopes[0]) as at:
        assert at.post(url, params=params).status_code == 202
    with client(box, "europe-docker.pkg.dev", *scopes) as at:
        assert at.post(url, params=params).status_code == 202


def test_a_manifest_needs_its_parts(box: Sandbox) -> None:
    """A manifest without its blobs under that name is refused, schema 1 always."""
    name = "builds/product1/app"
    with client(box, "us-docker.pkg.dev", f"{name}:push,pull") as at:
        raw = image(at, name)
        assert put(at, name, "1.0", raw).status_code == 201
        assert put(at, name, str(Digest.of(b"x")), raw).status_code == 400
        absent = raw.replace(Digest.of(LAYER).encoded.encode(), b"0" * 64)
        lonely = put(at, name, "2.0", absent)
        assert (lonely.status_code, code(lonely)) == (400, "MANIFEST_BLOB_UNKNOWN")
        old = b'{"schemaVersion": 1, "fsLayers": []}'
        headers = {"Content-Type": "application/vnd.docker.distribution.manifest.v1+json"}
        reply = at.put(f"/v2/{name}/manifests/old", content=old, headers=headers)
        assert (reply.status_code, code(reply)) == (400, "MANIFEST_INVALID")
        assert put(at, name, "big", b" " * (4 * 1024 * 1024 + 1)).status_code == 413


def test_immutable_tags_do_not_move(box: Sandbox) -> None:
    """The same digest may be pushed again under its tag, another not."""
    name = "builds/frozen/app"
    with client(box, "us-docker.pkg.dev", f"{name}:push,pull") as at:
        raw = image(at, name)
        assert put(at, name, "1.0", raw).status_code == 201
        assert put(at, name, "1.0", raw).status_code == 201
        assert put(at, name, "1.0", raw + b" ").status_code == 400


def test_the_server_lists_referrers_itself(box: Sandbox) -> None:
    """A push with `subject` sets the fallback tag and shows in the referrers API (OCI end-12)."""
    name = "builds/product1/app"
    with client(box, "us-docker.pkg.dev", f"{name}:push,pull") as at:
        raw = image(at, name)
        put(at, name, "1.0", raw)
        subject = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(raw)), "size": len(raw)}
        note = image(at, name, subject=subject, artifactType="application/vnd.note")
        pushed = put(at, name, str(Digest.of(note)), note)
        tag = str(Digest.of(raw)).replace(":", "-")
        url = f"/v2/{name}/referrers/{Digest.of(raw)}"
        listed = at.get(f"/v2/{name}/manifests/{tag}").json()["manifests"]
        answered = at.get(url).json()["manifests"]
        filtered = at.get(url, params={"artifactType": "none"})

    assert pushed.headers["oci-subject"] == str(Digest.of(raw))
    assert [one["digest"] for one in listed] == [str(Digest.of(note))]
    assert [one["digest"] for one in answered] == [str(Digest.of(note))]
    assert filtered.json()["manifests"] == []
    assert filtered.headers["oci-filters-applied"] == "artifactType"


def test_nothing_is_ever_deleted(box: Sandbox) -> None:
    """DELETE is refused, and seen in the log."""
    with client(box, "us.gcr.io", f"{APP}:push,pull") as at:
        assert at.delete(f"/v2/{APP}/manifests/beta-2.0").status_code == 405
        assert at.get(f"/v2/{APP}/manifests/beta-2.0").status_code == 200


@pytest.mark.parametrize("name", scenario_names())
def test_scenarios_have_the_same_digests_in_every_run(name: str, tmp_path: Path) -> None:
    """Two sandboxes of one scenario hold the same."""
    states = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        with running(name, folder) as one:
            states.append(one.store.state())

    assert states[0] == states[1]


@pytest.mark.needs("skopeo")
def test_skopeo_reads_and_copies(box: Sandbox, tmp_path: Path) -> None:
    """A client of others finds its way through challenge, token, redirect and upload."""
    skopeo = shutil.which("skopeo") or "skopeo"
    creds = f"_token:{box.token}"
    source = f"docker://{box.addresses['us.gcr.io'][7:]}/builds/product1/stable/product1:1.0"
    target = f"docker://{box.addresses['us-docker.pkg.dev'][7:]}/builds/product1/copy:1.0"
    copy = [skopeo, "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
    copy += ["--src-creds", creds, "--dest-creds", creds, source, target]
    subprocess.run(copy, check=True, capture_output=True, cwd=tmp_path)
    inspect = [skopeo, "inspect", "--raw", "--tls-verify=false", "--creds", creds]

    read = [
        subprocess.run([*inspect, one], check=True, capture_output=True).stdout
        for one in (source, target)
    ]

    assert read[0] == read[1]
