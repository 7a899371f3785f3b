nodes 3
suspend S
end S
complete D
deliver S
partition S
quiet
expect copy D
guest_leaves D 2
expect copy O1
heal
quiet
expect S idle
expect copy O1
