"""The commands of the command line, one file each: its arguments beside what it does."""
