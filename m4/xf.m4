# SPDX-License-Identifier: GPL-2.0-or-later
# Macros of configure.ac. Loop variables are in capitals: one called `f' would rewrite every `rm -f'.

# XF_TRY_FLAG(VAR, FLAG): append FLAG to VAR if compiler and linker take it. A flag is one quoted
# argument, so that "-Wl,-z,relro" is not split at its commas.
AC_DEFUN([XF_TRY_FLAG], [
  AC_MSG_CHECKING([whether $CC takes $2])
  xf_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $2"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"],
    [AC_MSG_RESULT([no])])
  CFLAGS=$xf_save_CFLAGS])

# XF_NEED_FLAG(VAR, FLAG): the same, but a compiler that does not take it is an error.
AC_DEFUN([XF_NEED_FLAG], [
  xf_before=$$1
  XF_TRY_FLAG([$1], [$2])
  AS_IF([test "x$$1" = "x$xf_before"], [AC_MSG_ERROR([$CC does not take $2])])])

# XF_DIR(NAME, DEFAULT, WHAT): --with-NAME=DIR.
AC_DEFUN([XF_DIR], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=DIR], [where $3 go @<:@$2@:>@])],
    [AS_CASE([$withval], [yes|no], [AC_MSG_ERROR([--with-$1 needs a directory])])],
    [with_$1='$2'])
  AC_SUBST([$1], [$with_$1])])

AC_DEFUN([XF_WARNING_FLAGS], [
  m4_foreach_w([XF_FLAG], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wcast-qual -Wwrite-strings -Wpointer-arith
    -Wswitch-enum -Wimplicit-fallthrough -Wconversion -Wlogical-op -Wduplicated-cond
    -fno-strict-aliasing -fno-common],
    [XF_TRY_FLAG([XF_CFLAGS], m4_quote(XF_FLAG))])
  # Assertions stay on in release: a node that asserts dies, which is the safe outcome.
  XF_CPPFLAGS="$XF_CPPFLAGS -UNDEBUG"])

# tests/hardening.sh looks at the built files, so a flag that got lost here is found there.
AC_DEFUN([XF_HARDENING_FLAGS], [
  m4_foreach_w([XF_FLAG], [-fstack-protector-strong -fstack-clash-protection -fcf-protection],
    [XF_TRY_FLAG([XF_CFLAGS], m4_quote(XF_FLAG))])
  XF_NEED_FLAG([XF_CFLAGS], [-fPIE])
  m4_foreach([XF_FLAG], [[-pie], [[-Wl,-z,relro]], [[-Wl,-z,now]], [[-Wl,-z,noexecstack]]],
    [XF_NEED_FLAG([XF_LDFLAGS], m4_quote(XF_FLAG))])
  # The same for a shared object, which -pie would make a program of.
  m4_foreach([XF_FLAG], [[[-Wl,-z,relro]], [[-Wl,-z,now]], [[-Wl,-z,noexecstack]]],
    [XF_NEED_FLAG([XF_SO_LDFLAGS], m4_quote(XF_FLAG))])
  # glibc fortifies only what is optimised, and warns otherwise.
  AS_CASE([$CFLAGS], [*-O[[123s]]*],
    [XF_CPPFLAGS="$XF_CPPFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])])

AC_DEFUN([XF_SANITIZER_FLAGS], [
  XF_NEED_FLAG([XF_SANITIZE], [-fsanitize=$with_sanitizers])
  XF_CFLAGS="$XF_CFLAGS $XF_SANITIZE -fno-omit-frame-pointer -fno-sanitize-recover=all"
  XF_LDFLAGS="$XF_LDFLAGS $XF_SANITIZE"])

AC_DEFUN([XF_FUZZING_FLAGS], [
  XF_NEED_FLAG([XF_CFLAGS], [-fsanitize=fuzzer-no-link])
  AC_SUBST([XF_FUZZ_ENGINE], [-fsanitize=fuzzer])])

# XF_XEN: what the Xen driver is built against. The tools' libraries have no stable interface, so
# their release is part of ours; and the stop rule stands in for a function of libxenguest, whose
# structures must be those that it was written for.
AC_DEFUN([XF_XEN], [
  xf_xen_version=`$PKG_CONFIG --modversion xenlight`
  xf_xen_major=`echo "$xf_xen_version" | cut -d. -f1`
  xf_xen_minor=`echo "$xf_xen_version" | cut -d. -f2`
  AC_DEFINE_UNQUOTED([XF_XEN_MAJOR], [$xf_xen_major], [release of Xen's libraries])
  AC_DEFINE_UNQUOTED([XF_XEN_MINOR], [$xf_xen_minor], [release of Xen's libraries])
  AC_DEFINE_UNQUOTED([XF_XEN_ABI], ["$xf_xen_major.$xf_xen_minor"], [what their files' names end in])
  AC_ARG_WITH([xen-libexec],
    [AS_HELP_STRING([--with-xen-libexec=DIR],
      [where libxl's save helper is @<:@/usr/lib/xen-VERSION/bin@:>@])],
    [], [with_xen_libexec=/usr/lib/xen-$xf_xen_major.$xf_xen_minor/bin])
  AC_DEFINE_UNQUOTED([XF_XEN_SAVE_HELPER], ["$with_xen_libexec/libxl-save-helper"],
    [libxl's save helper])
  xf_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $XEN_CFLAGS -Werror"
  AC_MSG_CHECKING([whether libxenguest's pre-copy policy is the one we know])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
      #include <stddef.h>
      #include <xenctrl.h>
      #include <xenguest.h>
      static int rule(struct precopy_stats stats, void *data) { (void)data; return stats.dirty_count < 0; }
      _Static_assert(sizeof(struct precopy_stats) == 24, "two counters and a round");
      _Static_assert(offsetof(struct precopy_stats, iteration) == 0, "round");
      _Static_assert(offsetof(struct precopy_stats, total_written) == 8, "pages written");
      _Static_assert(offsetof(struct precopy_stats, dirty_count) == 16, "pages dirty");
      _Static_assert(offsetof(struct save_callbacks, suspend) == 0, "suspend comes first");
    ]], [[
      struct save_callbacks callbacks = { 0 };
      precopy_policy_t policy = rule;
      int (*save)(xc_interface *, int, uint32_t, uint32_t, struct save_callbacks *,
                  xc_stream_type_t, int) = xc_domain_save;
      callbacks.precopy_policy = policy;
      return save == NULL || callbacks.precopy_policy == NULL || XGS_POLICY_ABORT != -1;
    ]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no]); AC_MSG_ERROR([the stop rule does not fit libxenguest $xf_xen_version])])
  CFLAGS=$xf_save_CFLAGS])
