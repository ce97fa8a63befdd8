// SPDX-License-Identifier: GPL-2.0-only
//
// Percent-encoding and urlencoded forms. `dst` is given by the caller and is not terminated.
#ifndef PMG_FORM_H
#define PMG_FORM_H

#include "mongoose.h"

// What a hexadecimal digit stands for; -1 if it is none.
int pmg_hex(char ch);

// The next of `rest`, which then begins behind it, as it stands there; the value of a name without
// "=" is empty. False: there is none.
bool pmg_form_next(struct mg_str *rest, struct mg_str *name, struct mg_str *value);
// A parameter of a query string or of an urlencoded form, as it stands there; names are compared
// decoded.
struct mg_str pmg_form_var(struct mg_str form, struct mg_str name);
// Undoes percent-encoding and, if `plus`, "+" for a space. The length, at most raw.len, or -EILSEQ
// for a percent sign without two hex digits.
int pmg_percent_decode(struct mg_str raw, char *dst, bool plus);
// As a query has it, with "+" for a space.
int pmg_url_decode(struct mg_str raw, char *dst);

#endif
