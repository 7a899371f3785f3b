# The agent.
EXTRA_PROGRAMS += agent/xenferryd
agent_xenferryd_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(COROSYNC_CFLAGS) $(GNUTLS_CFLAGS) \
	$(JANSSON_CFLAGS) $(INIH_CFLAGS) $(SYSTEMD_CFLAGS)
agent_xenferryd_LDADD = agent/sandbox/libxfsandbox.a common/libxfcommon.a $(QB_LIBS) $(COROSYNC_LIBS) $(GNUTLS_LIBS) \
	$(JANSSON_LIBS) $(INIH_LIBS) $(SYSTEMD_LIBS)
agent_xenferryd_SOURCES = \
	agent/drivers.h \
	agent/hyper_sandbox.c agent/hyper_sandbox.h \
	agent/hyper_sandbox_create.c \
	agent/hyper_sandbox_domain.c \
	agent/net_announce.c agent/net_announce.h \
	agent/net_learn.c \
	agent/net_link.c agent/net_link.h \
	agent/net_packet.c \
	agent/net_watch.c
