# S is off. O1 starts the domain twice, and D, which hears of it, dies before its journal knows.
idle 3
quiet
node_crash S 0
quiet
fence S
fence_told D S
fence_told O1 S
start O1
quiet
expect copy O1
node_crash O1 0
quiet
reboot O1
quiet
fence_told O1 S
start O1
quiet
expect copy O1
node_crash D 0
node_crash O1 1
# S and D begin anew; their leap is shorter than the two of O1, which returns in mid move.
reboot S
reboot D
quiet
fence O1
fence_told S O1
fence_told D O1
start S
quiet
expect copy S
move S D
op_ok S
deliver D
op_ok D
op_ok D
deliver S
suspend S
end S
reboot O1
deliver O1
deliver S
deliver S
expect S s-end
quiet
expect copy D
