# The Xen lab: nothing of it is built by make, all of it is in the tarball.
EXTRA_DIST += \
	tests/xen-lab/agents.py \
	tests/xen-lab/build-kernel.sh \
	tests/xen-lab/build-xen.sh \
	tests/xen-lab/conformance.py \
	tests/xen-lab/console.py \
	tests/xen-lab/dom0 \
	tests/xen-lab/dom0-packages.list \
	tests/xen-lab/dom0-setup.sh \
	tests/xen-lab/dom0-trim.sh \
	tests/xen-lab/eyes.py \
	tests/xen-lab/guest \
	tests/xen-lab/image.py \
	tests/xen-lab/lab \
	tests/xen-lab/packages.sh \
	tests/xen-lab/qemu.py \
	tests/xen-lab/storage.py \
	tests/xen-lab/xen_checks.py \
	tests/xen-lab/xen_ends.py \
	tests/xen-lab/xen_guests.py \
	tests/xen-lab/xen_moves.py \
	tests/xen-lab/xen_suite.py \
	tests/xen-lab/xen_trees.py \
	tests/xen-lab/xenlab.py \
	tests/suite_xen.py \
	tests/suite_xen_campaign.py \
	tests/suite_xen_compare.py \
	tests/suite_xen_conformance.py \
	tests/suite_xen_preflight.py \
	tests/xen_faults.py \
	tests/xen_once.py \
	tests/xen_preflight_host.py \
	tests/xen_rules.py
