nodes 3
suspend S
end S
cancel S
expect S s-end
quiet
expect copy S
expect D idle
