// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/upstream_store.h"

#include "base/memory.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *describe(const char *domain, const struct service_server *servers, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char text[ENDPOINT_TEXT_MAX];
        (void)json_array_append_new(list, json_pack("{s:s, s:i}", "server",
                                                    endpoint_print(&servers[i].endpoint, text),
                                                    "priority", (int)servers[i].priority));
    }
    return json_pack("{s:i, s:s, s:o}", "v", 1, "domain", domain, "servers", list);
}

uint8_t *upstream_store_encode(const char *domain, const struct service_server *servers,
                               size_t count, size_t *length)
{
    json_t *json = describe(domain, servers, count);
    char *text = json_dumps(json, JSON_INDENT(1));
    assert(text != NULL);
    json_decref(json);
    *length = strlen(text);
    uint8_t *bytes = memory_copy(text, *length);
    free(text);
    return bytes;
}

static bool read_server(const json_t *item, struct service_server *server)
{
    const char *text = json_string_value(json_object_get(item, "server"));
    json_int_t priority = json_integer_value(json_object_get(item, "priority"));
    memset(server, 0, sizeof(*server));
    if (text == NULL || priority < 0 || priority > UINT16_MAX)
        return false;
    server->priority = (uint16_t)priority;
    return endpoint_parse(text, 0, &server->endpoint, NULL) && server->endpoint.port != 0;
}

size_t upstream_store_decode(const uint8_t *bytes, size_t length, const char *domain,
                             struct service_server *servers, size_t most)
{
    size_t count = 0;
    json_t *kept = json_loadb((const char *)bytes, length, 0, NULL);
    const char *about = json_string_value(json_object_get(kept, "domain"));
    const json_t *list = json_object_get(kept, "servers");
    bool ours = about != NULL && strcmp(about, domain) == 0;
    for (size_t i = 0; ours && count < most && i < json_array_size(list); i++)
        count += read_server(json_array_get(list, i), &servers[count]);
    json_decref(kept);
    return count;
}
