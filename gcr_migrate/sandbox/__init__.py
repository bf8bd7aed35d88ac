"""A registry to rehearse on: Artifact Registry's dialect, served on loopback.

It is a real server with blobs on disk. Where it departs from the plain OCI protocol, a comment
names the behaviour of Artifact Registry that the departure stands for. It knows nothing of the
client that is tested against it, beyond names, digests and the catalogue of errors.
"""
