// SPDX-License-Identifier: GPL-2.0-only
//
// What the two files of MQTT share.
#ifndef MOD_MQTT_H
#define MOD_MQTT_H

#include "mod_util.h"

#if PMG_HAS_MQTT
extern const mp_obj_type_t mpy_type__MqttSession;
// None, a dict or an iterable of pairs as the wire has them, in a vstr on Python's heap. May raise.
struct mg_str mpy_mqtt_properties(mp_obj_t obj, const char *name);
#endif

#endif
