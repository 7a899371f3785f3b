# systemd's unit and the run-time directory.
EXTRA_DIST += init/xenferryd.service.in init/xenferry.conf.in
CLEANFILES += init/xenferryd.service init/xenferry.conf
systemdsystemunit_DATA = init/xenferryd.service
tmpfiles_DATA = init/xenferry.conf

init/xenferryd.service: init/xenferryd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) init && $(SUBSTITUTE) $(srcdir)/init/xenferryd.service.in >$@.tmp && mv $@.tmp $@

init/xenferry.conf: init/xenferry.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) init && $(SUBSTITUTE) $(srcdir)/init/xenferry.conf.in >$@.tmp && mv $@.tmp $@
