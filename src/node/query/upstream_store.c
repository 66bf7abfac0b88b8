// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/upstream_store.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool path_of(char path[PATH_MAX], const char *directory, const char *role,
                    const char *suffix)
{
    int length = snprintf(path, PATH_MAX, "%s/upstreams-%s.json%s", directory, role, suffix);
    return length > 0 && length < PATH_MAX;
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

size_t upstream_store_load(const char *directory, const char *role, const char *domain,
                           struct service_server *servers, size_t most)
{
    char path[PATH_MAX];
    size_t count = 0;
    if (!path_of(path, directory, role, ""))
        return 0;
    json_t *kept = json_load_file(path, 0, NULL);
    const char *about = json_string_value(json_object_get(kept, "domain"));
    const json_t *list = json_object_get(kept, "servers");
    for (size_t i = 0;
         about != NULL && strcmp(about, domain) == 0 && count < most && i < json_array_size(list);
         i++)
        count += read_server(json_array_get(list, i), &servers[count]);
    json_decref(kept);
    return count;
}

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

bool upstream_store_save(const char *directory, const char *role, const char *domain,
                         const struct service_server *servers, size_t count, struct error *error)
{
    char path[PATH_MAX];
    char fresh[PATH_MAX];
    errno = ENAMETOOLONG;
    bool good = path_of(path, directory, role, "") && path_of(fresh, directory, role, ".new") &&
                (mkdir(directory, 0700) == 0 || errno == EEXIST);
    json_t *json = describe(domain, servers, count);
    good = good && json_dump_file(json, fresh, JSON_INDENT(1)) == 0 && rename(fresh, path) == 0;
    json_decref(json);
    return good || error_set(error, ERROR_SYSTEM, "store",
                             "the query servers found cannot be kept in %s: %s", directory,
                             strerror(errno));
}
