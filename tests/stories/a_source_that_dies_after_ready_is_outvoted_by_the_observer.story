nodes 3
suspend S
end S
complete D
node_crash S 0
quiet
expect copy D
