// SPDX-License-Identifier: GPL-2.0-only
//
// Names of hosts: the methods of a connection for its look-up.

#include "mod_util.h"

static mp_obj_t conn_resolve(mp_obj_t self_in, mp_obj_t url_in) {
    const char *url = mpy_get_cstr(url_in, "url");
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_resolve(self->c, url)));
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_resolve_obj, conn_resolve);

static mp_obj_t conn_resolve_cancel(mp_obj_t self_in) {
    mpy_conn_t *self = mpy_conn_open(self_in);
    MPY_ENGINE_DO(pmg_resolve_cancel(self->c));
    return mpy_conn_done(self, 0);
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_resolve_cancel_obj, conn_resolve_cancel);
