// SPDX-License-Identifier: GPL-2.0-only

#include "../core/core_int.h"
#include "mqtt.h"

#if PMG_HAS_MQTT

pmg_copy_t *pmg_mqtt_copy(pmg_mgr_t *m, unsigned long id, const pmg_mqtt_msg_t *msg) {
    size_t size = sizeof(*msg) + msg->topic.len + msg->data.len + msg->client_id.len +
                  msg->username.len + msg->password.len + msg->props.len + msg->filters.len;
    pmg_copy_t *copy = pmg_copy_new(m, id, size);
    if (copy == NULL) {
        return NULL;
    }
    pmg_mqtt_msg_t *to = (void *)(copy + 1);
    char *at = (char *)(to + 1);
    *to = *msg;
    to->kept = true;
    struct mg_str *texts[] = {&to->topic, &to->data, &to->client_id, &to->username, &to->password,
        &to->props, &to->filters};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = pmg_copy_str(&at, *texts[i]);
    }
    copy->msg = to;
    return copy;
}

#endif
