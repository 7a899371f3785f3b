nodes 3
suspend S
node_crash S 0
quiet
expect D idle
expect copy none
