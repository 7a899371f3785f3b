#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The conformance tests with the sandbox's driver behind a server, as they are run on hosts that
# have another hypervisor: what is between the tests and such a driver changes nothing. Speaks TAP.
if [ ! -x tests/conformance_hyper ]; then
    echo "1..0 # SKIP conformance_hyper is not built"
    exit 0
fi
XENFERRY_BED_A=tests/hyper_server_sandbox XENFERRY_BED_B=tests/hyper_server_sandbox \
    exec tests/conformance_hyper
