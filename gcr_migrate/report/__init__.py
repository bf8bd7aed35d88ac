"""One value of facts per command, and every form in which they are told."""
