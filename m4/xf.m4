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
