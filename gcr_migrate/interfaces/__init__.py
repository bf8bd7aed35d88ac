"""What stations may do with the outside world, as permissions by type.

Who copies gets a source that cannot be written to; nothing here can delete.
"""

from gcr_migrate.interfaces.feed import Feed, Take
from gcr_migrate.interfaces.google import (
    Access,
    Assets,
    Buckets,
    Contents,
    Kept,
    PolicyWriter,
    Projects,
    Repositories,
    SettingsWriter,
    Stored,
    TargetRepositories,
    Topics,
)
from gcr_migrate.interfaces.registry import (
    AnswerStore,
    ManifestStore,
    Names,
    Puller,
    ServerCopy,
    SourceRegistry,
    TargetRegistry,
)

__all__ = [
    "Access",
    "AnswerStore",
    "Assets",
    "Buckets",
    "Contents",
    "Feed",
    "Kept",
    "ManifestStore",
    "Names",
    "PolicyWriter",
    "Projects",
    "Puller",
    "Repositories",
    "ServerCopy",
    "SettingsWriter",
    "SourceRegistry",
    "Stored",
    "Take",
    "TargetRegistry",
    "TargetRepositories",
    "Topics",
]
