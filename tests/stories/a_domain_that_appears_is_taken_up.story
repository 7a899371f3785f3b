idle 3
quiet
move S D
quiet
guest_ends D
quiet
expect D idle
appear O1
quiet
expect O1 home
expect copy O1
start S
quiet
expect S idle
expect copy O1
