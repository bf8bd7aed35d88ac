-- Version 1 of a rescue: every reply of Google's server-side copy, word by word.
-- Ask it with any SQLite tool; `SELECT path, status, body FROM reply` is what was said.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    outcome    TEXT,
    filters    TEXT NOT NULL -- which part was asked for
);

-- A gcr.io host of the project, and the repository that its images are copied to.
CREATE TABLE target (
    id          INTEGER PRIMARY KEY, -- from 0, in the order in which they were named
    host        TEXT NOT NULL,
    resource    TEXT NOT NULL,
    operation   TEXT NOT NULL DEFAULT '', -- by which it is being created
    seen_before INTEGER NOT NULL DEFAULT 0 -- what was in it before the first request is known
);

-- What was in a target before anything was copied there.
CREATE TABLE before (
    target_id INTEGER NOT NULL REFERENCES target,
    path      TEXT NOT NULL,
    digest    TEXT NOT NULL,
    PRIMARY KEY (target_id, path, digest)
) WITHOUT ROWID;

CREATE TABLE reply (
    id        INTEGER PRIMARY KEY,
    run_id    INTEGER NOT NULL REFERENCES run,
    target_id INTEGER NOT NULL REFERENCES target,
    path      TEXT NOT NULL,
    versions  INTEGER, -- MaxVersions of the request
    page      TEXT NOT NULL, -- NextPage of the request
    status    INTEGER NOT NULL, -- 0: no answer in time
    body      BLOB NOT NULL,
    code      TEXT NOT NULL, -- of the problem, where it is one
    saw       TEXT NOT NULL,
    at        TEXT NOT NULL
);

CREATE INDEX reply_by_path ON reply (target_id, path, id);
