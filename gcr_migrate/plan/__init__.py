"""From a spec and what is there to a plan: pure functions, no input or output."""
