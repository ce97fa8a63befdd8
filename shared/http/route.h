// SPDX-License-Identifier: GPL-2.0-only
//
// Which of an application's routes a request means. The table is text that pymongoose.web makes: a
// record for each route, the more specific ones first.
//
//     record    length of what follows, 2 bytes, high byte first; how many bytes the method has, and
//               how many of the pattern are literal at its beginning, a byte each; method, pattern
//     pattern   characters, decoded; a parameter is PMG_ROUTE_PARAM and its kind
//
// A segment (what lies between slashes) holds one parameter at most, so that matching looks at no
// character of the path more often than there are routes.
#ifndef PMG_HTTP_ROUTE_H
#define PMG_HTTP_ROUTE_H

#include "../base/base.h"

#if PMG_HAS_WEB
#define PMG_ROUTE_PARAM '\1'
#define PMG_ROUTE_PARAMS 8 // of one pattern

typedef struct {
    struct mg_str raw; // percent-escapes included, never empty
    char kind;         // 's' text, 'i' an integer of at most 18 digits, 'f' a number, 'p' a path
} pmg_route_value_t;

typedef struct {
    int num;
    pmg_route_value_t values[PMG_ROUTE_PARAMS];
} pmg_route_t;

// The number of the first record from `first` on that fits; of any method if `method` is empty. HEAD is
// GET where it has no route itself. -ENOENT: none does. -EINVAL: no such table.
// The parameters stand in `found` in the pattern's order.
int pmg_route_find(struct mg_str table, struct mg_str method, struct mg_str path, int first,
    pmg_route_t *found);
long long pmg_route_int(const pmg_route_value_t *value); // of kind 'i'
#endif

#endif
