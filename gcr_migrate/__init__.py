"""Move container images from Google Container Registry to Artifact Registry, and prove it."""
