// SPDX-License-Identifier: GPL-2.0-only
//
// The functions of the module, each declared by its row of base/names.h.
#ifndef MOD_FUNCTIONS_H
#define MOD_FUNCTIONS_H

#include "py/obj.h"

#include "base/names.h"

// By its arguments' number: none, one, two, two of which one may be left out, and by name.
#define MPY_FUN_0_0 mp_obj_fun_builtin_fixed_t
#define MPY_FUN_1_1 mp_obj_fun_builtin_fixed_t
#define MPY_FUN_2_2 mp_obj_fun_builtin_fixed_t
#define MPY_FUN_1_2 mp_obj_fun_builtin_var_t
#define MPY_FUN_1_255 mp_obj_fun_builtin_var_t
#define MPY_FUN_2_255 mp_obj_fun_builtin_var_t

#define X(name, min, max) extern const MPY_FUN_##min##_##max module_##name##_obj;
PMG_FUNCTIONS(X)
#undef X

#endif
