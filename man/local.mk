# Manual pages; tests/docs.sh lints them and looks for what they must name.
#   dist_man8_MANS += man/NAME.8
dist_man8_MANS += man/xenferry.8
dist_man8_MANS += man/xenferry-keeper.8
dist_man8_MANS += man/xenferry-look.8
dist_man8_MANS += man/xenferry-mover.8
dist_man8_MANS += man/xenferry-sandbox.8
dist_man8_MANS += man/xenferry-xen.8
dist_man5_MANS += man/xenferry.conf.5
dist_man7_MANS += man/xenferry-findings.7
dist_man8_MANS += man/xenferryd.8
