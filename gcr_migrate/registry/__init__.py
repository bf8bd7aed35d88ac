"""The client of `/v2/` registries (OCI end-1 to end-12), in each dialect."""
