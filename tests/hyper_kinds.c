/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs from hypervisor to hypervisor. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "hyper_bed.h"

static const struct bed_exempt nothing[] = { { NULL, NULL } };

const struct bed_kind bed_kind_sandbox = {
    .name = "sandbox",
    .ops = &xf_hyper_sandbox,
    .mover = &xf_mover_sandbox,
    .dir = "/tmp/xfbed",
    .limit_mib = 1024,
    .memory_mib = 16,
    .whole = true,
    .config_kept = true,
    .restore_feels = true,
    .wait_ms = 10000,
    .settle_ms = 20,
    .cut_first = 8, /* the END record, then more and more */
    .cut_step = 8,
    .cut_reason = XF_REASON_STREAM,
    .text = "name = guest\nmemory = 16\nfill = random\n",
    .devices = "vif = mac=02:00:00:00:00:05,bridge=br7,ip=10.1.2.3/24\n"
               "disk = path=/srv/d,readonly\ndisk = path=/srv/e\n",
    .no_disk = "disk = path=/nonexistent/disk\n",
    .bad_text = "name = guest\nmemory = lots\n",
    .bad_words = "line 2: memory",
    .bad_config = "name = guest\nmemory = lots\n",
    .bad_needs = "line 2: memory",
    .bad_create = "line 2: memory",
    .exempt = nothing,
};

/*
 * Hosts of the Xen lab. The driver looks at domains once a second and after each of its own
 * operations: what a mover did is seen within that second, and everything takes 30 to 50 times as
 * long as on a machine.
 */
static const struct bed_exempt xen_exempt[] = {
    { "an_answer_waits_for_no_other_work_of_the_loop",
      "the watcher tells the host's facts every second, so the loop is never without other work" },
    { NULL, NULL },
};

const struct bed_kind bed_kind_xen = {
    .name = "xen",
    .dir = "/run/xfbed",
    .limit_mib = 0,
    .memory_mib = 40,
    .overhead_mib = 6,
    .holes = true,
    .wait_ms = 60000,
    .look_ms = 2500,
    .settle_ms = 4000,
    .boot_ms = 6000,
    /* libxl takes a stream's end for its END record, and has all that it needs then. */
    .cut_first = 64,
    .cut_step = 512,
    /* libxl does not tell a stream that ends early from one that it cannot build from. */
    .cut_reason = XF_REASON_RESTORE,
    .text = "name = \"guest\"\ntype = \"pvh\"\nkernel = \"/lab/vmlinux\"\n"
            "ramdisk = \"/lab/initramfs\"\nextra = \"console=hvc0 quiet tsc=unstable\"\n"
            "memory = 40\nmaxmem = 40\nvcpus = 1\non_crash = \"destroy\"\n",
    .devices = "vif = [ \"mac=02:00:00:00:00:05,bridge=br7,ip=10.1.2.3\" ]\n"
               "disk = [ \"/srv/d,raw,xvda,ro\", \"/srv/e,raw,xvdb,w\" ]\n",
    .no_disk = "disk = [ \"/nonexistent/disk,raw,xvda,w\" ]\n",
    .bad_text = "name = \"guest\nmemory = 40\n",
    .bad_words = "config parsing error",
    .bad_config =
        "{ \"c_info\": { \"name\": \"guest\" }, \"b_info\": { \"max_memkb\": \"lots\" } }",
    .bad_needs = "b_info.max_memkb",
    .bad_create = "invalid domain type", /* libxl takes the memory for not said */
    .exempt = xen_exempt,
};

const struct bed_kind *bed_kind(void)
{
    const char *name = getenv("XENFERRY_BED");

    return name != NULL && strcmp(name, bed_kind_xen.name) == 0 ? &bed_kind_xen : &bed_kind_sandbox;
}
