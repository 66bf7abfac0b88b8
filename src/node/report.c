// SPDX-License-Identifier: BSD-2-Clause
#include "node/report.h"

#include "node/http/json_error.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define WHY_MAX 240

static bool role_healthy(const struct role *role, char why[WHY_MAX])
{
    why[0] = '\0';
    if (role->healthy == NULL || role->healthy(role->state, why, WHY_MAX)) {
        why[0] = '\0';
        return true;
    }
    return false;
}

// Puts "healthy" and "why" into a role's object.
static bool add_health(const struct role *role, json_t *object)
{
    char why[WHY_MAX];
    bool healthy = role_healthy(role, why);
    (void)json_object_set_new(object, "healthy", json_boolean(healthy));
    if (!healthy)
        (void)json_object_set_new(object, "why", json_text(why));
    return healthy;
}

json_t *report_health(const struct node *node, bool *healthy)
{
    json_t *roles = json_object();
    *healthy = true;
    for (size_t i = 0; i < node_role_count(node); i++) {
        const struct role *role = node_role_at(node, i);
        json_t *object = json_object();
        *healthy = add_health(role, object) && *healthy;
        (void)json_object_set_new(roles, role->name, object);
    }
    return json_pack("{s:i, s:b, s:o}", "v", 1, "healthy", (int)*healthy, "roles", roles);
}

json_t *report_status(const struct node *node)
{
    json_t *roles = json_object();
    bool healthy = true;
    for (size_t i = 0; i < node_role_count(node); i++) {
        const struct role *role = node_role_at(node, i);
        json_t *object = role->status != NULL ? role->status(role->state) : json_object();
        assert(json_is_object(object));
        healthy = add_health(role, object) && healthy;
        (void)json_object_set_new(roles, role->name, object);
    }
    struct public_key public = key_public(node_key(node));
    char key[KEY_TEXT_MAX];
    return json_pack("{s:i, s:o, s:s, s:s, s:f, s:b, s:o}", "v", 1, "name",
                     json_text(node_config(node)->name), "version", IVIP_VERSION, "key",
                     key_print(&public, key), "uptime_s", node_uptime_seconds(node), "healthy",
                     (int)healthy, "roles", roles);
}

// How many descriptors the process has open.
static unsigned open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    unsigned count = 0;
    while (readdir(directory) != NULL)
        count++;
    (void)closedir(directory);
    return count > 3 ? count - 3 : 0; // ".", ".." and the directory itself
}

// Resident memory in bytes.
static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long total = 0;
    unsigned long resident = 0;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lu %lu", &total, &resident) != 2) // NOLINT(cert-err34-c): the kernel's
        resident = 0;
    (void)fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void write_process(const struct node *node, struct metrics_page *page)
{
    char labels[128];
    (void)snprintf(labels, sizeof(labels), "name=\"%s\",version=\"%s\"", node_config(node)->name,
                   IVIP_VERSION);
    metrics_describe(page, "ivip_node_info", "gauge", "The node and its version; always 1.");
    metrics_value(page, "ivip_node_info", labels, 1);
    metrics_gauge(page, "ivip_node_uptime_seconds", "Time since the node was started.",
                  node_uptime_seconds(node));
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    metrics_describe(page, "process_cpu_seconds_total", "counter",
                     "Processor time used by the process.");
    metrics_value(page, "process_cpu_seconds_total", "",
                  (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    metrics_gauge(page, "process_resident_memory_bytes", "Memory resident, in bytes.",
                  resident_bytes());
    metrics_gauge(page, "process_open_fds", "Open file descriptors.", open_descriptors());
}

static void write_health(const struct node *node, struct metrics_page *page)
{
    metrics_describe(page, "ivip_role_healthy", "gauge", "1 when the role does its work.");
    for (size_t i = 0; i < node_role_count(node); i++) {
        char why[WHY_MAX];
        char labels[64];
        const struct role *role = node_role_at(node, i);
        (void)snprintf(labels, sizeof(labels), "role=\"%s\"", role->name);
        metrics_value(page, "ivip_role_healthy", labels, role_healthy(role, why) ? 1 : 0);
    }
}

char *report_metrics(const struct node *node, size_t *length)
{
    struct metrics_page *page = metrics_page_new();
    write_process(node, page);
    write_health(node, page);
    node_write_metrics(node, page);
    for (size_t i = 0; i < node_role_count(node); i++) {
        const struct role *role = node_role_at(node, i);
        if (role->write_metrics != NULL)
            role->write_metrics(role->state, page);
    }
    return metrics_page_finish(page, length);
}
