nodes 3
suspend S
end S
complete D
deliver S
deliver D
op_ok D
node_crash D 0
reboot D
quiet
expect S idle
expect copy none
