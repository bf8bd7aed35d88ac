"""What would stop a migration: asked before anything is done."""
