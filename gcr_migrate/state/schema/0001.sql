-- Version 1 of the migration file.
-- Digests are kept as text once, in `manifest` and `blob`; everything else joins by integers.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE source (
    id         INTEGER PRIMARY KEY,
    shown      TEXT NOT NULL,
    registry   TEXT NOT NULL,
    prefix     TEXT NOT NULL,
    dialect    TEXT NOT NULL,
    plain_http INTEGER,
    UNIQUE (registry, prefix, shown)
);

CREATE TABLE repository (
    id             INTEGER PRIMARY KEY,
    registry       TEXT NOT NULL,
    prefix         TEXT NOT NULL,
    dialect        TEXT NOT NULL,
    resource       TEXT NOT NULL,
    present        INTEGER NOT NULL,
    settings       TEXT NOT NULL, -- JSON: what the spec states
    changes        TEXT NOT NULL, -- JSON: settings that are written once the images are there
    plain_http     INTEGER,
    upstreams      TEXT NOT NULL, -- JSON: resources that a virtual one stands over
    UNIQUE (registry, prefix)
);

CREATE TABLE repository_grant (
    id            INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repository,
    role          TEXT NOT NULL,
    member        TEXT NOT NULL,
    title         TEXT NOT NULL,
    expression    TEXT NOT NULL, -- of the condition; empty: the grant always counts
    description   TEXT NOT NULL,
    present       INTEGER NOT NULL,
    UNIQUE (repository_id, role, member, expression, title, description)
);

-- One right of one member, before at a source and after at a repository; NULL: not known.
CREATE TABLE access_row (
    id            INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL REFERENCES repository,
    source        TEXT NOT NULL,
    member        TEXT NOT NULL,
    right_held    TEXT NOT NULL,
    before        INTEGER,
    after         INTEGER,
    before_by     TEXT NOT NULL,
    after_by      TEXT NOT NULL,
    verdict       TEXT NOT NULL,
    why           TEXT NOT NULL,
    consent       TEXT NOT NULL,
    proved_by     TEXT NOT NULL,
    UNIQUE (repository_id, source, member, right_held)
);

-- A row without bytes is a digest that something names and the plan does not carry.
CREATE TABLE manifest (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL DEFAULT '',
    raw        BLOB
);

CREATE TABLE blob (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL -- -1 where no manifest says it
);

-- What has to be there first: entries of an index, and the subject.
CREATE TABLE manifest_need (
    manifest_id INTEGER NOT NULL REFERENCES manifest,
    needed_id   INTEGER NOT NULL REFERENCES manifest,
    PRIMARY KEY (manifest_id, needed_id)
) WITHOUT ROWID;

CREATE TABLE manifest_blob (
    manifest_id INTEGER NOT NULL REFERENCES manifest,
    blob_id     INTEGER NOT NULL REFERENCES blob,
    position    INTEGER NOT NULL,
    PRIMARY KEY (manifest_id, blob_id)
) WITHOUT ROWID;

CREATE TABLE image (
    id            INTEGER PRIMARY KEY,
    source_id     INTEGER NOT NULL REFERENCES source,
    path          TEXT NOT NULL,
    repository_id INTEGER NOT NULL REFERENCES repository,
    target_path   TEXT NOT NULL,
    existing_tags TEXT NOT NULL,
    moved_tags    TEXT NOT NULL,
    UNIQUE (repository_id, target_path)
);

-- Ids rise in the order in which an image's manifests are written.
CREATE TABLE planned_manifest (
    id          INTEGER PRIMARY KEY,
    image_id    INTEGER NOT NULL REFERENCES image,
    manifest_id INTEGER NOT NULL REFERENCES manifest,
    rank        INTEGER NOT NULL,
    present     INTEGER NOT NULL,
    uploaded_ms INTEGER,
    UNIQUE (image_id, manifest_id)
);

CREATE TABLE planned_blob (
    id       INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image,
    blob_id  INTEGER NOT NULL REFERENCES blob,
    present  INTEGER NOT NULL,
    UNIQUE (image_id, blob_id)
);

CREATE TABLE planned_tag (
    id                  INTEGER PRIMARY KEY,
    image_id            INTEGER NOT NULL REFERENCES image,
    tag                 TEXT NOT NULL,
    planned_manifest_id INTEGER NOT NULL REFERENCES planned_manifest,
    action              TEXT NOT NULL,
    found_id            INTEGER REFERENCES manifest,
    UNIQUE (image_id, tag)
);

CREATE TABLE left_out (
    id      INTEGER PRIMARY KEY,
    code    TEXT NOT NULL,
    subject TEXT NOT NULL,
    by_rule INTEGER NOT NULL,
    saw     TEXT NOT NULL
);

CREATE TABLE finding (
    id       INTEGER PRIMARY KEY,
    code     TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject  TEXT NOT NULL,
    saw      TEXT NOT NULL
);

-- The ledger. Times are UTC, ISO 8601.
CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    outcome    TEXT NOT NULL DEFAULT ''
);

CREATE TABLE event (
    id         INTEGER PRIMARY KEY,
    run_id     INTEGER NOT NULL REFERENCES run,
    kind       TEXT NOT NULL,
    item_id    INTEGER NOT NULL,
    event      TEXT NOT NULL,
    how        TEXT NOT NULL,
    code       TEXT NOT NULL,
    saw        TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    at         TEXT NOT NULL
);
CREATE INDEX event_by_item ON event (kind, item_id, id, event);

CREATE TRIGGER event_unchanged BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;

-- Access policies word by word as they were read just before a write.
CREATE TABLE previous_policy (
    id            INTEGER PRIMARY KEY,
    run_id        INTEGER NOT NULL REFERENCES run,
    repository_id INTEGER NOT NULL REFERENCES repository,
    resource      TEXT NOT NULL,
    etag          TEXT NOT NULL,
    raw           TEXT NOT NULL,
    at            TEXT NOT NULL
);

-- Settings of repositories word by word, as they were before a change.
CREATE TABLE previous_settings (
    id            INTEGER PRIMARY KEY,
    run_id        INTEGER NOT NULL REFERENCES run,
    repository_id INTEGER NOT NULL REFERENCES repository,
    raw           TEXT NOT NULL,
    at            TEXT NOT NULL
);

CREATE TRIGGER previous_settings_unchanged BEFORE UPDATE ON previous_settings
BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;
CREATE TRIGGER previous_settings_kept BEFORE DELETE ON previous_settings
BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;

CREATE TRIGGER previous_policy_unchanged BEFORE UPDATE ON previous_policy
BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;
CREATE TRIGGER previous_policy_kept BEFORE DELETE ON previous_policy
BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;

CREATE VIEW repository_item AS
SELECT r.id, r.present,
    (SELECT e.event FROM event e WHERE e.kind = 'repository' AND e.item_id = r.id
        ORDER BY e.id DESC LIMIT 1) AS last_event,
    CASE r.prefix WHEN '' THEN r.registry ELSE r.registry || '/' || r.prefix END AS shown
FROM repository r;

CREATE VIEW setting_item AS
SELECT r.id, 0 AS present,
    (SELECT e.event FROM event e WHERE e.kind = 'setting' AND e.item_id = r.id
        ORDER BY e.id DESC LIMIT 1) AS last_event,
    i.shown || ' settings' AS shown
FROM repository r JOIN repository_item i ON i.id = r.id WHERE r.changes <> '[]';

CREATE VIEW grant_item AS
SELECT g.id, g.repository_id, g.role, g.member, g.title, g.expression, g.description, g.present,
    (SELECT e.event FROM event e WHERE e.kind = 'grant' AND e.item_id = g.id
        ORDER BY e.id DESC LIMIT 1) AS last_event,
    r.shown || ' ' || g.role || ' ' || g.member
        || iif(g.expression = '', '', ' if ' || g.expression) AS shown
FROM repository_grant g JOIN repository_item r ON r.id = g.repository_id;

CREATE VIEW image_name AS
SELECT i.id, r.shown || '/' || i.target_path AS shown
FROM image i JOIN repository_item r ON r.id = i.repository_id;

CREATE VIEW manifest_item AS
SELECT p.id, p.image_id, m.digest, m.media_type, length(m.raw) AS size_bytes, p.rank, p.present,
    (SELECT e.event FROM event e WHERE e.kind = 'manifest' AND e.item_id = p.id
        ORDER BY e.id DESC LIMIT 1) AS last_event,
    (SELECT group_concat(o.id) FROM manifest_need n
        JOIN planned_manifest o ON o.image_id = p.image_id AND o.manifest_id = n.needed_id
        WHERE n.manifest_id = p.manifest_id) AS needs
FROM planned_manifest p JOIN manifest m ON m.id = p.manifest_id;

CREATE VIEW blob_item AS
SELECT p.id, p.image_id, p.blob_id, b.digest, b.size_bytes, p.present,
    (SELECT e.event FROM event e WHERE e.kind = 'blob' AND e.item_id = p.id
        ORDER BY e.id DESC LIMIT 1) AS last_event,
    -- CROSS JOIN fixes the order: from the blob to its other names, never from all names.
    EXISTS (SELECT 1 FROM planned_blob o CROSS JOIN image oi CROSS JOIN repository other
        WHERE o.blob_id = p.blob_id AND o.id <> p.id AND oi.id = o.image_id
            AND other.id = oi.repository_id AND other.registry = r.registry) AS shared
FROM planned_blob p JOIN blob b ON b.id = p.blob_id
JOIN image i ON i.id = p.image_id JOIN repository r ON r.id = i.repository_id;

CREATE VIEW tag_item AS
SELECT p.id, p.image_id, p.tag, m.digest, p.action, f.digest AS found, p.planned_manifest_id,
    (SELECT e.event FROM event e WHERE e.kind = 'tag' AND e.item_id = p.id
        ORDER BY e.id DESC LIMIT 1) AS last_event
FROM planned_tag p
JOIN planned_manifest pm ON pm.id = p.planned_manifest_id
JOIN manifest m ON m.id = pm.manifest_id
LEFT JOIN manifest f ON f.id = p.found_id;

-- The same without what counting does not need.
CREATE VIEW manifest_state AS
SELECT p.id, p.present,
    (SELECT e.event FROM event e WHERE e.kind = 'manifest' AND e.item_id = p.id
        ORDER BY e.id DESC LIMIT 1) AS last_event
FROM planned_manifest p;

CREATE VIEW blob_state AS
SELECT p.id, p.present,
    (SELECT e.event FROM event e WHERE e.kind = 'blob' AND e.item_id = p.id
        ORDER BY e.id DESC LIMIT 1) AS last_event
FROM planned_blob p;
