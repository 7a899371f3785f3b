# What the agent's and the mover's drivers need to reach the sandbox.
noinst_LIBRARIES += agent/sandbox/libxfsandbox.a
agent_sandbox_libxfsandbox_a_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
agent_sandbox_libxfsandbox_a_SOURCES = \
	agent/sandbox/control.c agent/sandbox/control.h \
	agent/sandbox/files.c agent/sandbox/files.h \
	agent/sandbox/host_cpu.c agent/sandbox/host_cpu.h \
	agent/sandbox/sandbox_client.c agent/sandbox/sandbox_client.h \
	agent/sandbox/sandbox_mover.c

# The embedded hypervisor: one process per domain.
pkglibexec_PROGRAMS += agent/sandbox/xenferry-sandbox
agent_sandbox_xenferry_sandbox_CFLAGS = $(AM_CFLAGS) -pthread $(QB_CFLAGS)
agent_sandbox_xenferry_sandbox_LDADD = agent/sandbox/libxfsandbox.a common/libxfcommon.a -lpthread
agent_sandbox_xenferry_sandbox_SOURCES = \
	agent/sandbox/context.c agent/sandbox/context.h \
	agent/sandbox/diskrec.h \
	agent/sandbox/gate.c agent/sandbox/gate.h \
	agent/sandbox/guest_answer.c agent/sandbox/guest_answer.h \
	agent/sandbox/guest_cpu.c \
	agent/sandbox/guest_disk.c \
	agent/sandbox/guest_net.c \
	agent/sandbox/guest_page.c agent/sandbox/guest_page.h \
	agent/sandbox/machine.c agent/sandbox/machine.h \
	agent/sandbox/restore.c agent/sandbox/restore.h \
	agent/sandbox/sandbox_ask.c agent/sandbox/sandbox_ask.h \
	agent/sandbox/sandbox_main.c \
	agent/sandbox/save.c agent/sandbox/save.h \
	agent/sandbox/server.c agent/sandbox/server.h
