# common/: bytes and numbers in, bytes and numbers out; tests/pure.sh asks the linker.
noinst_LIBRARIES += common/libxfcommon.a
common_libxfcommon_a_CPPFLAGS = -I$(top_srcdir)/common $(XF_CPPFLAGS)
common_libxfcommon_a_SOURCES = \
	common/announce.c common/announce.h \
	common/blocks.c common/blocks.h \
	common/bytes.h \
	common/core.c common/core.h common/core_impl.h \
	common/core_dest.c \
	common/core_group.c \
	common/core_recover.c \
	common/core_source.c \
	common/core_start.c \
	common/core_vote.c \
	common/ctl.c common/ctl.h \
	common/device.c common/device.h \
	common/device_nbd.c \
	common/disk.c common/disk.h \
	common/diskmsg.c common/diskmsg.h \
	common/domcfg.c common/domcfg.h \
	common/fields.c common/fields.h \
	common/finding.c common/finding.h \
	common/host.c common/host.h \
	common/identity.c common/identity.h \
	common/ids.h \
	common/invariant.c common/invariant.h \
	common/journal.c common/journal.h \
	common/link.c common/link.h \
	common/mounts.c common/mounts.h \
	common/pack.c common/pack.h \
	common/page.c common/page.h \
	common/precopy.c common/precopy.h \
	common/probe.c common/probe.h \
	common/reason.c common/reason.h \
	common/rota.c common/rota.h \
	common/stream.c common/stream.h \
	common/text.c common/text.h \
	common/trace.c common/trace.h \
	common/verdict.c \
	common/volume.c common/volume.h \
	common/volume_drbd.c \
	common/wire.c common/wire.h
