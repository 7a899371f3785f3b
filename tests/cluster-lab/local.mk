# What the lab and its suites run on hosts and beside them: built by `make lab-programs', put beside
# an installed tree by `make install-lab-programs'. Others add theirs:  LAB_TOOLS += tests/NAME
LAB_TOOLS += tests/bench/tlscopy tests/judge tests/peer
EXTRA_PROGRAMS += tests/judge tests/peer

tests_judge_SOURCES = tests/judge.c tests/judge.h tests/judge_net.c tests/judge_disk.c
tests_judge_LDADD =
tests_peer_CFLAGS = $(AM_CFLAGS) $(COROSYNC_CFLAGS)
tests_peer_SOURCES = tests/peer.c
tests_peer_LDADD = common/libxfcommon.a $(COROSYNC_LIBS)

UNIT_TESTS += tests/unit_judge
tests_unit_judge_SOURCES = tests/unit_judge.c tests/judge.h tests/judge_net.c tests/judge_disk.c
tests_unit_judge_LDADD = $(CMOCKA_LIBS)

lab-programs: $(LAB_TOOLS)
install-lab-programs: lab-programs
	$(MKDIR_P) $(DESTDIR)$(pkglibexecdir)-tests
	$(INSTALL_PROGRAM) $(LAB_TOOLS) $(DESTDIR)$(pkglibexecdir)-tests
.PHONY: lab-programs install-lab-programs

EXTRA_DIST += \
	.ci/run \
	examples/demo examples/demo.py \
	tests/cluster-lab/guests.py \
	tests/cluster-lab/h12.sh \
	tests/cluster-lab/host_init.py \
	tests/cluster-lab/lab \
	tests/cluster-lab/procs.py \
	tests/cluster-lab/san.py \
	tests/cluster-lab/segments.py \
	tests/cluster-lab/slowfs.py \
	tests/cluster-lab/switch.py \
	tests/cluster-lab/xflab.py \
	tests/cluster_disks.py \
	tests/cluster_epochs.py \
	tests/cluster_inputs.py \
	tests/cluster_ready.py \
	tests/cluster_refusals.py \
	tests/cluster_resolve.py \
	tests/cluster_stopped.py \
	tests/lib \
	tests/preflight_disks.py \
	tests/preflight_moves.py \
	tests/preflight_net.py \
	tests/packages-install.sh \
	tests/packages.sh \
	tests/run tests/run.py \
	tests/suite_bench.py \
	tests/suite_campaign.py \
	tests/suite_cluster.py \
	tests/suite_preflight.py \
	tests/suite_soak.py \
	tests/suite_source.py
