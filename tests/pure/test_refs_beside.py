"""Names whose beginning another file of the folder says: `.env`, or a module's variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.refs.beside import Beside
from gcr_migrate.refs.change import Elsewhere, change
from gcr_migrate.refs.cover import cover
from gcr_migrate.refs.files import Found, scan_files
from gcr_migrate.refs.reading import read
from tests.pure.test_refs_rewrite import PLAN

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.refs.change import Change

NEW = "us-docker.pkg.dev/acme-prod/shop/shop"


def judge(found: Any) -> Any:
    """Tell what a name says to `acme-prod`, and what becomes of it."""
    reference = read(found.written, {}, {"acme-prod"}, defaults=found.values)
    return reference, cover(reference, PLAN)


def scanned(folder: Path, files: dict[str, str]) -> list[Found]:
    """Write files, and return what they have."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    paths = [folder / name for name in files]
    return [one for one in scan_files(paths) if isinstance(one, Found)]


def rewritten(folder: Path, name: str, found: list[Found]) -> Change:
    """Return what becomes of one of the files in which names were found."""
    path = folder / name
    raw = path.read_bytes()
    said = Beside().of(path, raw)
    return change(str(path), raw, judge, {}, said=said, elsewhere=Elsewhere.of(found))


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (
            {
                ".env": "REG=gcr.io/acme-prod\nTAG='2.0'\n",
                "compose.yaml": "services: {a: {image: '${REG}/shop:${TAG:-1}'}}\n",
            },
            "${REG}/shop:${TAG:-1} is gcr.io/acme-prod/shop:2.0",
        ),
        (
            {
                ".env": "A=gcr.io/acme-prod/shop:1\n",
                "docker-compose.prod.yml": "services: {a: {image: $A}}",
            },
            "$A is gcr.io/acme-prod/shop:1",
        ),
        (
            {
                "variables.tf": 'variable "reg" {\n default = "gcr.io/acme-prod"\n}\n',
                "main.tf": 'locals { i = "${var.reg}/shop:1" }\n',
            },
            "${var.reg}/shop:1 is gcr.io/acme-prod/shop:1",
        ),
        (
            {
                "variables.tf": 'variable "reg" {\n default = "nowhere"\n}\n',
                "b.auto.tfvars": 'reg = "gcr.io/acme-prod"\n',
                "terraform.tfvars": 'reg = "eu.gcr.io/acme-prod"\n',
                "other.tfvars": 'reg = "asia.gcr.io/acme-prod"\n',
                "main.tofu": 'locals { i = "${var.reg}/shop:1" }\n',
            },
            "${var.reg}/shop:1 is gcr.io/acme-prod/shop:1",
        ),
    ],
    ids=["env", "a name in env", "variables", "values of variables"],
)
def test_a_gap_has_the_value_that_a_file_beside_says(
    tmp_path: Path, files: dict[str, str], name: str
) -> None:
    """Also where the file itself says nothing of a registry; it is told as an assumption."""
    last = next(reversed(files))
    (found,) = [one for one in scanned(tmp_path, files) if one.file.endswith(last)]
    reference, _ = judge(found)
    assert f"{found.written.text} is {reference.name}" == name
    assert reference.assumed
    assert scan_files([tmp_path / last])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("app.yaml", "a: ${REG}/shop:1\n"),
        ("sub/compose.yaml", "services: {a: {image: '${REG}/shop:1'}}\n"),
    ],
)
def test_a_file_elsewhere_says_nothing(tmp_path: Path, file: str, text: str) -> None:
    """Only Compose reads `.env`, and only the one beside it."""
    found = scanned(tmp_path, {".env": "REG=gcr.io/acme-prod\n", file: text})
    assert [one.written.text for one in found] == ["gcr.io/acme-prod"]


def test_a_name_follows_its_value_only_if_that_is_rewritten(tmp_path: Path) -> None:
    """Where `.env` is left out, as by `.gitignore`, what names it is told as left."""
    files = {".env": "A=gcr.io/acme-prod/shop:1\n", "compose.yaml": "a: {image: '${A}'}\n"}
    found = scanned(tmp_path, files)
    assert rewritten(tmp_path, ".env", found).after.decode() == f"A={NEW}:1\n"
    assert not rewritten(tmp_path, "compose.yaml", found).refused
    alone = rewritten(tmp_path, "compose.yaml", found[1:])
    ((_, why),) = alone.refused
    assert why == f"its value stands in {tmp_path / '.env'}, which was not read"


def test_a_value_stays_as_long_as_longer_names_elsewhere_begin_with_it(tmp_path: Path) -> None:
    """Both parts change, or none."""
    files = {".env": "A=gcr.io/acme-prod/shop\n", "compose.yaml": "a: {image: '${A}/sub:1'}\n"}
    found = scanned(tmp_path, files)
    assert len(found) == 2
    made = rewritten(tmp_path, ".env", found)
    assert (made.is_any, len(made.refused)) == (False, 1)
