/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main() of a fuzz target in a build without libFuzzer: every file named is one input. Used by
 * tests/fuzz.sh, which asks for nothing but an exit code, as libFuzzer gives one too.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char *argv[])
{
    static uint8_t buf[1 << 20];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rbe");
        size_t size;

        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        size = fread(buf, 1, sizeof(buf), file);
        if (ferror(file) || fgetc(file) != EOF) {
            fprintf(stderr, "%s: cannot be read whole\n", argv[i]);
            (void)fclose(file);
            return 1;
        }
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput(buf, size);
    }
    return 0;
}
