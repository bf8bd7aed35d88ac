"""Google's server-side copy of projects that never left Container Registry."""
