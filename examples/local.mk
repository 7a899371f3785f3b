# Examples:   EXTRA_DIST += examples/NAME
