# What links Xen's libraries: the agent's hands, the mover's side, the keeper, and the stop rule
# inside libxl's save helper. Left out where those libraries are not.
xen_cflags = $(AM_CFLAGS) -pthread $(QB_CFLAGS) $(XEN_CFLAGS)
xen_shared = \
	agent/xen/xen_keep.c agent/xen/xen_keep.h \
	agent/xen/xen_lib.c agent/xen/xen_lib.h \
	agent/xen/xen_mark.c agent/xen/xen_mark.h \
	agent/xen/xen_proto.h

if WITH_XEN
noinst_LIBRARIES += agent/xen/libxfxen.a
pkglibexec_PROGRAMS += agent/xen/xenferry-xen agent/xen/xenferry-mover-xen \
	agent/xen/preload/xenferry-save-helper agent/xen/preload/xenferry-policy.so \
	agent/keeper/xenferry-keeper
endif
EXTRA_LIBRARIES += agent/xen/libxfxen.a
EXTRA_PROGRAMS += agent/xen/xenferry-xen agent/xen/xenferry-mover-xen \
	agent/xen/preload/xenferry-save-helper agent/xen/preload/xenferry-policy.so \
	agent/keeper/xenferry-keeper

agent_xen_libxfxen_a_CFLAGS = $(xen_cflags)
agent_xen_libxfxen_a_SOURCES = $(xen_shared)

agent_xen_xenferry_xen_CFLAGS = $(xen_cflags)
agent_xen_xenferry_xen_LDADD = agent/xen/libxfxen.a common/libxfcommon.a $(XEN_LIBS) -lpthread
agent_xen_xenferry_xen_SOURCES = \
	agent/xen/xen_guest.c agent/xen/xen_guest.h \
	agent/xen/xen_main.c \
	agent/xen/xen_ops.c agent/xen/xen_ops.h \
	agent/xen/xen_translate.c \
	agent/xen/xen_watch.c agent/xen/xen_watch.h

agent_xen_xenferry_mover_xen_CFLAGS = $(mover_cflags) $(XEN_CFLAGS)
agent_xen_xenferry_mover_xen_LDADD = agent/xen/libxfxen.a common/libxfcommon.a $(GNUTLS_LIBS) \
	$(XXHASH_LIBS) $(LZ4_LIBS) $(XEN_LIBS) -lpthread
agent_xen_xenferry_mover_xen_SOURCES = $(mover_sources) \
	agent/xen/hypers_xen.c \
	agent/xen/preload/policy_proto.h \
	agent/xen/xen_early.c agent/xen/xen_early.h \
	agent/xen/xen_mover.c agent/xen/xen_mover.h \
	agent/xen/xen_policy.c agent/xen/xen_policy.h

# Needs libc alone; without this it would get what the tests are linked with.
agent_xen_preload_xenferry_save_helper_LDADD =
agent_xen_preload_xenferry_save_helper_SOURCES = agent/xen/preload/save_helper.c
# A shared object, but no library: nothing is linked with it, and it keeps its name.
agent_xen_preload_xenferry_policy_so_SOURCES = agent/xen/preload/policy.c
agent_xen_preload_xenferry_policy_so_CFLAGS = $(AM_CFLAGS) -fPIC -fvisibility=hidden $(XEN_CFLAGS)
agent_xen_preload_xenferry_policy_so_LDFLAGS = $(XF_SO_LDFLAGS) -shared
agent_xen_preload_xenferry_policy_so_LDADD = -ldl

agent_keeper_xenferry_keeper_CFLAGS = $(xen_cflags)
agent_keeper_xenferry_keeper_LDADD = agent/xen/libxfxen.a common/libxfcommon.a $(XEN_LIBS) -lpthread
agent_keeper_xenferry_keeper_SOURCES = agent/keeper/keeper.c
