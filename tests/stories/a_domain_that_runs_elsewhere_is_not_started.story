idle 3
quiet
start D
quiet
expect D idle
expect copy S
