"""Tools that only work in a checkout; in no wheel."""
