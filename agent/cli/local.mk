# The command. Its pure parts are a library of their own, for the unit test.
noinst_LIBRARIES += agent/cli/libxfcli.a
agent_cli_libxfcli_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
agent_cli_libxfcli_a_SOURCES = \
	agent/cli/bar.c agent/cli/bar.h \
	agent/cli/field.c agent/cli/field.h \
	agent/cli/table.c agent/cli/table.h \
	agent/cli/units.c agent/cli/units.h

sbin_PROGRAMS += agent/cli/xenferry
agent_cli_xenferry_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/agent/cli
agent_cli_xenferry_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(JANSSON_CFLAGS) $(INIH_CFLAGS)
agent_cli_xenferry_LDADD = agent/cli/libxfcli.a common/libxfcommon.a $(QB_LIBS) $(JANSSON_LIBS) \
	$(INIH_LIBS) -lm
agent_cli_xenferry_SOURCES = \
	agent/cli/ask.c \
	agent/cli/cli.h \
	agent/cli/client.c agent/cli/client.h \
	agent/cli/cmd_check.c \
	agent/cli/cmd_config.c \
	agent/cli/cmd_console.c \
	agent/cli/cmd_domain.c \
	agent/cli/cmd_keygen.c \
	agent/cli/cmd_move.c \
	agent/cli/options.c \
	agent/cli/say.c \
	agent/cli/show.c \
	agent/cli/show_check.c \
	agent/cli/show_report.c \
	agent/cli/xenferry.c \
	agent/settings.c agent/settings.h
