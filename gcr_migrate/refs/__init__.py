"""Names of images in other people's texts: found, understood, and told."""
