# What `make check' runs; all of it speaks TAP.
#
# A unit test:   UNIT_TESTS += tests/unit_X   and   tests_unit_X_LDADD = $(UNIT_LIBS)
# A fuzz target: FUZZ_TARGETS += tests/fuzz_X   with seeds in tests/corpus/X/
# A script:      SCRIPT_TESTS += tests/X.sh
# Each takes tests/NAME.c as its source unless it lists others.

UNIT_TESTS =
FUZZ_TARGETS =
SCRIPT_TESTS =
UNIT_LIBS = common/libxfcommon.a $(CMOCKA_LIBS)

# The protocol: the shipped core in a simulated world, walked, mutated, stormed, told.
world_sources = tests/world.c tests/world.h tests/world_copies.c tests/world_impl.h tests/world_life.c \
	tests/world_print.c tests/world_steps.c
check_PROGRAMS += tests/explore
tests_explore_LDADD = common/libxfcommon.a
tests_explore_SOURCES = tests/explore.c $(world_sources)
check_PROGRAMS += tests/story tests/storm
tests_story_LDADD = common/libxfcommon.a
tests_story_SOURCES = tests/story.c $(world_sources)
tests_storm_LDADD = common/libxfcommon.a
tests_storm_SOURCES = tests/storm.c $(world_sources)
tests_storm_CPPFLAGS = $(AM_CPPFLAGS) -DW_NODES=8 -DW_QUEUE=200 -DW_IDS=250
TESTS += tests/storm
SCRIPT_TESTS += tests/explore.sh tests/mutants.sh tests/stories.sh
EXTRA_DIST += tests/mutants.awk tests/mutants.list tests/stories tests/golden
# Every rule of the proof before a move, taken out one at a time.
SCRIPT_TESTS += tests/mutants_proof.sh
EXTRA_DIST += tests/mutants_proof.awk tests/mutants_proof.list

UNIT_TESTS += tests/unit_blocks
tests_unit_blocks_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_ctl
tests_unit_ctl_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_disk
tests_unit_disk_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_diskmsg
tests_unit_diskmsg_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_finding
tests_unit_finding_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_host
tests_unit_host_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_identity
tests_unit_identity_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_identity_bases
tests_unit_identity_bases_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_identity_random
tests_unit_identity_random_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_journal
tests_unit_journal_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_link
tests_unit_link_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_probe
tests_unit_probe_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_reason
tests_unit_reason_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_rota
tests_unit_rota_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_text
tests_unit_text_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_trace
tests_unit_trace_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_verdict
tests_unit_verdict_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_verdict_content
tests_unit_verdict_content_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_wire
tests_unit_wire_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/fuzz_announce
FUZZ_TARGETS += tests/fuzz_ctl
FUZZ_TARGETS += tests/fuzz_diskmsg
FUZZ_TARGETS += tests/fuzz_journal
FUZZ_TARGETS += tests/fuzz_link
FUZZ_TARGETS += tests/fuzz_probe
FUZZ_TARGETS += tests/fuzz_trace
FUZZ_TARGETS += tests/fuzz_wire

SCRIPT_TESTS += tests/docs.sh
SCRIPT_TESTS += tests/fuzz.sh
SCRIPT_TESTS += tests/hardening.sh
SCRIPT_TESTS += tests/headers.sh
SCRIPT_TESTS += tests/pure.sh
SCRIPT_TESTS += tests/scripts.sh
SCRIPT_TESTS += tests/tarball.sh

# The command: its pure parts, its transcripts against a played agent, its completion.
UNIT_TESTS += tests/unit_cli
tests_unit_cli_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cli_LDADD = agent/cli/libxfcli.a $(UNIT_LIBS) $(JANSSON_LIBS) -lm
check_PROGRAMS += tests/fake_agent
tests_fake_agent_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
tests_fake_agent_LDADD = common/libxfcommon.a $(QB_LIBS)
SCRIPT_TESTS += tests/cli/transcripts.sh tests/cli/completion.sh
EXTRA_DIST += tests/cli/cases

# Replay of an agent's black box.
check_PROGRAMS += tests/replay_trace
tests_replay_trace_LDADD = common/libxfcommon.a
SCRIPT_TESTS += tests/replay.sh
EXTRA_DIST += tests/boxes

# Address hand-over. The unit test is pure; the other needs root and network namespaces, and is run
# by tests/run: tests/net/handover.py BUILD_DIR.
UNIT_TESTS += tests/unit_announce
tests_unit_announce_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/net/net_tool tests/net/net_guest
tests_net_net_tool_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
tests_net_net_tool_LDADD = common/libxfcommon.a $(QB_LIBS)
tests_net_net_tool_SOURCES = \
	tests/net/net_tool.c \
	agent/net_announce.c agent/net_announce.h \
	agent/net_learn.c \
	agent/net_link.c agent/net_link.h \
	agent/net_packet.c \
	agent/net_request.c agent/net_request.h \
	agent/net_watch.c
tests_net_net_guest_LDADD = common/libxfcommon.a
tests_net_net_guest_SOURCES = tests/net/net_guest.c
# The layer-2 probe, both ends of it: tests/net/probe.py BUILD_DIR.
check_PROGRAMS += tests/net/probe_tool
tests_net_probe_tool_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
tests_net_probe_tool_LDADD = common/libxfcommon.a $(QB_LIBS)
tests_net_probe_tool_SOURCES = \
	tests/net/probe_tool.c \
	agent/net_bridge.c \
	agent/net_link.c agent/net_link.h \
	agent/net_packet.c \
	agent/net_probe.c agent/net_probe.h \
	agent/net_request.c agent/net_request.h
EXTRA_DIST += tests/net/handover.py tests/net/probe.py tests/sandbox/disk.py tests/sandbox/h12.sh tests/sandbox/net.py

# The sandbox hypervisor and its stream.
UNIT_TESTS += tests/unit_domcfg
tests_unit_domcfg_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_stream
tests_unit_stream_LDADD = $(UNIT_LIBS)
hyper_cflags = $(AM_CFLAGS) $(QB_CFLAGS) $(CMOCKA_CFLAGS) -pthread
hyper_libs = agent/sandbox/libxfsandbox.a $(UNIT_LIBS) $(QB_LIBS) -lpthread
hyper_sources = tests/hyper_bed.c tests/hyper_bed.h \
	tests/hyper_kinds.c \
	tests/hyper_remote.c tests/hyper_remote.h \
	tests/hyper_wire.c tests/hyper_wire.h \
	agent/reserve.c agent/reserve.h \
	agent/hyper_sandbox.c agent/hyper_sandbox.h \
	agent/hyper_sandbox_create.c \
	agent/hyper_sandbox_domain.c
UNIT_TESTS += tests/conformance_hyper
tests_conformance_hyper_CFLAGS = $(hyper_cflags)
tests_conformance_hyper_LDADD = $(hyper_libs)
tests_conformance_hyper_SOURCES = tests/conformance_hyper.c $(hyper_sources)
# The driver at a distance: a server that has it, for each driver.
check_PROGRAMS += tests/hyper_server_sandbox
SCRIPT_TESTS += tests/conformance_remote.sh
server_cflags = $(AM_CFLAGS) $(QB_CFLAGS) -pthread
server_sources = tests/hyper_server.c \
	tests/hyper_wire.c tests/hyper_wire.h \
	agent/log_qb.c agent/log_qb.h \
	agent/reserve.c agent/reserve.h
tests_hyper_server_sandbox_CPPFLAGS = $(AM_CPPFLAGS) \
	-DHYPER=xf_hyper_sandbox -DMOVER=xf_mover_sandbox
tests_hyper_server_sandbox_CFLAGS = $(server_cflags)
tests_hyper_server_sandbox_LDADD = agent/sandbox/libxfsandbox.a common/libxfcommon.a $(QB_LIBS) \
	-lpthread
tests_hyper_server_sandbox_SOURCES = $(server_sources) \
	agent/hyper_sandbox.c agent/hyper_sandbox.h \
	agent/hyper_sandbox_create.c \
	agent/hyper_sandbox_domain.c
if WITH_XEN
LAB_TOOLS += tests/hyper_server_xen
endif
EXTRA_PROGRAMS += tests/hyper_server_xen
tests_hyper_server_xen_CPPFLAGS = $(AM_CPPFLAGS) -DHYPER=xf_hyper_xen -DMOVER=xf_mover_xen
tests_hyper_server_xen_CFLAGS = $(server_cflags) $(JANSSON_CFLAGS) $(XEN_CFLAGS)
tests_hyper_server_xen_LDADD = agent/xen/libxfxen.a common/libxfcommon.a $(QB_LIBS) \
	$(JANSSON_LIBS) $(XEN_LIBS) -lpthread
tests_hyper_server_xen_SOURCES = $(server_sources) \
	agent/child.c agent/child.h \
	agent/clock_qb.c agent/clock_qb.h \
	agent/hyper_xen.c agent/hyper_xen.h \
	agent/hyper_xen_config.c \
	agent/hyper_xen_proc.c \
	agent/xen/preload/policy_proto.h \
	agent/xen/xen_early.c agent/xen/xen_early.h \
	agent/xen/xen_mover.c agent/xen/xen_mover.h \
	agent/xen/xen_policy.c agent/xen/xen_policy.h
UNIT_TESTS += tests/sandbox_cpu
tests_sandbox_cpu_CFLAGS = $(hyper_cflags)
tests_sandbox_cpu_LDADD = $(hyper_libs)
tests_sandbox_cpu_SOURCES = tests/sandbox_cpu.c $(hyper_sources)
UNIT_TESTS += tests/sandbox_guest
tests_sandbox_guest_CFLAGS = $(hyper_cflags)
tests_sandbox_guest_LDADD = $(hyper_libs)
tests_sandbox_guest_SOURCES = tests/sandbox_guest.c $(hyper_sources) \
	tests/sandbox_eyes.c tests/sandbox_eyes.h
# The shipped movers move a sandbox domain between two run directories.
UNIT_TESTS += tests/mover_sandbox
tests_mover_sandbox_CFLAGS = $(hyper_cflags)
tests_mover_sandbox_LDADD = $(hyper_libs)
tests_mover_sandbox_SOURCES = tests/mover_sandbox.c $(hyper_sources) \
	tests/moverlib.c tests/moverlib.h \
	tests/sandbox_eyes.c tests/sandbox_eyes.h \
	agent/child.c agent/child.h \
	agent/log_qb.c agent/log_qb.h \
	agent/mover_proc.c agent/mover_proc.h
FUZZ_TARGETS += tests/fuzz_domcfg
# The Xen driver's pure part: no Xen is needed.
UNIT_TESTS += tests/unit_xen_config
tests_unit_xen_config_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(JANSSON_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_xen_config_LDADD = $(UNIT_LIBS) $(JANSSON_LIBS)
tests_unit_xen_config_SOURCES = tests/unit_xen_config.c agent/hyper_xen_config.c
# What a guest tells of its addresses, from the driver's question to what the target announces.
UNIT_TESTS += tests/unit_told
tests_unit_told_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(JANSSON_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_told_LDADD = $(UNIT_LIBS) $(JANSSON_LIBS) $(QB_LIBS)
tests_unit_told_SOURCES = tests/unit_told.c \
	agent/attempt_net.c agent/attempt.h \
	agent/hyper_xen.c agent/hyper_xen.h \
	agent/hyper_xen_config.c \
	agent/reserve.c agent/reserve.h
FUZZ_TARGETS += tests/fuzz_xen_config
tests_fuzz_xen_config_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_xen_config_LDADD = $(LDADD) $(JANSSON_LIBS)
tests_fuzz_xen_config_SOURCES = tests/fuzz_xen_config.c agent/hyper_xen_config.c
FUZZ_TARGETS += tests/fuzz_stream
# Another Xen than the one that was built with; what it links with is played.
if WITH_XEN
UNIT_TESTS += tests/unit_xen_guest tests/xen_versions
check_PROGRAMS += tests/played_xen.so
endif
EXTRA_PROGRAMS += tests/unit_xen_guest tests/xen_versions tests/played_xen.so
tests_unit_xen_guest_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS) $(QB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_xen_guest_LDADD = $(UNIT_LIBS)
tests_unit_xen_guest_SOURCES = tests/unit_xen_guest.c agent/xen/xen_guest.c
tests_xen_versions_CFLAGS = $(AM_CFLAGS) $(XEN_CFLAGS) $(QB_CFLAGS) $(CMOCKA_CFLAGS)
tests_xen_versions_LDADD = $(UNIT_LIBS) -ldl
tests_played_xen_so_CFLAGS = $(AM_CFLAGS) -fPIC $(XEN_CFLAGS)
tests_played_xen_so_LDFLAGS = $(XF_SO_LDFLAGS) -shared
tests_played_xen_so_LDADD =
tests_played_xen_so_SOURCES = tests/played_xen.c

# The data path. moverpair and moverhyper tell stories to two mover_fake; tests/bench measures.
UNIT_TESTS += tests/unit_pack
tests_unit_pack_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_page
tests_unit_page_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_precopy
tests_unit_precopy_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/moverpair tests/moverhyper tests/mover_fake
TESTS += tests/moverpair tests/moverhyper
tests_moverpair_CFLAGS = $(AM_CFLAGS) -pthread
tests_moverpair_LDADD = common/libxfcommon.a -lpthread
tests_moverpair_SOURCES = tests/moverpair.c tests/moverrun.c tests/moverrun.h \
	tests/moverlib.c tests/moverlib.h \
	tests/moverstage.c tests/moverstage.h
tests_moverhyper_CFLAGS = $(AM_CFLAGS) -pthread
tests_moverhyper_LDADD = common/libxfcommon.a -lpthread
tests_moverhyper_SOURCES = tests/moverhyper.c tests/moverrun.c tests/moverrun.h \
	tests/moverlib.c tests/moverlib.h \
	tests/moverstage.c tests/moverstage.h
# Its peer may be waited for in vain; that must not take as long as it may in life.
tests_mover_fake_CFLAGS = $(mover_cflags) -DPREPARED_WAIT_US=6000000ull
tests_mover_fake_LDADD = $(mover_libs)
tests_mover_fake_SOURCES = $(mover_sources) tests/mover_fake.c \
	tests/mover_log.c tests/mover_log.h
# Peers that no mover would be, played with the mover's own channel.
check_PROGRAMS += tests/mover_peer
TESTS += tests/mover_peer
tests_mover_peer_CFLAGS = $(mover_cflags)
tests_mover_peer_LDADD = common/libxfcommon.a $(GNUTLS_LIBS) -lpthread
tests_mover_peer_SOURCES = tests/mover_peer.c \
	tests/moverlib.c tests/moverlib.h \
	tests/moverstage.c tests/moverstage.h \
	agent/mover/channel.c agent/mover/channel.h agent/mover/channel_impl.h \
	agent/mover/channel_open.c \
	agent/mover/mono.c agent/mover/mono.h
check_PROGRAMS += tests/bench/moverbench tests/bench/tlscopy
tests_bench_moverbench_CFLAGS = $(AM_CFLAGS) -I$(top_srcdir)/tests
tests_bench_moverbench_LDADD = common/libxfcommon.a
tests_bench_moverbench_SOURCES = tests/bench/moverbench.c tests/moverlib.c tests/moverlib.h
tests_bench_tlscopy_CFLAGS = $(AM_CFLAGS) $(GNUTLS_CFLAGS)
tests_bench_tlscopy_LDADD = $(GNUTLS_LIBS)
FUZZ_TARGETS += tests/fuzz_page

# The agent: what it keeps on disk and in /run, and its configuration.
UNIT_TESTS += tests/unit_store
tests_unit_store_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(JANSSON_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_store_LDADD = $(UNIT_LIBS) $(QB_LIBS) $(JANSSON_LIBS)
tests_unit_store_SOURCES = tests/unit_store.c \
	agent/clock_qb.c agent/clock_qb.h \
	agent/history.c agent/history.h \
	agent/log_qb.c agent/log_qb.h \
	agent/store_file.c agent/store_file.h \
	agent/store_notes.c agent/store_notes.h \
	agent/store_writer.c agent/store_writer.h
# Corosync's libraries are played by the test.
UNIT_TESTS += tests/unit_group
tests_unit_group_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(COROSYNC_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_group_LDADD = $(UNIT_LIBS) $(QB_LIBS)
tests_unit_group_SOURCES = tests/unit_group.c \
	tests/played_corosync.c tests/played_corosync.h \
	agent/cluster_corosync.c agent/cluster_corosync.h agent/cluster_impl.h
UNIT_TESTS += tests/unit_settings
tests_unit_settings_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_settings_LDADD = $(UNIT_LIBS) $(INIH_LIBS)
tests_unit_settings_SOURCES = tests/unit_settings.c agent/settings.c agent/settings.h
FUZZ_TARGETS += tests/fuzz_config
tests_fuzz_config_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS)
tests_fuzz_config_LDADD = $(LDADD) $(INIH_LIBS)
tests_fuzz_config_SOURCES = tests/fuzz_config.c agent/settings.c agent/settings.h

# What xenferry-look knows of disks: its parsers, and hosts that were recorded.
UNIT_TESTS += tests/unit_device
tests_unit_device_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_volume
tests_unit_volume_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/look_agent
tests_look_agent_LDADD = $(UNIT_LIBS)
FUZZ_TARGETS += tests/fuzz_device
SCRIPT_TESTS += tests/look.sh tests/trees.sh
EXTRA_DIST += tests/record-tree tests/trees

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
TEST_EXTENSIONS = .sh
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)' CPPFLAGS='$(DEFS) -I. $(AM_CPPFLAGS)' NM='$(NM)' READELF='$(READELF)' \
	MAKE='$(MAKE)' top_srcdir='$(top_srcdir)' XF_HARDENED='$(XF_HARDENED)' \
	XF_PROGRAMS='$(sbin_PROGRAMS) $(pkglibexec_PROGRAMS)' FUZZ_TARGETS='$(FUZZ_TARGETS)' \
	CMOCKA_MESSAGE_OUTPUT=TAP; \
	export CC CPPFLAGS NM READELF MAKE top_srcdir XF_HARDENED XF_PROGRAMS FUZZ_TARGETS \
	CMOCKA_MESSAGE_OUTPUT;

if WITH_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

# The same entry point is a libFuzzer target (--enable-fuzzing) and, with tests/replay_main.c
# instead of libFuzzer's main, a replayer of its corpus.
check_PROGRAMS += $(FUZZ_TARGETS)
check_LIBRARIES += tests/libreplay.a
tests_libreplay_a_SOURCES = tests/replay_main.c
if FUZZING
FUZZ_ENGINE = $(XF_FUZZ_ENGINE)
else
FUZZ_ENGINE = tests/libreplay.a
endif
LDADD = common/libxfcommon.a $(FUZZ_ENGINE)

TESTS += $(SCRIPT_TESTS)
EXTRA_DIST += $(SCRIPT_TESTS) tests/corpus tests/disks.h tests/judging.h tests/matching.h tests/pure.allow tests/sample.h tests/unit.h
