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

UNIT_TESTS += tests/unit_ctl
tests_unit_ctl_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_journal
tests_unit_journal_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_link
tests_unit_link_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_reason
tests_unit_reason_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_text
tests_unit_text_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_trace
tests_unit_trace_LDADD = $(UNIT_LIBS)
UNIT_TESTS += tests/unit_wire
tests_unit_wire_LDADD = $(UNIT_LIBS)

FUZZ_TARGETS += tests/fuzz_announce
FUZZ_TARGETS += tests/fuzz_ctl
FUZZ_TARGETS += tests/fuzz_journal
FUZZ_TARGETS += tests/fuzz_link
FUZZ_TARGETS += tests/fuzz_trace
FUZZ_TARGETS += tests/fuzz_wire

SCRIPT_TESTS += tests/docs.sh
SCRIPT_TESTS += tests/fuzz.sh
SCRIPT_TESTS += tests/hardening.sh
SCRIPT_TESTS += tests/headers.sh
SCRIPT_TESTS += tests/pure.sh
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
EXTRA_DIST += tests/replay

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
	agent/net_watch.c
tests_net_net_guest_LDADD = common/libxfcommon.a
tests_net_net_guest_SOURCES = tests/net/net_guest.c
EXTRA_DIST += tests/net/handover.py

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
EXTRA_DIST += $(SCRIPT_TESTS) tests/corpus tests/pure.allow tests/sample.h tests/unit.h
