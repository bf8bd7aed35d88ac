"""Statements about images, told by the media types of their manifests."""

from __future__ import annotations

import pytest

from gcr_migrate.model.attestation import Statement, names_that_stay, statement_in
from gcr_migrate.model.content import OCI_MANIFEST, Digest, Manifest
from gcr_migrate.model.inventory import Node
from tests import shapes


@pytest.mark.parametrize(
    ("media_type", "artifact_type", "form"),
    [
        ("application/vnd.dev.cosign.simplesigning.v1+json", "", Statement.SIGNATURE),
        ("application/vnd.dsse.envelope.v1+json", "", Statement.ATTESTATION),
        ("application/vnd.in-toto+json", "", Statement.ATTESTATION),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", "", Statement.BUNDLE),
        ("text/plain", "application/vnd.dev.sigstore.bundle.v0.3+json", Statement.BUNDLE),
        ("application/jose+json", "application/vnd.cncf.notary.signature", None),
        (shapes.OCI_LAYER, "", None),
    ],
)
def test_a_statement_is_told_by_its_media_type(
    media_type: str, artifact_type: str, form: Statement | None
) -> None:
    """Forms that name the image are told apart; notation, which signs a descriptor, is none."""
    more = {"artifactType": artifact_type} if artifact_type else {}
    config = shapes.entry(shapes.OCI_EMPTY, shapes.EMPTY)
    raw = shapes.oci(config, shapes.entry(media_type, shapes.HI), **more)
    assert statement_in(Manifest.read(raw, OCI_MANIFEST)) is form


def test_an_image_is_told_once_with_all_its_statements() -> None:
    """The finding counts each form; an image without statements gives none."""
    forms = [Statement.SIGNATURE, Statement.ATTESTATION, Statement.SIGNATURE, None]
    nodes = [
        Node(Digest.of(bytes([at])), OCI_MANIFEST, 1, False, (), None, None, form)  # noqa: FBT003
        for at, form in enumerate(forms)
    ]
    (finding,) = names_that_stay("us.gcr.io/builds/app", nodes)
    assert finding.saw == "2 cosign signatures, 1 in-toto attestation"
    assert names_that_stay("us.gcr.io/builds/app", nodes[3:]) == []
