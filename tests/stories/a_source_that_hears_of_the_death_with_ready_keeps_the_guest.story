# S's agent stood still: READY and the news that D died wait for it together
nodes 3
suspend S
end S
complete D
node_crash D 0
deliver S
expect S s-end
deliver S
quiet
expect copy S
