"""Every problem that the tool can name: its code, meaning, remedy and exit status.

Nothing lies below this module. A problem is worded here once; who meets it raises
`MigrateError(PROBLEM, subject=…, saw=…)`, and the command line renders it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Exit(IntEnum):
    """What a command tells the shell; anything else that it exits with is a failure."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    REFUSED = 3
    OUT_OF_REACH = 4
    DEFECT = 5
    TODO = 10
    INTERRUPTED = 130


WORST_FIRST: Final = (
    Exit.INTERRUPTED,
    Exit.DEFECT,
    Exit.FAILED,
    Exit.OUT_OF_REACH,
    Exit.REFUSED,
    Exit.BAD_INPUT,
    Exit.TODO,
    Exit.OK,
)
"""The order in which one of several counts: what is wrong with images before what was not begun."""


def worst(exits: Iterable[Exit]) -> Exit:
    """Return the one that counts of what several files came to; success of none at all."""
    return min(exits, key=WORST_FIRST.index, default=Exit.OK)


class Problem(Struct, frozen=True):
    """One kind of problem.

    Attributes:
        code: stable name in words, part of the interface.
        title: what happened, without a full stop.
        meaning: what it means for the person who reads it.
        remedy: what to do next.
        exit: status with which a command ends when this stops it.
    """

    code: str
    title: str
    meaning: str
    remedy: str
    exit: Exit


def printable(text: str) -> str:
    """Return the text with a space for each character that cannot be shown or stored."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


class MigrateError(Exception):
    """A named problem that stops what is being done.

    Args:
        problem: which problem of the catalogue.
        subject: the full name of what it happened to: an image, a file with its line, a host.
        saw: what was seen there; never a secret.
    """

    def __init__(self, problem: Problem, *, subject: str, saw: str = "") -> None:
        # Words of strangers go to terminals and files: no control characters, no half characters.
        subject, saw = printable(subject), printable(saw)
        text = f"{problem.code}: {problem.title}: {subject}"
        super().__init__(f"{text}: {saw}" if saw else text)
        self.problem = problem
        self.subject = subject
        self.saw = saw

    def __reduce__(self) -> tuple[Callable[..., MigrateError], tuple[str, str, str]]:
        """Go to another process and come back as the same problem of the catalogue."""
        return _restored, (self.problem.code, self.subject, self.saw)

    @property
    def told(self) -> str:
        """Its code and what was seen, for a place that names the subject itself."""
        return f"{self.problem.code}: {self.saw}".removesuffix(": ")


class BareError(MigrateError):
    """A name or manifest is unknown by a 404 that does not say so by one of the protocol's codes.

    It may be of a proxy that has lost the registry behind it, or of one without this end-point.
    """


def _restored(code: str, subject: str, saw: str) -> MigrateError:
    return MigrateError(named(code), subject=subject, saw=saw)


CATALOGUE: Final[dict[str, Problem]] = {}


GROUPS: Final[dict[str, list[Problem]]] = {}
"""The same problems by what they are about, in the order of this file."""


def _group(title: str) -> None:
    GROUPS[title] = []


def _problem(code: str, exit_: Exit, title: str, meaning: str, remedy: str) -> Problem:
    CATALOGUE[code] = Problem(code, title, meaning, remedy, exit_)
    GROUPS[next(reversed(GROUPS))].append(CATALOGUE[code])
    return CATALOGUE[code]


_group("What a person wrote")
BAD_USAGE: Final = _problem(
    "bad-usage",
    Exit.BAD_INPUT,
    "the command line does not fit",
    "An option or argument is missing, unknown, or contradicts another one.",
    "Run the command with --help and correct the option that is named.",
)
FILE_MISSING: Final = _problem(
    "file-missing",
    Exit.BAD_INPUT,
    "file cannot be read",
    "The file is not there, is a folder, or may not be read by this user.",
    "Check the path and its permissions.",
)
FILE_TWICE: Final = _problem(
    "file-twice",
    Exit.BAD_INPUT,
    "one file is named twice",
    "Each file is worked on once, so that no result counts double. Nothing was begun.",
    "Leave out one of the two names; a folder stands for all files in it.",
)
SAME_OUTPUT: Final = _problem(
    "same-output",
    Exit.BAD_INPUT,
    "two specs would write one migration file",
    "A migration file is called after its spec, so that the second would replace the first."
    " Nothing was begun.",
    "Rename one of the specs, or plan them one by one, each with an `-o FILE` of its own.",
)
NO_FILES: Final = _problem(
    "no-files",
    Exit.BAD_INPUT,
    "folder has none of the files that are looked for",
    "A folder stands for the specs or the migration files in it, not for those in folders below."
    " Nothing was begun.",
    "Name the folder that has them, or the files themselves.",
)
BAD_YAML: Final = _problem(
    "bad-yaml",
    Exit.BAD_INPUT,
    "file is not valid YAML",
    "The text breaks a rule of YAML at the line that is named.",
    "Correct that line; indentation and quotes are the usual causes.",
)
BAD_SPEC: Final = _problem(
    "bad-spec",
    Exit.BAD_INPUT,
    "spec does not fit its model",
    "A field is unknown, missing, or holds a value that it may not hold.",
    "Correct the field that is named; `gcr-migrate schema spec` prints the model.",
)
BAD_SCENARIO: Final = _problem(
    "bad-scenario",
    Exit.BAD_INPUT,
    "scenario of the sandbox does not fit its model",
    "A field is unknown, missing, or holds a value that it may not hold.",
    "Correct the field that is named; the sandbox's reference page lists all fields.",
)
BAD_ENDPOINTS: Final = _problem(
    "bad-endpoints",
    Exit.BAD_INPUT,
    "endpoints file does not fit its model",
    "A key is unknown, or an address is not a URL.",
    "Use the keys `registries`, `artifact_registry` and the other services, with http(s) URLs.",
)
BAD_PRICES: Final = _problem(
    "bad-prices",
    Exit.BAD_INPUT,
    "prices file does not fit its model",
    "A field is unknown, or holds something that is no price, place or date.",
    "Correct the field that is named; `gcr-migrate schema prices` prints the model.",
)
BAD_VARIABLE: Final = _problem(
    "bad-variable",
    Exit.BAD_INPUT,
    "an environment variable cannot be used",
    "It holds something else than it can hold; without it, a usual value counts.",
    "Correct the variable that is named, or take it away.",
)
BAD_NETWORK: Final = _problem(
    "bad-network",
    Exit.BAD_INPUT,
    "network settings cannot be used",
    "An environment variable names a proxy or a file of certificates that is of no use.",
    "Correct the variable that is named, or take it away.",
)
ENDPOINT_UNMAPPED: Final = _problem(
    "endpoint-unmapped",
    Exit.BAD_INPUT,
    "endpoints file does not name this host",
    "With an endpoints file the tool never calls a host that the file does not map.",
    "Add the host or the service to the endpoints file, or run without it.",
)
BAD_NAME: Final = _problem(
    "bad-name",
    Exit.BAD_INPUT,
    "name is not valid",
    "A host, project, image path or tag breaks the grammar of registry names.",
    "Correct the part that is named.",
)
BAD_DIGEST: Final = _problem(
    "bad-digest",
    Exit.BAD_INPUT,
    "digest is not valid",
    "A digest is an algorithm, a colon, and the encoded hash.",
    "Use a digest as the registry prints it, such as sha256: and 64 hexadecimal digits.",
)
BAD_CREDENTIALS: Final = _problem(
    "bad-credentials",
    Exit.OUT_OF_REACH,
    "credentials cannot be read",
    "A token, a credential file, gcloud, Docker's configuration or its helper is not usable.",
    "Check the file or run the program by hand; an access token is one line of text.",
)
_group("Access")
ACCESS_LOST: Final = _problem(
    "access-lost",
    Exit.REFUSED,
    "somebody loses access",
    "A member can do something with the images of the source, and not with those of the target. Or"
    " somebody should be able to pull by a gcr.io name, and cannot.",
    "Grant it on the route, or accept it there: `access.accept` with the member and a reason. For a"
    " gcr.io name grant `roles/artifactregistry.reader` on the repository behind it.",
)
ACCESS_GAINED: Final = _problem(
    "access-gained",
    Exit.REFUSED,
    "somebody gains access",
    "A member can do something with images of the target that was not allowed at the source. Or"
    " somebody can pull by a gcr.io name who should be refused.",
    "Choose another repository or project, or accept it on the route: `access.accept`. For a gcr.io"
    " name look at the policies of the repository behind it and of its project.",
)
LOG_SILENT: Final = _problem(
    "log-silent",
    Exit.OUT_OF_REACH,
    "audit log tells nothing of some days",
    "Within the time that the log is of there are days without any entry, more of them in a row "
    "than this project has otherwise. Logging may have been off, or the export is not whole: who "
    "pulled then is not known.",
    "Export the log again over these days. If nobody used the project then, the rest of the log "
    "tells all there is.",
)
ACCESS_UNKNOWN: Final = _problem(
    "access-unknown",
    Exit.REFUSED,
    "what somebody can do is not known",
    "A role, an access list or a condition decides, and it could not be judged.",
    "Let the caller read what is named there, or look by hand before the redirect.",
)
ACCESS_UNREADABLE: Final = _problem(
    "access-unreadable",
    Exit.OUT_OF_REACH,
    "policy that access depends on cannot be read",
    "`translate: true` carries over who has access today, and what that changes is proven by the"
    " target's own policy, too. One of them is not known here.",
    "Let the caller read the policy, or set `translate: false` and name members under `grant`.",
)
PULLED_THROUGH: Final = _problem(
    "pulled-through",
    Exit.OK,
    "others pull through a virtual repository",
    "It stands over the target: whoever may read it reads what arrives there too, and the rows of"
    " access do not have them.",
    "Take the target out of it, or look who is to read it: `gcloud artifacts repositories"
    " get-iam-policy`.",
)
ACCESS_NOT_CARRIED: Final = _problem(
    "access-not-carried",
    Exit.OK,
    "access of the source is not carried over",
    "Who can pull, push and delete at the source was not looked at; only the spec's grants count.",
    "Set `access: {translate: true}` on the route; `access show` tells who can do what.",
)
POLICY_NOT_SEEN: Final = _problem(
    "policy-not-seen",
    Exit.OK,
    "policy could not be read",
    "Grants that reach from there are missing in what is said about access.",
    "Let the caller read the policy: roles/iam.securityReviewer there has what is needed.",
)
OBJECTS_NOT_SEEN: Final = _problem(
    "objects-not-seen",
    Exit.OK,
    "access lists of objects were not all read",
    "The bucket lets each object have its own list, and who is only on one that was not read is"
    " not known.",
    "Let the caller read them, or switch the bucket to uniform access after a look at it.",
)
NAMES_ONLY: Final = _problem(
    "names-only",
    Exit.OK,
    "members may list names of objects and read none",
    "Nobody pulls with that, so nothing is carried over for them.",
    "Nothing, or grant them reader on the route if they are to pull.",
)
PULLED_BEFORE: Final = _problem(
    "pulled-before",
    Exit.OK,
    "members could pull before the host was redirected, and cannot now",
    "The bucket of Container Registry still lets them in; the repository that serves the host"
    " does not.",
    "Set `access: {from: bucket}` on the route to give them back what they had.",
)
_group("What surrounds a target")
LOCATION_UNKNOWN: Final = _problem(
    "location-unknown",
    Exit.BAD_INPUT,
    "Artifact Registry has no such location for this project",
    "Repositories cannot be made there, so that nothing can be copied to it.",
    "Correct `location` on the route or under `target`.",
)
REPOSITORY_ELSEWHERE: Final = _problem(
    "repository-elsewhere",
    Exit.OK,
    "a repository of this name is in another location",
    "A new one is made where the spec says; the other one keeps its images and its own address.",
    "If the other one is meant, set its `location` on the route.",
)
LOCATION_CHANGES: Final = _problem(
    "location-changes",
    Exit.OK,
    "images go to another location",
    "They are stored and pulled elsewhere than before: who pulls from far away waits longer and"
    " pays for the transfer. Nothing is mounted between locations, so every byte passes the machine"
    " that runs `apply`; reading is free only where that machine is in the source's location.",
    "Make sure that the data may be there, or set `location` to the source's own.",
)
GCR_NAME_SERVED: Final = _problem(
    "gcr-name-served",
    Exit.OK,
    "images will be served under a gcr.io name too",
    "The repository is the one that answers for that host, and the project's redirect is on.",
    "Nothing, if that is meant; who pulls by that name gets what is copied as soon as it is there.",
)
GCR_NAME_NOT_SERVED: Final = _problem(
    "gcr-name-not-served",
    Exit.OK,
    "gcr.io name does not lead to this repository yet",
    "Images are there under the repository's pkg.dev name; the host's own name answers as before"
    " until the project's redirect is enabled.",
    "Copy and verify first; then `gcr-migrate redirect plan` on the project leads on.",
)
PUSH_SUBSCRIBER: Final = _problem(
    "push-subscriber",
    Exit.OK,
    "a subscription is told of every image and tag that is copied",
    "Artifact Registry sends a message to the project's topic `gcr` for each; a system that deploys"
    " what is pushed may deploy everything again.",
    "Detach, filter or pause it, or tell its owners, before `apply`; names in messages are new.",
)
CLEANUP_DELETES: Final = _problem(
    "cleanup-deletes",
    Exit.OK,
    "clean-up policy of the target deletes what is copied",
    "Copying makes every version new: ages count from the copy, and the newest are those that are"
    " written last. Policies that keep count for more than those that delete.",
    "Change the policy, set `cleanup_policies` with `adopt` on the route, or select less.",
)
CLEANUP_STAYS: Final = _problem(
    "cleanup-stays",
    Exit.OK,
    "clean-up policy of the source is not carried over",
    "Targets get the policies that the spec states. Image paths in a policy are those of its own"
    " repository, and a split changes them.",
    "Write the policy under `settings.cleanup_policies` on the route, with the paths shown.",
)
SCAN_FEE: Final = _problem(
    "scan-fee",
    Exit.OK,
    "scans for vulnerabilities are charged by the image",
    "The Container Scanning API is enabled in the project, and each digest costs once when it is"
    " pushed to a repository that scans. Whether a copy within a project costs again is not known.",
    "New repositories do not scan during the copy unless `settings: {scanning: on}` says so; one"
    " that is there already has to be switched off by hand.",
)
NOT_SEEN: Final = _problem(
    "not-seen",
    Exit.OK,
    "something around the target could not be looked at",
    "It may matter to who uses the images, and nothing can be said about it.",
    "Let the caller read it, or look by hand before `apply`.",
)
VIRTUAL_POSSIBLE: Final = _problem(
    "virtual-possible",
    Exit.OK,
    "one pull address could serve all of a split",
    "A virtual repository stores nothing and is read only: it serves what its upstreams have, so"
    " that who pulls needs one name. Who may read it reads all of them through it.",
    "Ask for it in the spec if it helps: `virtual: [{repository: NAME}]`.",
)
VIRTUAL_IMPOSSIBLE: Final = _problem(
    "virtual-impossible",
    Exit.OK,
    "no single pull address can serve all of a split",
    "A virtual repository has up to 30 upstreams of its own location, and serves one image for a"
    " path.",
    "Nothing; each repository has its own name.",
)
VIRTUAL_REFUSED: Final = _problem(
    "virtual-refused",
    Exit.BAD_INPUT,
    "this virtual repository cannot be made",
    "It would not serve what the spec says, or Artifact Registry does not take it.",
    "Change it under `virtual`, or leave it out.",
)
_group("Mapping")
UNROUTED: Final = _problem(
    "unrouted",
    Exit.BAD_INPUT,
    "no route takes this image path",
    "Every image must be taken by a route, or it would be left behind silently.",
    "Add a route that matches the path.",
)
ROUTE_UNUSED: Final = _problem(
    "route-unused",
    Exit.FAILED,
    "no image comes to this route",
    "A route before it takes all that it matches, or nothing matches it. Where its name was"
    " mistyped, its images go where a later route sends them.",
    "Correct or remove the route; leave it if its images are yet to come.",
)
LIMIT_UNUSED: Final = _problem(
    "limit-unused",
    Exit.FAILED,
    "this limit is for nobody that the plan asks",
    "Under `limits: at:` stands a location or host that none of the plan's sources and targets is"
    " at. These are asked as if it were not there.",
    "Correct or remove it; leave it if it is for a host that a registry redirects downloads to.",
)
NO_IMAGE_NAME: Final = _problem(
    "no-image-name",
    Exit.BAD_INPUT,
    "nothing is left of the path after the strip",
    "An image stands at the very name of a folder: it has no name inside the repository.",
    "Add a route before this one that matches the path exactly and sets `image`.",
)
STRIP_MISMATCH: Final = _problem(
    "strip-mismatch",
    Exit.BAD_INPUT,
    "strip is not the beginning of this path",
    "A route can only take off leading components that the path has.",
    "Make `strip` a prefix of what `match` takes.",
)
REPOSITORY_NAME_REFUSED: Final = _problem(
    "repository-name-refused",
    Exit.BAD_INPUT,
    "Artifact Registry refuses this repository name",
    "A repository id has up to 63 lower-case letters, digits and hyphens and starts with a letter.",
    "Give the path a route of its own with a legal `repository`; names are never changed silently.",
)
TARGET_COLLISION: Final = _problem(
    "target-collision",
    Exit.BAD_INPUT,
    "two sources land on one target name",
    "One of them would hide or mix with the other.",
    "Change the routes so that each image path has a target name of its own.",
)
ONTO_ITSELF: Final = _problem(
    "onto-itself",
    Exit.BAD_INPUT,
    "image would be copied onto itself",
    "Its name at the target is the one that it is read under.",
    "Write another `target`, or a route that gives it another repository or path.",
)
NAME_TOO_LONG: Final = _problem(
    "name-too-long",
    Exit.BAD_INPUT,
    "target name is too long",
    "Many clients refuse names over 255 characters, host included (OCI end-3).",
    "Shorten the repository or the image name by a route.",
)
SETTINGS_DIFFER: Final = _problem(
    "settings-differ",
    Exit.BAD_INPUT,
    "routes give one repository different settings",
    "A repository is created once, so only one of the settings could count.",
    "Write the same `settings` on these routes, or on one of them only.",
)
LOCATION_MISSING: Final = _problem(
    "location-missing",
    Exit.BAD_INPUT,
    "target location is not known",
    "Only a gcr.io host implies a location.",
    "Set `target.location` or the route's `location`.",
)
_group("The migration file")
NOT_OURS: Final = _problem(
    "not-ours",
    Exit.BAD_INPUT,
    "file was not written by this tool",
    "Something else is there under the name of a file that is to be written. Nothing was written.",
    "Choose another place, or say --force to replace it.",
)
SPEC_THERE: Final = _problem(
    "spec-there",
    Exit.REFUSED,
    "a file of this name is there",
    "It may be a spec that somebody has changed; it was left as it is, and nothing was written.",
    "Name another file with -o, or read the proposal with --stdout.",
)
NOTHING_TO_PLAN: Final = _problem(
    "nothing-to-plan",
    Exit.REFUSED,
    "no image of this project can be planned yet",
    "No host of it that was looked at has images in Artifact Registry. No spec was written.",
    "`gcr-migrate discover PROJECT` tells what each host needs first; a project that never migrated"
    " begins with `gcr-migrate rescue PROJECT`.",
)
NOT_WRITABLE: Final = _problem(
    "not-writable",
    Exit.BAD_INPUT,
    "file cannot be written",
    "Its folder is missing or no folder, or this user may not write there.",
    "Choose another place, or have its permissions changed.",
)
NOTHING_TO_EXPORT: Final = _problem(
    "nothing-to-export",
    Exit.BAD_INPUT,
    "plan has nothing that can be written as code",
    "Only repositories of Artifact Registry and their grants can; a plain registry has neither.",
    "Nothing: `apply` needs no repositories there.",
)
NOT_A_MIGRATION: Final = _problem(
    "not-a-migration",
    Exit.BAD_INPUT,
    "file is not a migration file",
    "It was not made by `gcr-migrate plan`, or it was damaged.",
    "Name a file that `plan` wrote, or plan again.",
)
NOT_A_RESULT: Final = _problem(
    "not-a-result",
    Exit.BAD_INPUT,
    "file holds no result that can be drawn",
    "A report is made from a migration file, or from what a command of this version printed with"
    " --json.",
    "Run the command again with --json and keep what it prints, or name a migration file.",
)
SCHEMA_UNKNOWN: Final = _problem(
    "file-version",
    Exit.BAD_INPUT,
    "migration file has another version",
    "The file was written by a version of the tool whose layout this one does not know.",
    "Use the version that wrote it, or plan again.",
)
NOT_A_SNAPSHOT: Final = _problem(
    "not-a-snapshot",
    Exit.BAD_INPUT,
    "file is not a snapshot",
    "It was not made by `gcr-migrate inventory`, or it was damaged.",
    "Name a file that `inventory` or `plan` wrote, or take the snapshot again.",
)
FILE_IN_USE: Final = _problem(
    "file-has-ledger",
    Exit.REFUSED,
    "migration file already has a ledger",
    "A run was started from it; writing a new plan over it would lose what was recorded.",
    "Use --new to write a file beside it, or -o with another name.",
)
FILE_LOCKED: Final = _problem(
    "file-locked",
    Exit.REFUSED,
    "another process is working on this migration file",
    "Two runs of one file would send things twice.",
    "Wait for the process that is named, or stop it.",
)
FILE_MOVED: Final = _problem(
    "file-moved",
    Exit.OUT_OF_REACH,
    "migration file is not in its place any more",
    "It was moved, removed or replaced while a run wrote to it. What that run did is recorded in"
    " the files beside the name that it had, `-wal` and `-shm`, and counts only together with it.",
    "Give it its name back, and run the same command again: it goes on where it stopped. If the"
    " file is lost, plan anew: a new plan sees what the target has.",
)
LEDGER_FOREIGN: Final = _problem(
    "ledger-of-another-plan",
    Exit.REFUSED,
    "what lies beside this file belongs to another plan",
    "A run of the plan that had this name before was cut off. The end of its ledger is in the"
    " files `-wal` and `-shm`, which count for whatever file has the name. Nothing was changed.",
    "Put the plan of that run back in its place and go on with it; or, if it is not needed any"
    " more, remove the files `-wal`, `-shm` and `.lock` beside this one.",
)
NOT_AGREED: Final = _problem(
    "not-agreed",
    Exit.REFUSED,
    "a question was answered with no",
    "Nothing was begun or changed.",
    "Run the same command again when you want it, with --yes where nobody is to be asked.",
)
PLAN_INCOMPLETE: Final = _problem(
    "plan-incomplete",
    Exit.REFUSED,
    "plan is incomplete",
    "A part of the source could not be listed, so images may be missing from the plan.",
    "Mend the cause and plan again, or apply with --allow-incomplete.",
)
DIGEST_DIFFERS: Final = _problem(
    "plan-digest-differs",
    Exit.REFUSED,
    "plan is not the one that was expected",
    "The digest given with --expect-digest is not that of the plan in this file.",
    "Review this plan and use its digest, or use the file that was reviewed.",
)
PLAN_DAMAGED: Final = _problem(
    "plan-damaged",
    Exit.REFUSED,
    "plan was changed after it was sealed",
    "Its rows no longer give the digest that was written with them.",
    "Plan again; a sealed plan is not edited.",
)
DISK_FULL: Final = _problem(
    "disk-trouble",
    Exit.OUT_OF_REACH,
    "migration file cannot be written",
    "The disk is full, read-only, or failed.",
    "Make room, then run the same command again; what is done stays done.",
)
FILE_BUSY: Final = _problem(
    "file-busy",
    Exit.OUT_OF_REACH,
    "another program keeps hold of the migration file",
    "It kept SQLite's lock on the file longer than is waited for (30 seconds): a viewer of"
    " databases or a shell with an open transaction, or a backup. It is none of this tool's runs.",
    "Have that program end its transaction or close the file (`fuser` or `lsof` tell which one has"
    " it open); then run the same command again: it goes on where it stopped.",
)
OUTPUT_LOST: Final = _problem(
    "output-lost",
    Exit.OUT_OF_REACH,
    "output cannot be written",
    "The disk that it goes to is full or failed. The command itself went on to its end; its result,"
    " or a part of it, was not kept.",
    "Make room or choose another place; then run the same command again, or `status` for a run.",
)
_group("Registries")
UNREACHABLE: Final = _problem(
    "unreachable",
    Exit.OUT_OF_REACH,
    "service cannot be reached",
    "Its name has no address, the connection was refused, broke or timed out, its certificate is"
    " not trusted, or a proxy on the way refused it.",
    "Check address, network, proxy and certificate; then run the same command again.",
)
UNTRUSTED: Final = _problem(
    "untrusted",
    Exit.OUT_OF_REACH,
    "certificate of the service is not trusted",
    "The connection is encrypted, but who is at its other end is not proven. Nothing was sent.",
    "If your network puts its own certificates in between, name its authority in SSL_CERT_FILE.",
)
UNAUTHORIZED: Final = _problem(
    "unauthorized",
    Exit.OUT_OF_REACH,
    "credentials were not accepted",
    "The service, or who gives tokens for it, wants a login and got none, or one that is wrong or"
    " has ended.",
    "Log in: with `docker login HOST` at a plain registry, with `gcloud auth login` or a fresh"
    " access token at Google's. Check this machine's clock, too.",
)
DENIED: Final = _problem(
    "denied",
    Exit.OUT_OF_REACH,
    "access is denied",
    "No permission for this, or no such repository: registries hide which.",
    "Check the spelling and grant artifactregistry.reader (source) or .repoAdmin (target).",
)
TOKEN_EXPIRED: Final = _problem(
    "token-expired",
    Exit.OUT_OF_REACH,
    "access token has ended and cannot be renewed",
    "The token was given as it is, so the tool cannot get a new one. What is done stays done.",
    "Get a fresh token and run the same command again, or use credentials that renew themselves.",
)
NO_CREDENTIALS: Final = _problem(
    "no-credentials",
    Exit.OUT_OF_REACH,
    "no Google credentials were found",
    "Neither a token, application default credentials, gcloud nor Docker's configuration has any.",
    "Run `gcloud auth application-default login`, or pass --access-token-file.",
)
IMPERSONATION_REFUSED: Final = _problem(
    "impersonation-refused",
    Exit.OUT_OF_REACH,
    "the service account cannot be impersonated",
    "No token of that account was given to the login that wants to act as it.",
    "Check its spelling, and grant the login roles/iam.serviceAccountTokenCreator on it.",
)
API_DISABLED: Final = _problem(
    "api-disabled",
    Exit.OUT_OF_REACH,
    "API is not enabled in the project",
    "The service answers nobody in this project until it is enabled.",
    "Enable the service that is named: `gcloud services enable SERVICE --project=PROJECT`.",
)
BILLING_OFF: Final = _problem(
    "billing-off",
    Exit.OUT_OF_REACH,
    "project has no active billing account",
    "Artifact Registry refuses projects whose billing is switched off.",
    "Link a billing account: `gcloud billing projects link PROJECT --billing-account=ACCOUNT`.",
)
QUOTA_PROJECT: Final = _problem(
    "quota-project",
    Exit.OUT_OF_REACH,
    "quota project cannot be used",
    "Calls are counted against a project in which the caller may not use services.",
    "Grant serviceusage.serviceUsageConsumer there, or name another one with --quota-project.",
)
PERIMETER: Final = _problem(
    "perimeter",
    Exit.OUT_OF_REACH,
    "a VPC Service Controls perimeter refuses the request",
    "The caller may do this, but not from here, or not across this boundary.",
    "Give the unique id to those who run the perimeter: it needs an ingress or egress rule.",
)
AGENT_DENIED: Final = _problem(
    "agent-denied",
    Exit.OUT_OF_REACH,
    "Artifact Registry's service agent cannot read the bucket",
    "The server-side copy reads the old bucket as the account that is named, and may not.",
    "Grant roles/storage.objectViewer to that account in the project, and wait a few minutes.",
)
REPOSITORY_MISSING: Final = _problem(
    "repository-missing",
    Exit.BAD_INPUT,
    "repository does not exist",
    "Artifact Registry's API was asked: the caller may see the project, and it is not there.",
    "Check location, project and repository; for a gcr.io host create its repository.",
)
NOT_DOCKER: Final = _problem(
    "not-docker",
    Exit.BAD_INPUT,
    "repository is not for container images",
    "Artifact Registry keeps packages of several formats, one in each repository.",
    "Name a repository of the format Docker under `source`.",
)
IMMUTABLE_TAG: Final = _problem(
    "immutable-tag",
    Exit.FAILED,
    "repository does not let a tag move",
    "Its tags are immutable, and this one points elsewhere. Nothing was overwritten; what it"
    " should point to is carried without it.",
    "Choose another tag, or switch immutability off for the time of the migration, and plan again.",
)
UNSUPPORTED: Final = _problem(
    "unsupported",
    Exit.FAILED,
    "this kind of request is not taken",
    "Who answered, source, target or a proxy on the way, lacks the end-point or does not allow the"
    " method. A registry that is read-only, or only a cache of another, takes no writes.",
    "Have proxies let the method through, and name a target that takes pushes. Set the `dialect` of"
    " the source if it was guessed wrongly; else report it as a defect.",
)
NAME_UNKNOWN: Final = _problem(
    "name-unknown",
    Exit.BAD_INPUT,
    "registry does not know this name",
    "The repository or image does not exist there.",
    "Check the spelling of project, host and path.",
)
NOT_MIGRATED: Final = _problem(
    "not-migrated",
    Exit.BAD_INPUT,
    "project was never migrated from Container Registry",
    "Container Registry is shut down and answers 412; images are still on Google's side.",
    "Have Google copy them first, with `gcr-migrate rescue PROJECT`; then plan.",
)
TOO_MANY_REQUESTS: Final = _problem(
    "too-many-requests",
    Exit.OUT_OF_REACH,
    "quota is used up",
    "The registry refused requests for longer than the tool keeps trying.",
    "Wait a minute and run the same command again; it goes on where it stopped.",
)
REFUSED_ALONE: Final = _problem(
    "too-many-requests-for-one",
    Exit.OUT_OF_REACH,
    "requests for one name are refused",
    "For longer than the tool keeps trying, the registry answered 429 to what was asked for this "
    "name, and took what was asked for others: it is a limit of that name, not a used-up quota.",
    "Look for a limit of that repository, or a rule for what was asked for; then run the same "
    "command again, it goes on where it stopped.",
)
SERVER_ERROR: Final = _problem(
    "server-error",
    Exit.OUT_OF_REACH,
    "service failed",
    "The service answered with an error of its own for longer than the tool keeps trying.",
    "Run the same command again later; it goes on where it stopped.",
)
BAD_REPLY: Final = _problem(
    "bad-reply",
    Exit.OUT_OF_REACH,
    "reply cannot be used",
    "The reply was cut short, is not what the protocol says, or names another host.",
    "Run the same command again; if it stays, look at what stands between here and there.",
)
REQUEST_REFUSED: Final = _problem(
    "request-refused",
    Exit.FAILED,
    "registry refused a request",
    "The registry answered that it will not take this as it is.",
    "Read the registry's words; the object named is the one it refused.",
)
MANIFEST_UNKNOWN: Final = _problem(
    "manifest-unknown",
    Exit.FAILED,
    "manifest is not there",
    "A listing, a tag or an index names it, but the registry does not have it.",
    "If the source lost it, nobody can repair it there: rebuild the image or leave it out.",
)
BLOB_UNKNOWN: Final = _problem(
    "blob-unknown",
    Exit.FAILED,
    "blob is not there",
    "A manifest names a layer, config or child that the registry does not have.",
    "At the source the image is damaged: rebuild it or leave it out. At the target: plan anew.",
)
DIGEST_MISMATCH: Final = _problem(
    "digest-mismatch",
    Exit.FAILED,
    "bytes do not have their digest",
    "What was received is not what its name promises; it was not passed on.",
    "Run again; if it stays, the object is damaged at the registry named.",
)
BAD_MANIFEST: Final = _problem(
    "bad-manifest",
    Exit.FAILED,
    "manifest cannot be read",
    "It is not a JSON object, or lacks what its kind must have.",
    "The image is damaged at its source: rebuild it or leave it out.",
)
_group("Findings of plan, apply and verify")
LISTING_FAILED: Final = _problem(
    "listing-failed",
    Exit.REFUSED,
    "part of the source could not be listed",
    "Images below this name may be missing from the plan. A 403 can also mean: no such name.",
    "Mend the cause and plan again.",
)
REFERRERS_UNKNOWN: Final = _problem(
    "referrers-unknown",
    Exit.OK,
    "registry does not tell what is attached to manifests of this name",
    "It tells that of other names. What is attached here, and has no tag of its own, is not in the"
    " plan.",
    "Look whether signatures of this name have tags; if they have none, ask who runs the registry.",
)
NO_REFERRERS: Final = _problem(
    "no-referrers",
    Exit.OK,
    "registry does not tell what is attached to manifests",
    "It said no whenever it was asked. Signatures and the like that have tags, as clients give them"
    " where a registry is so, are in the plan; what is attached without a tag is not.",
    "Nothing to do where signatures have tags; if they have none, ask who runs the registry.",
)
LISTING_CUT: Final = _problem(
    "listing-cut",
    Exit.REFUSED,
    "listing may be cut short",
    "The answer was exactly as long as asked for or as the registry gives at most, or has a Link "
    "header that cannot be read.",
    "Plan from a registry that pages its lists, or split the path.",
)
VIEWS_DIFFER: Final = _problem(
    "views-differ",
    Exit.OK,
    "registry and API do not show the same",
    "Both were read again, and one still lists what the other does not; all of it is planned.",
    "Look at the tag or digest on both sides; plan again if somebody was pushing.",
)
ONE_VIEW: Final = _problem(
    "one-view-only",
    Exit.OK,
    "contents were seen in one view only",
    "The registry's lists could not be compared with those of the Artifact Registry API.",
    "Mend what is named, such as a missing artifactregistry.reader role, and plan again.",
)
NAME_EMPTY: Final = _problem(
    "name-empty",
    Exit.OK,
    "name is listed, and nothing is in it",
    "The list above it shows the name; its own list has no tag, no manifest and nothing below.",
    "Nothing to do.",
)
SOURCE_DAMAGED: Final = _problem(
    "source-damaged",
    Exit.BAD_INPUT,
    "something is damaged at the source",
    "The spec says to stop at damage of the kind that is named, so no plan was made.",
    "Mend or delete what is named; or say `skip` for its kind under `damaged`, or for all kinds.",
)
SCHEMA1_LEFT: Final = _problem(
    "schema-1",
    Exit.FAILED,
    "image has the retired schema 1 form",
    "Artifact Registry and others refuse schema 1, and converting it would change its digest.",
    "Rebuild the image, or convert it by hand under a new digest.",
)
MANIFEST_TOO_LARGE: Final = _problem(
    "manifest-too-large",
    Exit.FAILED,
    "manifest is larger than the target takes",
    "Registries take manifests up to 4 MiB.",
    "Rebuild the image with fewer or smaller annotations.",
)
BLOB_TOO_LARGE: Final = _problem(
    "blob-too-large",
    Exit.FAILED,
    "layer is larger than the target takes in one request",
    "The target, or a proxy before it, refused the upload for its size; nothing was kept.",
    "Raise that limit (nginx: client_max_body_size), or rebuild the image with smaller layers.",
)
BLOB_IN_RANGES: Final = _problem(
    "blob-over-one-answer",
    Exit.OK,
    "layer is longer than one answer of the registry may be",
    "The tool reads such a layer in ranges. Clients that ask for all of it at once may be refused"
    " where the registry has this limit, before and after the migration.",
    "Nothing to do for the migration; rebuild the image with smaller layers if pulls of it fail.",
)
TAG_REFUSED: Final = _problem(
    "tag-refused",
    Exit.FAILED,
    "tag is none that registries take",
    "A tag has 1 to 128 letters, digits, `_`, `.` and `-`, and does not start with `.` or `-`."
    " What it points to is carried without it.",
    "Give the digest another tag at the source and plan again, or pull it by digest.",
)
NAME_REFUSED: Final = _problem(
    "name-refused",
    Exit.FAILED,
    "name is none that registries take",
    "The source lists it, and it breaks the grammar of registry names: no target would take it, and"
    " nothing is asked of it. What is seen there names the part that offends.",
    "Give the image another name at the source and plan again. If nobody needs it, name what is to"
    " be carried under `select.paths`, or leave it out by a pattern with `*`, which any name fits.",
)
UNTAGGED_LEFT: Final = _problem(
    "untagged-left-out",
    Exit.OK,
    "untagged digest is left out",
    "The spec says `select.untagged: false`.",
    "Remove that line to carry it.",
)
ATTACHMENT_LEFT: Final = _problem(
    "attachment-left-out",
    Exit.OK,
    "signature or attestation is left out",
    "The spec says `select.attachments: false`.",
    "Remove that line to carry it.",
)
NOT_SELECTED: Final = _problem(
    "not-selected",
    Exit.OK,
    "left out by a rule of the spec",
    "What is told with it names the rule of `select`.",
    "Change that rule to carry it.",
)
BAD_PULL_LOG: Final = _problem(
    "bad-pull-log",
    Exit.BAD_INPUT,
    "file is no log of pulls",
    "`select.pulled` and --audit-log need whole exports of Artifact Registry's Data Access audit "
    "log, as gcloud writes them.",
    "Export them with `gcloud logging read` and `--format=json`, with a timestamp in the filter: "
    "without one only the last day comes.",
)
NOTHING_SELECTED: Final = _problem(
    "nothing-selected",
    Exit.OK,
    "the rules of the spec leave nothing to carry",
    "Every image of the source is left out by `select`, each with its rule.",
    "Widen a rule, if that is not what you want.",
)
TIME_UNKNOWN: Final = _problem(
    "time-unknown",
    Exit.OK,
    "a rule about time cannot judge some manifests",
    "The source, or the log, does not tell the time that the rule asks for; they are kept.",
    "Nothing to do, or leave them out by tag or path.",
)
ORIGIN_GROUP: Final = _problem(
    "origin-group",
    Exit.OK,
    "images that a service or a build made for itself",
    "Their paths tell whose they are. They are carried like all others, unless the spec says not.",
    "Write the `select.leave_out` that is told with it, if nobody needs them at the target.",
)
REFERRERS_TAG_LEFT: Final = _problem(
    "referrers-tag-kept-by-target",
    Exit.OK,
    "tag of referrers is made by the target itself",
    "The target makes and moves this tag whenever a manifest with a subject arrives.",
    "Nothing to do; verify compares what the tag lists.",
)
CHILD_MISSING: Final = _problem(
    "child-missing",
    Exit.FAILED,
    "index names a manifest that is not there",
    "The index is sparse or damaged at the source. It is left out, and its other children are not;"
    " with `damaged: {children: copy}` it goes without what it lacks, if the target takes that.",
    "Rebuild the index if clients need the missing platform.",
)
NAME_EMBEDDED: Final = _problem(
    "name-embedded",
    Exit.OK,
    "signatures or attestations may have the image's old name in them",
    "They are carried as they are and stay valid for the digest, but what they state names the"
    " image as it was called when they were made.",
    "Let policies that compare the name accept the old one too, or sign again under the new one.",
)
SCAN_HISTORY_STAYS: Final = _problem(
    "scan-history-stays",
    Exit.OK,
    "scan results and attestations in Google's services stay under the old name",
    "Vulnerability occurrences, Binary Authorization attestations and build records are kept under"
    " the image's URL and do not move with it.",
    "Export what must be kept before the switch; have images scanned and attested under new names.",
)
FOREIGN_LAYER: Final = _problem(
    "foreign-layer",
    Exit.OK,
    "layer lives outside the registry",
    "Pulls depend on the address in the manifest, before and after the migration.",
    "Nothing to do; keep that address reachable.",
)
NEEDS_UNKNOWN: Final = _problem(
    "needs-unknown",
    Exit.OK,
    "it cannot be told what a manifest needs",
    "It is of a kind that this tool does not know, and names no blob or manifest where other kinds"
    " do, or digests in other places. It is copied as it is; what only it needs may stay behind.",
    "Ask who wrote it what belongs to it, and copy by hand what the target lacks.",
)
SIZE_MISSTATED: Final = _problem(
    "size-misstated",
    Exit.OK,
    "manifest states a wrong size of a layer",
    "The layer is whole and goes with all images that have it; the manifest is copied as it is."
    " Clients that hold layers against their stated sizes refuse to pull it, before and after.",
    "Nothing to do for the migration; rebuild the image if pulls of it fail.",
)
HOST_EMPTY: Final = _problem(
    "host-not-in-use",
    Exit.OK,
    "host has no repository for this project",
    "The project does not use this gcr.io host.",
    "Nothing to do; name `source.hosts` to ask only the hosts in use.",
)
SOURCE_EMPTY: Final = _problem(
    "source-empty",
    Exit.OK,
    "the source has no image",
    "All hosts or repositories of the source that answered list no image at all, as does a "
    "registry that is another one than was meant.",
    "Check project, host, port and repository under `source`.",
)
NOT_STANDARD: Final = _problem(
    "repository-not-standard",
    Exit.OK,
    "repository is remote or virtual",
    "A remote repository lists only what it has fetched and still keeps; a virtual one holds "
    "nothing of its own. Where a whole location is read they are left out.",
    "Read the repositories or the registry behind it; or name it in `source.below`, to read what "
    "it lists.",
)
PATH_EMPTY: Final = _problem(
    "path-empty",
    Exit.OK,
    "nothing is at or below this path",
    "The spec asks for a path that none of its hosts or repositories has an image at or below.",
    "Check its spelling under `source`, where it stands with the rest of a name or in `below`.",
)
NAME_WITHOUT_TAGS: Final = _problem(
    "name-without-tags",
    Exit.OK,
    "registry has the name, and lists no tags for it",
    "Its tags were deleted, or it only ever had digests; a plain registry cannot list those.",
    "Nothing to do, unless something is still pulled from there by digest: then tag it and plan.",
)
NOT_A_TARGET: Final = _problem(
    "not-a-target",
    Exit.BAD_INPUT,
    "images cannot be pushed to this repository",
    "It holds another format, or it is a proxy or a view of others, which take no pushes.",
    "Choose another repository on the route; format and mode of one that is there are fixed.",
)
REPOSITORY_DIFFERS: Final = _problem(
    "repository-differs",
    Exit.FAILED,
    "existing repository has other settings",
    "The repository is used as it is; nothing existing is changed unless the spec says `adopt`.",
    "Set `settings: {adopt: true}`, change it by hand, or take it out of the spec. Format, mode,"
    " location and key are fixed when a repository is made.",
)
TAG_CONFLICT: Final = _problem(
    "tag-conflict",
    Exit.FAILED,
    "target tag points elsewhere",
    "The tag exists at the target with other content. Nothing was overwritten.",
    "Plan again, or set `existing_tags: keep` or `overwrite` on the route. Where `keep` left it,"
    " there is nothing to do.",
)
TAG_REPLACED: Final = _problem(
    "tag-replaced",
    Exit.OK,
    "target tag points elsewhere, and will be replaced",
    "The tag exists at the target with other content, and `existing_tags: overwrite` says to set it"
    " as it is at the source. What it points to now stays there by its digest, unless a clean-up"
    " policy removes what has no tag.",
    "Make sure that nobody needs the other content by this tag; else set `existing_tags: keep` or"
    " `fail` on the route, and plan again.",
)
TAG_MOVED: Final = _problem(
    "tag-moved",
    Exit.FAILED,
    "tag points elsewhere than it should",
    "A plan or a baseline has it with other content: somebody pushed to this tag since.",
    "If that was meant, plan again or take a new baseline; `moved_tags: pin` or `skip` makes a plan"
    " live with it. Else set the tag back.",
)
TAG_GONE: Final = _problem(
    "tag-gone",
    Exit.FAILED,
    "tag is not there",
    "A plan, a baseline or the registry's own list says that it should be.",
    "Run `apply` on the migration file, or set the tag again; if it was meant to go, take a new"
    " baseline.",
)
REFERENCE_MOVED: Final = _problem(
    "reference-moved",
    Exit.FAILED,
    "name that files use leads elsewhere than it should",
    "What is deployed by it now is not what the plan, the baseline or its own digest says.",
    "If that was meant, plan again or take a new baseline, and pin what has to stay. Else set the"
    " tag back.",
)
REFERENCE_LOST: Final = _problem(
    "reference-lost",
    Exit.FAILED,
    "name that files use is not there",
    "It is not served, or the plan does not carry it: who deploys by that file cannot pull.",
    "Run `apply` on the migration file, plan again with it, or change the file.",
)
BYTES_DIFFER: Final = _problem(
    "bytes-differ",
    Exit.FAILED,
    "other bytes are served than promised",
    "They do not hash to the digest under which they are served, or have another length.",
    "Do not use what is served there until its operator has found the cause.",
)
DIGEST_GONE: Final = _problem(
    "digest-gone",
    Exit.FAILED,
    "manifest is not there",
    "A plan, a baseline or an index that is there says that it should be. Pulls of it fail.",
    "Run `apply` on the migration file; if it stays, `plan --check-target --new`, and apply that."
    " Else push it again from a copy.",
)
BLOB_GONE: Final = _problem(
    "blob-gone",
    Exit.FAILED,
    "blob is not there",
    "A manifest that is there needs it, and pulls of that image will fail.",
    "Run `apply` on the migration file; if it stays, `plan --check-target --new`, and apply that."
    " Else push the image again from a copy.",
)
IMAGE_NEW: Final = _problem(
    "image-new",
    Exit.OK,
    "something is there that was not before",
    "It was pushed after the plan was made or the baseline was taken.",
    "Plan again to carry it too, or take a new baseline to have it verified.",
)
REPOSITORY_CHANGED: Final = _problem(
    "repository-changed",
    Exit.FAILED,
    "repository is not as it should be",
    "It is gone, or its format, mode or settings are not those of the plan or the baseline.",
    "Run `apply` if it was never made. Else find out who changed it and why; put it back, or take a"
    " new baseline.",
)
REDIRECT_CHANGED: Final = _problem(
    "redirect-changed",
    Exit.FAILED,
    "another service answers these names than before",
    "The project's redirect setting, or who answers its gcr.io names, is not what it was, or not"
    " what it should be.",
    "Run `gcr-migrate redirect status` on the project; pulls by these names may fail.",
)
CLEANUP_DELETED: Final = _problem(
    "cleanup-deleted",
    Exit.FAILED,
    "a clean-up policy may have deleted this",
    "It is gone, and a clean-up policy of its repository covers what it was.",
    "Mend the policy first, then bring back what is missing from the source or a backup.",
)
QUOTA_NEAR: Final = _problem(
    "quota-near",
    Exit.OK,
    "requests come near a quota",
    "The service made the proof wait. Production pulls share that quota.",
    "Verify at a quieter time or with a lower --max-rate, or ask for a higher quota.",
)
BUDGET_SPENT: Final = _problem(
    "budget-spent",
    Exit.OUT_OF_REACH,
    "the budget of this run is spent",
    "What was not looked at is not proven.",
    "Run the same command again: it goes on where this run stopped. Or give a larger --budget.",
)
NOT_CHECKED: Final = _problem(
    "not-checked",
    Exit.OUT_OF_REACH,
    "could not be checked",
    "A registry did not answer, so nothing is proven about this name.",
    "Mend the cause and verify again.",
)
BLOCKED: Final = _problem(
    "blocked",
    Exit.FAILED,
    "something that it needs failed",
    "A manifest waits for its blobs and children, a tag for its manifest.",
    "Look at the failure that is named, mend it, and run `apply` again.",
)
STOPPED: Final = _problem(
    "stopped",
    Exit.INTERRUPTED,
    "run was stopped before this was sent",
    "It waited for its turn when somebody wanted an end, or time was up, and was given back.",
    "Run the same command again; it goes on from there.",
)
WORKER_LOST: Final = _problem(
    "worker-lost",
    Exit.FAILED,
    "a worker process ended again and again",
    "Work is done again by another worker when one dies; this one's died each time.",
    "Look at the machine's memory, run `apply` again with fewer --workers, or with --workers 1.",
)
POLICY_CONFLICT: Final = _problem(
    "policy-conflict",
    Exit.FAILED,
    "access policy kept changing while it was written",
    "Somebody else writes this policy at the same time; nothing of theirs was overwritten.",
    "Run `apply` again when the other writer is done.",
)
GRANT_REFUSED: Final = _problem(
    "grant-refused",
    Exit.FAILED,
    "access for this member was refused",
    "The service does not take this member in this role: nobody has that name, or an organisation"
    " policy allows no such members. The repository's other grants are not touched by that.",
    "Read its words. Change the spec, or have the policy `iam.allowedPolicyMemberDomains` changed,"
    " and run `apply` again.",
)
POLICY_FULL: Final = _problem(
    "policy-full",
    Exit.FAILED,
    "access policy has no room for this grant",
    "A policy takes 1,500 members, 250 groups and domains among them, and 20 conditions of one"
    " member in one role. Nothing that is in it was dropped.",
    "Grant to a group instead of its members, or take out who is not needed; then run `apply`.",
)
GRANT_GONE: Final = _problem(
    "grant-gone",
    Exit.FAILED,
    "grant is not in the target's policy",
    "The plan says that it should be there.",
    "Run `apply` on the migration file; if it says that it is there, plan again and apply that.",
)
ACCESS_UNSETTLED: Final = _problem(
    "access-unsettled",
    Exit.REFUSED,
    "somebody would lose or gain access without consent",
    "The plan changes who can pull, push or delete, and the spec does not say that this is wanted."
    " Nothing was changed.",
    "Look at `access show FILE`. Grant what is missing, or consent by `access.accept` on the route"
    " with a reason; then plan again.",
)
OPERATION_FAILED: Final = _problem(
    "operation-failed",
    Exit.FAILED,
    "repository could not be created",
    "Artifact Registry took the request and then reported that it failed.",
    "Read its words; run `apply` again when the cause is mended.",
)
_group("The redirect")
REDIRECT_BACKWARD: Final = _problem(
    "redirect-backward",
    Exit.REFUSED,
    "the redirect is only led forward",
    "Container Registry is gone. What Artifact Registry does not answer is an outage, not a way "
    "back.",
    "Mend what is wrong in Artifact Registry: images by `apply` or `rescue`, access by a grant on "
    "the repository. `gcr-migrate redirect plan` names the move that leads on.",
)
REDIRECT_UNKNOWN: Final = _problem(
    "redirect-unknown",
    Exit.REFUSED,
    "the state of the redirect is not known",
    "The service tells a state that this version does not know, or none at all. It may be "
    "anything, and is not taken for disabled.",
    "Use a newer version, or ask Google what the state means. Nothing was changed.",
)
REDIRECT_TOO_SOON: Final = _problem(
    "redirect-too-soon",
    Exit.REFUSED,
    "the redirect cannot be made final yet",
    "Only a redirect that is enabled, and copies nothing any more, can be made final.",
    "Run `gcr-migrate redirect plan` on the project: it names the move that comes first.",
)
REDIRECT_GATE: Final = _problem(
    "redirect-gate",
    Exit.REFUSED,
    "a gate before the redirect is not passed",
    "What has to be true before the move is not, or could not be seen.",
    "Mend what is named and run the command again; `gcr-migrate redirect plan` shows every gate.",
)
REDIRECT_UNCONFIRMED: Final = _problem(
    "redirect-unconfirmed",
    Exit.REFUSED,
    "nobody has confirmed the move",
    "It cannot be taken back, so somebody has to say that the plan of it was read.",
    "Run it on a terminal and type the project's id, or give --yes and --i-have-read with the "
    "code that `gcr-migrate redirect plan` prints.",
)
REDIRECT_CODE_DIFFERS: Final = _problem(
    "redirect-code-differs",
    Exit.REFUSED,
    "the plan that was read is not today's",
    "The code stands for what a plan says. Something of that has changed since, or another option "
    "was given.",
    "Run `gcr-migrate redirect plan` with the same options, read it again, and give its code.",
)
REDIRECT_CONFLICT: Final = _problem(
    "redirect-conflict",
    Exit.FAILED,
    "somebody else changes the redirect",
    "The setting is not what it was a moment ago, and not what was asked for.",
    "Find out who it is, and run `gcr-migrate redirect plan` again.",
)
REDIRECT_UNSETTLED: Final = _problem(
    "redirect-unsettled",
    Exit.FAILED,
    "whether the redirect was changed is not known",
    "The change was sent, no answer came, and the setting could not be read afterwards.",
    "Run `gcr-migrate redirect status` on the project as soon as the service answers.",
)
REDIRECT_MISPLACED: Final = _problem(
    "redirect-misplaced",
    Exit.FAILED,
    "no repository that could answer for this host",
    "Artifact Registry answers for a host from one repository only: of the host's own name, in its "
    "own location, in Docker format, and one that keeps what is pushed.",
    "Make that repository and copy the images into it; a name that is taken by one of another kind "
    "has to be freed first.",
)
REDIRECT_SLOW: Final = _problem(
    "redirect-slow",
    Exit.FAILED,
    "a host does not answer as the redirect is set",
    "The setting was read and says that Artifact Registry answers; the host does not, or not "
    "within the time given.",
    "Wait some minutes and run `gcr-migrate redirect status`, then `gcr-migrate verify`. If it "
    "stays so, ask Google's support: nothing that could be written here changes it.",
)

_group("Rescue")
COPY_UNAVAILABLE: Final = _problem(
    "copy-unavailable",
    Exit.OUT_OF_REACH,
    "the server-side copy is not there any more",
    "Artifact Registry answers as if it knew no such request. Nobody can read these images from"
    " Container Registry, so nothing can be copied from there.",
    "Ask Google's support whether the images can still be had. The blobs in the project's buckets"
    " are all that is left otherwise: keep them.",
)
COPY_UNPROVEN: Final = _problem(
    "copy-unproven",
    Exit.OUT_OF_REACH,
    "nothing shows that the server-side copy did anything",
    "Every answer was a plain list, or those about a host whose bucket has blobs, and no image is"
    " there. Either everything was copied or deleted before, or the service copies no more; the"
    " source cannot be listed, so that nobody can tell which.",
    "Hold the target against what you know: `--expected FILE` with a snapshot, a list of names or"
    " an audit log. If all of it is there, this is no failure.",
)
COPY_TIMEOUT: Final = _problem(
    "copy-timeout",
    Exit.OUT_OF_REACH,
    "the server-side copy ran out of time again and again",
    "What it had copied by then stays, and is not counted. Smaller parts were asked for, too.",
    "Run the same command again: it goes on with what is left. Or copy the newest versions first,"
    " with --newest.",
)
COPY_DAMAGED: Final = _problem(
    "copy-damaged",
    Exit.FAILED,
    "the image is damaged at the source",
    "A part of it is gone from Container Registry, so that nobody can copy it or repair it there.",
    "Rebuild the image, or leave it. Look for the part in backups of the project's bucket.",
)
COPY_FAILED: Final = _problem(
    "copy-failed",
    Exit.FAILED,
    "the service could not copy some manifests",
    "It says so without more than an example; all other manifests are not touched by that.",
    "Run the same command again: what failed is asked for once more.",
)
COPY_TAGS: Final = _problem(
    "copy-tags-failed",
    Exit.FAILED,
    "the service could not set some tags",
    "The manifests may be there without them; pulls by these tags fail.",
    "Run the same command again. Where tags of the target cannot move, set them by hand.",
)
COPY_SHORT: Final = _problem(
    "copy-not-there",
    Exit.FAILED,
    "what was copied by the service's word is not there",
    "Answers named or counted manifests that the inventory of the target does not show.",
    "Look for clean-up policies and for others who delete. Then begin anew, with another --state:"
    " a run that goes on does not ask again for what was copied.",
)
EXPECTED_MISSING: Final = _problem(
    "expected-missing",
    Exit.FAILED,
    "an image that was expected is not there",
    "The list of expected names has it, and the target does not, so pulls of it will fail.",
    "See whether a filter left it out or its copy failed, and run again; else rebuild the image.",
)
EXPECTED_OTHER: Final = _problem(
    "expected-other-digest",
    Exit.FAILED,
    "an image that was expected is there with another digest",
    "The tag points to something else than the list says: it was pushed anew before or after.",
    "Find out which of the two is right. If the expected digest is there too, move the tag.",
)
SOURCE_UNLISTED: Final = _problem(
    "source-unlisted",
    Exit.OK,
    "what the source had cannot be listed",
    "Container Registry is not readable any more. What the service found there is known by its"
    " answers alone; whether that is everything cannot be proven.",
    "Hold the result against lists of your own: `--expected FILE`, which may be repeated.",
)
NOTHING_TO_RESCUE: Final = _problem(
    "nothing-to-rescue",
    Exit.REFUSED,
    "no host of the project has a bucket",
    "Container Registry kept its blobs in the project's own buckets. Where none is left it has"
    " nothing that could be copied. Nothing was changed.",
    "See whether it is the right project. To ask for a host all the same, name it: HOST/PROJECT.",
)
NOT_A_RESCUE: Final = _problem(
    "not-a-rescue",
    Exit.BAD_INPUT,
    "file is not that of this rescue",
    "It was not made by `gcr-migrate rescue`, it is damaged, or it is of other images or another"
    " target.",
    "Name another file with --state; the one that is there is left as it is.",
)
NO_NAMES: Final = _problem(
    "no-names",
    Exit.BAD_INPUT,
    "file has no name of these images",
    "Expected names are full ones, such as gcr.io/PROJECT/IMAGE:TAG, wherever they stand in the"
    " text; none of them is of the project and hosts that are rescued.",
    "Look at the file; a list that fits nothing proves nothing.",
)

_group("Schedules and alarms")
BAD_SCHEDULE: Final = _problem(
    "bad-schedule",
    Exit.BAD_INPUT,
    "this cannot be scheduled as it stands",
    "A scheduler would refuse it, run something else, or run it at other times than were meant."
    " No file was written.",
    "Change the part that is named; docs/domains.md tells what each kind of schedule takes.",
)
BAD_ALARM_STATE: Final = _problem(
    "bad-alarm-state",
    Exit.BAD_INPUT,
    "file is no memory of alarms",
    "It is damaged, something else, or of a later version, and was left as it is. Without it every"
    " finding counts as new: all are told in each run.",
    "Name another file with `--alarm-state`, or move this one away: the next run begins a new one.",
)
ALARM_STATE_BUSY: Final = _problem(
    "alarm-state-busy",
    Exit.OUT_OF_REACH,
    "memory of alarms kept changing",
    "Other runs write the same file or object at the same time; nothing of theirs was overwritten."
    " What was told now is told once more by the next run.",
    "Give each schedule an `--alarm-state` of its own, or let them run at different times.",
)
NOT_TOLD: Final = _problem(
    "not-told",
    Exit.OUT_OF_REACH,
    "an alarm or a metric could not be delivered",
    "Whoever listens there has not heard of this run. The exit status still says what was proven.",
    "Look at the receiver and at its address. With `--alarm-state` the next run tells it again.",
)
BAD_WEBHOOK: Final = _problem(
    "bad-webhook",
    Exit.BAD_INPUT,
    "address of the webhook cannot be used",
    "It is read from the file of `--webhook-file` or from `GCR_MIGRATE_WEBHOOK`, and is never"
    " shown: who knows it can post there.",
    "Write one address on one line, beginning with `https://`; `http://` is for this machine only.",
)

_group("The program itself")
INTERRUPTED: Final = _problem(
    "interrupted",
    Exit.INTERRUPTED,
    "run was interrupted",
    "What was in flight was finished or dropped; the ledger is clean.",
    "Run the same command again; it goes on where it stopped.",
)
DEFECT: Final = _problem(
    "defect",
    Exit.DEFECT,
    "defect in gcr-migrate",
    "The tool met something that its authors did not expect. Nothing is lost.",
    "Report it with the text below; run the same command again to go on.",
)


def named(code: str) -> Problem:
    """Return the problem of a code that a file names, which a later version may have written."""
    known = CATALOGUE.get(code)
    if known:
        return known
    meaning = "A later version of gcr-migrate wrote the file; it can tell what the code means."
    return Problem(code, "problem of a later version", meaning, "Use that version.", Exit.FAILED)


FILE_TROUBLES: Final = frozenset({DISK_FULL, FILE_BUSY})  # whatever the item is, none goes on
TOO_MANY: Final = frozenset({TOO_MANY_REQUESTS, REFUSED_ALONE})
NOT_THERE: Final = frozenset({NAME_UNKNOWN, REPOSITORY_MISSING})
"""What a registry name gives that leads nowhere: nothing is there, and nobody hides it."""


def says_not_there(error: MigrateError) -> bool:
    """Whether an error says that a name is not there; a bare 404 does not, whoever it is of."""
    return error.problem in NOT_THERE and not isinstance(error, BareError)


def says_no_manifest(error: MigrateError) -> bool:
    """Whether an error says that a manifest or its name is not there; a bare 404 does not."""
    is_it = error.problem is MANIFEST_UNKNOWN and not isinstance(error, BareError)
    return is_it or says_not_there(error)
