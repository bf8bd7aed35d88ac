"""What a scenario says of images that Container Registry still keeps, and of their copying."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gcr_migrate.sandbox.image_parts import ImagePart, Part


class KeptImagePart(ImagePart):
    """An image that nobody can list or pull any more, and that can still be copied.

    Attributes:
        host: the gcr.io host under which it was pushed.
        lost_layers: names of layers of it that are gone: it cannot be copied, ever.
        broken: whether copying it fails for a reason of the service's own.
        stuck_tags: tags of it that cannot be set.
        uploaded_days_ago: when it was pushed; without it in 2024, as other images are.
        pulled_days_ago: when it was pulled last; without it never since it was pushed.
    """

    host: Literal["gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"] = "gcr.io"
    lost_layers: tuple[str, ...] = ()
    broken: bool = False
    stuck_tags: tuple[str, ...] = ()
    uploaded_days_ago: int | None = Field(None, ge=0)
    pulled_days_ago: int | None = Field(None, ge=0)


class ContainerRegistryPart(Part):
    """What Container Registry still keeps of a project, and how it is copied from there.

    Attributes:
        images: what it keeps.
        answers: whether it `copies`; `lists` the target as if nothing had been asked; or has
            `gone`, with 404.
        page_size: manifests that it goes through for one page.
        work_per_request: new manifests that it copies for one request at most; if there are more
            the request ends with 504, and what is copied stays copied.
        repeats: `children` tells all of them on every page; `pages` begins anew after the last.
        numbers_as_text: whether counters are told as text.
        zeros: whether counters that are zero are told, and not left out.
    """

    images: tuple[KeptImagePart, ...] = ()
    answers: Literal["copies", "lists", "gone"] = "copies"
    page_size: int = Field(50, ge=1)
    work_per_request: int | None = Field(None, ge=0)
    repeats: Literal["", "children", "pages"] = ""
    numbers_as_text: bool = False
    zeros: bool = False
