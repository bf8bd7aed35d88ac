"""What is there: reads both sides and yields rows; it changes nothing."""
