# Completions for bash:   dist_bashcompletion_DATA += completion/NAME
dist_bashcompletion_DATA = completion/xenferry
