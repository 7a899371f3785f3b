# What a host knows of one disk: a process for each look, since it may hang with the disk.
pkglibexec_PROGRAMS += agent/look/xenferry-look
agent_look_xenferry_look_CFLAGS = $(AM_CFLAGS) $(GNUTLS_CFLAGS) $(BLKID_CFLAGS)
agent_look_xenferry_look_LDADD = common/libxfcommon.a $(GNUTLS_LIBS) $(BLKID_LIBS)
agent_look_xenferry_look_SOURCES = \
	agent/look/kind_bcache.c \
	agent/look/kind_dm.c \
	agent/look/kind_drbd.c \
	agent/look/kind_file.c \
	agent/look/kind_gnbd.c \
	agent/look/kind_iscsi.c \
	agent/look/kind_loop.c \
	agent/look/kind_md.c \
	agent/look/kind_multipath.c \
	agent/look/kind_nbd.c \
	agent/look/kind_nvme.c \
	agent/look/kind_part.c \
	agent/look/kind_plain.c \
	agent/look/kind_rbd.c \
	agent/look/kind_scsi.c \
	agent/look/look.h \
	agent/look/look_blocks.c \
	agent/look/look_dm.c \
	agent/look/look_main.c \
	agent/look/look_nonce.c \
	agent/look/look_own.c \
	agent/look/look_print.c \
	agent/look/look_super.c \
	agent/look/look_tree.c agent/look/look_tree.h \
	agent/look/look_users.c \
	agent/look/look_walk.c
