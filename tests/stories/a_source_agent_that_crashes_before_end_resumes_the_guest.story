nodes 3
suspend S
agent_crash S 0
restart S
quiet
expect copy S
expect D idle
