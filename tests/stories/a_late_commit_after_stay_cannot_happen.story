# READY is cut off; the observer promises STAY; when the network heals D is told to give up.
nodes 3
suspend S
end S
complete D
partition D
quiet
expect copy S
heal
quiet
expect copy S
expect D idle
