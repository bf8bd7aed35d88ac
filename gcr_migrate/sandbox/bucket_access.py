"""Who may do what with buckets and their objects: policies, access lists, and rights of callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcr_migrate.sandbox import access_lists
from gcr_migrate.sandbox.answers import RefusalError, read_object
from gcr_migrate.sandbox.org_rules import PUBLIC, PUBLIC_ACCESS_PREVENTION, allow_members
from gcr_migrate.sandbox.permissions import held, names_in
from gcr_migrate.sandbox.policies import etag_of, read_policy, show_policy
from gcr_migrate.sandbox.storage_refusals import need, refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.states import BucketState, ProjectState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Caller


class BucketAccess:
    """Access to the buckets of one store.

    Args:
        store: has the buckets and their projects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, caller: Caller, bucket: BucketState) -> frozenset[str]:
        """Return the permissions that a caller holds on a bucket and on all its objects."""
        bindings = bucket.bindings
        if self._never_public(bucket):
            bindings = [
                one | {"members": [who for who in one["members"] if who not in PUBLIC]}
                for one in bindings
            ]
        return held(self._store, caller.identity, bucket.project, bindings)

    def need(self, caller: Caller, bucket: BucketState, permission: str) -> None:
        """Refuse who lacks a permission on a bucket."""
        need(caller, self.held(caller, bucket), permission, "bucket")

    def need_read(self, caller: Caller, bucket: BucketState, name: str) -> None:
        """Refuse who may not read an object, neither by the policy nor by the object's own list."""
        if name in bucket.objects and not bucket.uniform:
            names = names_in(self._store, caller.identity, bucket.project)
            names -= PUBLIC if self._never_public(bucket) else set()
            number = self._project(bucket).number
            if access_lists.may_read(access_lists.of_object(bucket, name, number), names, number):
                return
        need(caller, self.held(caller, bucket), "storage.objects.get", "object")

    def policy(self, caller: Caller, request: Request, bucket: BucketState) -> dict[str, Any]:
        """Answer a bucket's policy."""
        self.need(caller, bucket, "storage.buckets.getIamPolicy")
        version = request.query_params.get("optionsRequestedPolicyVersion")
        return _shown(bucket, version)

    async def set_policy(
        self, caller: Caller, request: Request, bucket: BucketState
    ) -> dict[str, Any]:
        """Put another policy in the place of a bucket's."""
        self.need(caller, bucket, "storage.buckets.setIamPolicy")
        body, etag = await read_object(request), etag_of(bucket.bindings)
        if body.get("etag") not in {None, "", etag}:
            raise refusal(412, "At least one of the pre-conditions you specified did not hold.")
        bindings = read_policy({"policy": body}, etag)
        members = {str(member) for one in bindings for member in one["members"]}
        if PUBLIC & members and self._never_public(bucket):
            text = (
                "The member bindings allUsers and allAuthenticatedUsers are not allowed since "
                "public access prevention is enforced."
            )
            raise refusal(412, text)
        try:
            allow_members(self._project(bucket), members)
        except RefusalError:
            text = "One or more users named in the policy do not belong to a permitted customer."
            raise refusal(412, text) from None
        bucket.bindings = bindings
        return _shown(bucket, 3)

    def lists(self, caller: Caller, bucket: BucketState) -> dict[str, Any]:
        """Return what the full projection of a bucket has beyond the plain one."""
        self.need(caller, bucket, "storage.buckets.getIamPolicy")
        number = self._project(bucket).number
        own = [] if bucket.uniform else access_lists.of_bucket(bucket, number)
        new = [] if bucket.uniform else access_lists.of_new_objects(number)
        owner = {"entity": f"project-owners-{number}"}
        return {"owner": owner, "acl": own, "defaultObjectAcl": new}

    def bucket_list(self, caller: Caller, _: Request, bucket: BucketState) -> dict[str, Any]:
        """Answer the access list of a bucket."""
        self._need_lists(caller, bucket, "storage.buckets.getIamPolicy")
        found = access_lists.of_bucket(bucket, self._project(bucket).number)
        return {"kind": "storage#bucketAccessControls", "items": found}

    def new_object_list(self, caller: Caller, _: Request, bucket: BucketState) -> dict[str, Any]:
        """Answer the access list that new objects of a bucket get."""
        self._need_lists(caller, bucket, "storage.buckets.getIamPolicy")
        found = access_lists.of_new_objects(self._project(bucket).number)
        return {"kind": "storage#objectAccessControls", "items": found}

    def object_list(self, caller: Caller, bucket: BucketState, name: str) -> dict[str, Any]:
        """Answer the access list of an object."""
        self._need_lists(caller, bucket, "storage.objects.getIamPolicy")
        found = access_lists.of_object(bucket, name, self._project(bucket).number)
        return {"kind": "storage#objectAccessControls", "items": found}

    def add_lists(self, caller: Caller, bucket: BucketState, items: list[dict[str, Any]]) -> None:
        """Add its access list to each of some objects, where they have one."""
        self.need(caller, bucket, "storage.objects.getIamPolicy")
        number = self._project(bucket).number
        for item in items if not bucket.uniform else ():
            item["acl"] = access_lists.of_object(bucket, item["name"], number)

    def _need_lists(self, caller: Caller, bucket: BucketState, permission: str) -> None:
        """Refuse who may not see access lists, or a bucket that has none."""
        self.need(caller, bucket, permission)
        if bucket.uniform:
            text = "Cannot get legacy ACL for a bucket that has uniform bucket-level access."
            raise refusal(400, text)

    def _never_public(self, bucket: BucketState) -> bool:
        rule = self._project(bucket).org_policies.get(PUBLIC_ACCESS_PREVENTION, {})
        return bucket.never_public or rule.get("enforce") is True

    def _project(self, bucket: BucketState) -> ProjectState:
        return self._store.project(bucket.project)


def _shown(bucket: BucketState, version: object) -> dict[str, Any]:
    kind = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket.name}"}
    return kind | show_policy(bucket.bindings, version)
