# The agent.
sbin_PROGRAMS += agent/xenferryd
agent_xenferryd_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(COROSYNC_CFLAGS) $(GNUTLS_CFLAGS) \
	$(JANSSON_CFLAGS) $(INIH_CFLAGS) $(SYSTEMD_CFLAGS)
agent_xenferryd_LDADD = agent/sandbox/libxfsandbox.a common/libxfcommon.a $(QB_LIBS) $(COROSYNC_LIBS) $(GNUTLS_LIBS) \
	$(JANSSON_LIBS) $(INIH_LIBS) $(SYSTEMD_LIBS)
agent_xenferryd_SOURCES = \
	agent/agent.c agent/agent.h \
	agent/attempt.c agent/attempt.h \
	agent/attempt_net.c \
	agent/attempt_payload.c \
	agent/blackbox.c agent/blackbox.h \
	agent/boot_number.c agent/boot_number.h \
	agent/check.c agent/check.h \
	agent/check_json.c agent/check_json.h \
	agent/check_net.c agent/check_net.h \
	agent/child.c agent/child.h \
	agent/clock_qb.c agent/clock_qb.h \
	agent/cluster_corosync.c agent/cluster_corosync.h \
	agent/cluster_impl.h \
	agent/cluster_nodes.c \
	agent/domains.c \
	agent/drivers.h \
	agent/hello.c \
	agent/fate.c agent/fate.h \
	agent/history.c agent/history.h \
	agent/hyper_news.c \
	agent/hyper_sandbox.c agent/hyper_sandbox.h \
	agent/hyper_sandbox_create.c \
	agent/hyper_sandbox_domain.c \
	agent/hyper_xen.c agent/hyper_xen.h \
	agent/hyper_xen_config.c \
	agent/hyper_xen_proc.c \
	agent/xen/xen_proto.h \
	agent/ipc_qb.c agent/ipc_qb.h \
	agent/log_qb.c agent/log_qb.h \
	agent/looks.c agent/looks.h \
	agent/main.c \
	agent/matrix.c agent/matrix.h \
	agent/mover_proc.c agent/mover_proc.h \
	agent/net_announce.c agent/net_announce.h \
	agent/net_bridge.c \
	agent/net_learn.c \
	agent/net_link.c agent/net_link.h \
	agent/net_packet.c \
	agent/net_probe.c agent/net_probe.h \
	agent/net_request.c agent/net_request.h \
	agent/net_watch.c \
	agent/ops.c \
	agent/peers.c \
	agent/perform.c \
	agent/preflight.c agent/preflight.h \
	agent/report.c agent/report.h \
	agent/reserve.c agent/reserve.h \
	agent/requests.c agent/requests.h \
	agent/requests_check.c \
	agent/requests_domain.c \
	agent/requests_foreign.c \
	agent/requests_move.c \
	agent/requests_peer.c \
	agent/requests_show.c \
	agent/secret.c agent/secret.h \
	agent/settings.c agent/settings.h \
	agent/slots.c agent/slots.h \
	agent/step.c \
	agent/store_file.c agent/store_file.h \
	agent/store_notes.c agent/store_notes.h \
	agent/store_writer.c agent/store_writer.h \
	agent/visits.c agent/visits.h
