# Examples:   EXTRA_DIST += examples/NAME
EXTRA_DIST += examples/busy.domain examples/idle.domain
EXTRA_DIST += examples/xenferry.conf
