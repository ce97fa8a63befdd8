// SPDX-License-Identifier: GPL-2.0-only
//
// Scenes: what a program does from its first call to its last, small enough to be run once for each
// thing in it that can fail.
#ifndef PMG_FUZZ_SCENES_H
#define PMG_FUZZ_SCENES_H

#include "app.h"

// Plays it on app.m: did it come to its good end? What went wrong instead is in scene_told.
typedef struct {
    const char *name;
    bool (*play)(void);
    unsigned what; // see app.c
} scene_t;
extern const scene_t scenes[];
// Has a call failed with its reason, or an event told of it, or the peer seen the end?
extern bool scene_told;

#endif
