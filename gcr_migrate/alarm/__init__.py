"""What is told to somebody who sleeps: changes only, each once, and again after a set time."""
