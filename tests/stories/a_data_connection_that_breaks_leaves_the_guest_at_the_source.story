nodes 3
break S
quiet
expect copy S
expect D idle
