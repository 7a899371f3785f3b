nodes 3
suspend S
end S
complete D
deliver S
agent_crash S 0
restart S
quiet
expect copy D
expect S idle
