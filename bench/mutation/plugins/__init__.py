"""What pytest is given on the way: see `campaign`."""
