"""Credentials, and Artifact Registry's REST API."""
