"""What the tool talks about: names, content, plans. Values only, no input or output."""
