# S marks three epochs for moves that do not begin, and dies with the domain.
idle 3
quiet
move S D
agent_crash S 1
restart S
quiet
move S D
agent_crash S 1
restart S
quiet
move S D
agent_crash S 1
restart S
quiet
node_crash S 0
quiet
# The others forget what they have heard.
agent_crash D 0
agent_crash O1 0
restart D
restart O1
quiet
fence S
fence_told D S
fence_told O1 S
# The domain starts anew and moves; then S returns with its old, but higher, epoch.
start O1
quiet
expect copy O1
move O1 D
op_ok O1
deliver D
op_ok D
op_ok D
deliver O1
suspend O1
reboot S
quiet
expect copy D
