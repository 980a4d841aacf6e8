"""What the plan shows: the catalogue, reading files, storing, tiles, drawing."""
