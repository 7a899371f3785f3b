idle 3
quiet
move S D
quiet
expect copy D
expect S idle
expect D home
