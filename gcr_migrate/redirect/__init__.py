"""Who answers the gcr.io names of a project, and leading that forward through gates."""
