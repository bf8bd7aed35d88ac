-- Version 2 of a snapshot: what registries showed at one time. Version 1 had neither blobs nor facts
-- of roots.
-- Ask it with any SQLite tool; `image_tag` joined with `manifest` is the list of all tags.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- A root under which images were read, such as us.gcr.io/builds.
CREATE TABLE source (
    id       INTEGER PRIMARY KEY,
    shown    TEXT NOT NULL UNIQUE,
    registry TEXT NOT NULL,
    prefix   TEXT NOT NULL,
    dialect  TEXT NOT NULL
);

CREATE TABLE image (
    id        INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES source,
    path      TEXT NOT NULL,
    name      TEXT NOT NULL UNIQUE -- the whole name, without a tag
);

-- A row without a type is a digest that something names and that could not be read.
CREATE TABLE manifest (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL DEFAULT '',
    size_bytes INTEGER, -- of the manifest itself
    raw        BLOB     -- only with --with-manifests
);

-- What a manifest names: entries of an index, and the subject of what is attached.
CREATE TABLE manifest_link (
    manifest_id INTEGER NOT NULL REFERENCES manifest,
    linked_id   INTEGER NOT NULL REFERENCES manifest,
    kind        TEXT NOT NULL CHECK (kind IN ('child', 'subject')),
    PRIMARY KEY (manifest_id, linked_id, kind)
) WITHOUT ROWID;

CREATE TABLE image_manifest (
    image_id    INTEGER NOT NULL REFERENCES image,
    manifest_id INTEGER NOT NULL REFERENCES manifest,
    uploaded_ms INTEGER,
    PRIMARY KEY (image_id, manifest_id)
) WITHOUT ROWID;

CREATE TABLE image_tag (
    image_id    INTEGER NOT NULL REFERENCES image,
    tag         TEXT NOT NULL,
    manifest_id INTEGER REFERENCES manifest, -- NULL where it could not be read
    PRIMARY KEY (image_id, tag)
) WITHOUT ROWID;

-- What was shown and could not be read.
CREATE TABLE left_out (
    id      INTEGER PRIMARY KEY,
    code    TEXT NOT NULL,
    subject TEXT NOT NULL,
    saw     TEXT NOT NULL
);

-- What is noteworthy; without completeness, the names below which more may be.
CREATE TABLE finding (
    id       INTEGER PRIMARY KEY,
    code     TEXT NOT NULL,
    severity TEXT NOT NULL,
    subject  TEXT NOT NULL,
    saw      TEXT NOT NULL
);

-- What manifests need besides other manifests; a size of -1 is not known, one of -2 is disputed.
CREATE TABLE blob (
    id         INTEGER PRIMARY KEY,
    digest     TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL
);

CREATE TABLE manifest_blob (
    manifest_id INTEGER NOT NULL REFERENCES manifest,
    blob_id     INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (manifest_id, blob_id)
) WITHOUT ROWID;

-- What else was seen of a root, by a name for each kind of fact; the value is JSON.
CREATE TABLE source_fact (
    source_id INTEGER NOT NULL REFERENCES source,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (source_id, name)
) WITHOUT ROWID;
