"""Jobs to render, and readers of their files that are not ours: systemd, the shell, the clouds."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from ruamel.yaml import YAML

from gcr_migrate.schedule.cron import Cron
from gcr_migrate.schedule.job import Form, Job
from gcr_migrate.schedule.words import Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IMAGE: Final = "us-docker.pkg.dev/ops/tools/gcr-migrate:1"
PROVIDER: Final = "projects/12/locations/global/workloadIdentityPools/octo/providers/actions"
# What means something to YAML, shells, units, Terraform, Kubernetes, GitHub or Cloud Build.
WORDS: Final = st.text(
    st.one_of(
        st.sampled_from([*"${}%\"\\'`!#^|:;,= ~()[]<>&*?@-_/.\u00e9\U0001f600"]),
        st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs", "Co", "Cn"]),
    ),
    max_size=20,
).filter(lambda text: not re.match(r"(.*=)?(secret|file):", text))
NASTY: Final = (
    "${{ secrets.KEY }}",
    "$HOME ${HOME} $(HOME) $$(HOME) $$$x",
    "%n %% %d %i",
    "';touch x;'`touch x`$(touch x)",
    '"a" \\ \\" \\n \\x41',
    ";",
    "",
    " ",
    "# no comment: - yes",
    "yes",
    "012",
    "- a: {b: [c",
    "EOF",
    "--",
    "$''{{ '$' }}",
)
_NOBODY: Final = 65_534
_MANAGER: Final = "/lib/systemd/systemd"


def job(*words: str, **more: Any) -> Job:
    """Return a job with these words after `verify`."""
    given: dict[str, Any] = {
        "name": "gcr-verify",
        "words": tuple(map(Word.parse, ("verify", *words))),
        "cron": Cron.parse("17 4 * * *"),
        "zone": "Europe/Berlin",
        "deadline_s": 10_800,
        "project": "ops-project",
        "account": "gcr-verify@ops-project.iam.gserviceaccount.com",
        "reads": ("builds",),
        "roles": ("roles/artifactregistry.reader",),
    }
    return Job(**given | more)


def fitted(form: Form, *words: str, **more: Any) -> Job:
    """Return a job with all that a form needs."""
    given: dict[str, Any] = {"image": IMAGE}
    if form is Form.SYSTEMD:
        given = {"program": "/usr/bin/true"}
    elif form in {Form.CLOUD_RUN, Form.CLOUD_BUILD}:
        given |= {"location": "us-central1"}
        if any(word.startswith("file:") for word in words):
            given |= {"files": "gs://ops-files"}
    elif form is Form.GITHUB:
        given |= {"repository": "acme/ops", "provider": PROVIDER}
    return job(*words, **given | more)


def documents(text: str) -> list[Any]:
    """Return what is in a file of YAML."""
    return list(YAML(typ="safe").load_all(text))


def words_in(form: Form, files: Mapping[str, str], name: str = "gcr-verify") -> list[str]:
    """Return the command in the files of a form, as whoever runs it would read it."""
    if form is Form.CLOUD_RUN:
        (body,) = documents(files["job.yaml"])
        return [*body["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["args"]]
    if form is Form.KUBERNETES:
        body = documents(files["cronjob.yaml"])[1]
        pod = body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return [expanded_by_kubernetes(one) for one in pod["containers"][0]["args"]]
    if form is Form.CLOUD_BUILD:
        (body,) = documents(files["cloudbuild.yaml"])
        args = [substituted_by_cloud_build(one) for one in body["steps"][1]["args"]]
        assert args[2:4] == ["10800", "gcr-migrate"]
        return args[4:]
    if form is Form.GITHUB:
        (body,) = documents(files[f"{name}.yml"])
        (run,) = [one["run"] for one in body["jobs"]["verify"]["steps"] if one.get("id")]
        assert "${{" not in run
        words = ran_by_bash(run)
        return words[words.index(IMAGE) + 1 :]
    (words,) = read_by_systemd({f"{name}.service": files[f"{name}.service"]}).values()
    return words[1:]


def expanded_by_kubernetes(text: str) -> str:
    """Return an argument with `$(NAME)` looked up and `$$` made one, as Kubernetes does it."""
    return re.sub(
        r"\$(\$|\(([^)]*)\)|)", lambda at: "$" if at[1] in {"$", ""} else "LOOKED-UP", text
    )


def substituted_by_cloud_build(text: str) -> str:
    """Return a text with substitutions made and `$$` made one, as Cloud Build does it."""
    return re.sub(
        r"\$(\$|\{[^}]*\}|[A-Za-z_]\w*|)", lambda at: "$" if at[1] in {"$", ""} else "PUT-IN", text
    )


def ran_by_bash(run: str) -> list[str]:
    """Run a script in which `docker` only says its words; return these."""
    script = f"docker() {{ printf '%s\\0' \"$@\"; }}\n{run}"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["bash", "-e"],  # noqa: S607  # the one in the path
            input=script.encode(),
            env={"PATH": os.environ["PATH"], "RUNNER_TEMP": folder, "GITHUB_WORKSPACE": folder},
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert {one.name for one in Path(folder).iterdir()} <= {"out", "secrets"}
    return done.stdout.decode().split("\0")[:-1]


def read_by_systemd(units: Mapping[str, str]) -> dict[str, list[str]]:
    """Let systemd load units, and return the words of each one's first command.

    It does so for a user, starts nothing, and tells what it has read.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name, text in units.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
            (Path(folder) / name).chmod(0o644)
        root, home = os.geteuid() == 0, Path(folder) / "home"
        home.mkdir()
        home.chmod(0o777)
        done = subprocess.run(
            [_MANAGER, "--test", "--user", f"--unit={next(iter(units))}", "--no-pager"],
            env={
                "SYSTEMD_UNIT_PATH": f"{folder}:",
                "XDG_RUNTIME_DIR": str(home),
                "HOME": str(home),
                "LANG": "C.UTF-8",
            },
            user=_NOBODY if root else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    return dict(_commands(done.stdout, units))


def _commands(told: str, units: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    for part in told.split("-> Unit ")[1:]:
        name = part.partition(":\n")[0]
        if name in units:
            line = re.search(r"Command Line: (.*)", part)
            assert line, part
            # A variable would be put in only when it starts; until then `$$` stands for a dollar.
            yield name, [_started(word) for word in _told_words(line[1])]


def _told_words(line: str) -> list[str]:
    """Return the words of a line as systemd tells it: in quotes where it holds that needed."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in found]


def _started(word: str) -> str:
    return re.sub(
        r"\$(\$|\{[^}]*\}|[A-Za-z_]\w*|)", lambda at: "$" if at[1] in {"$", ""} else "PUT-IN", word
    )


def parsed(texts: Sequence[str]) -> tuple[Word, ...]:
    """Return words of a command."""
    return tuple(map(Word.parse, texts))
