# The data path: one process per migration and side.
pkglibexec_PROGRAMS += agent/mover/xenferry-mover
mover_cflags = $(AM_CFLAGS) -pthread $(QB_CFLAGS) $(GNUTLS_CFLAGS) $(XXHASH_CFLAGS) $(LZ4_CFLAGS)
mover_libs = agent/sandbox/libxfsandbox.a common/libxfcommon.a $(GNUTLS_LIBS) $(XXHASH_LIBS) \
	$(LZ4_LIBS) -lpthread
# Without the table of hypervisors: tests link it with their own.
mover_sources = \
	agent/mover/channel.c agent/mover/channel.h \
	agent/mover/channel_impl.h \
	agent/mover/channel_open.c \
	agent/mover/decoder.c agent/mover/decoder.h \
	agent/mover/dest.c \
	agent/mover/encoder.c agent/mover/encoder.h \
	agent/mover/feed.c agent/mover/feed.h \
	agent/mover/hash.c agent/mover/hash.h \
	agent/mover/hypers.h \
	agent/mover/job.c agent/mover/job.h \
	agent/mover/main.c \
	agent/mover/mono.c agent/mover/mono.h \
	agent/mover/policy.c agent/mover/policy.h \
	agent/mover/priority.h \
	agent/mover/roles.h \
	agent/mover/source.c

agent_mover_xenferry_mover_CFLAGS = $(mover_cflags)
agent_mover_xenferry_mover_LDADD = $(mover_libs)
agent_mover_xenferry_mover_SOURCES = $(mover_sources) \
	agent/mover/hypers.c
