nodes 3
suspend S
end S
complete D
deliver S
deliver D
op_fail D
quiet
expect copy S
expect D idle
