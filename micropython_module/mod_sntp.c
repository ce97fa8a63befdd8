// SPDX-License-Identifier: GPL-2.0-only
//
// SNTP: the methods of Connection and of Manager.

#include "mod_util.h"

#if PMG_HAS_SNTP

static mp_obj_t conn_sntp_request(mp_obj_t self_in) {
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_sntp_request(self->c)));
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_sntp_request_obj, conn_sntp_request);

static mp_obj_t manager_sntp_connect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return mpy_manager_start_args(&pmg_sntp, false, n_args, pos_args, kw_args);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_sntp_connect_obj, 1, manager_sntp_connect);

#endif
