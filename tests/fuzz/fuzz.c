// SPDX-License-Identifier: GPL-2.0-only
//
// What libFuzzer calls. PMG_FUZZ_TARGET names the target, "list" prints them all.

#include "targets.h"

static const target_t *target;

static const target_t *find(const target_t *rows, const char *name) {
    for (; rows->name != NULL; rows++) {
        if (strcmp(name, "list") == 0) {
            puts(rows->name);
        } else if (strcmp(name, rows->name) == 0) {
            return rows;
        }
    }
    return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *name = getenv("PMG_FUZZ_TARGET");
    (void)argc, (void)argv;
    name = name != NULL ? name : "";
    target = find(fuzz_peers, name);
    target = target != NULL ? target : find(fuzz_texts, name);
    if (target == NULL) {
        fprintf(stderr, "PMG_FUZZ_TARGET=%s is none\n", name);
        exit(strcmp(name, "list") != 0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t in = {data, size};
    fail_none();
    target->run(&in);
    return 0;
}
