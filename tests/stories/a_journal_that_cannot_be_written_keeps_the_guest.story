idle 2
quiet
move S D
op_fail S
quiet
expect copy S
expect S home
