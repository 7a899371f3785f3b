nodes 2
suspend S
end S
complete D
node_crash S 0
quiet
expect D d-ready
fence S
fence_told D S
quiet
expect copy D
