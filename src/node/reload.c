// SPDX-License-Identifier: BSD-2-Clause
// Two configs are compared as the JSON that config_describe makes of them: what looks the same
// there is the same.
#include "node/reload.h"

#include "base/log.h"

#include <string.h>

// True when the key has the same value, or is missing, in both.
static bool same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *in_a = json_object_get(a, key);
    const json_t *in_b = json_object_get(b, key);
    if (in_a == NULL || in_b == NULL)
        return in_a == in_b;
    return json_equal(in_a, in_b) == 1;
}

static bool check_fixed(const json_t *old, const json_t *new, struct error *error)
{
    static const char *const fixed[] = {"name", "key", "state", "control", "metrics", "user"};
    static const char *const roles[] = {"ruas", "qsa", "qsr", "itr", "etr"};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (!same(old, new, fixed[i]))
            return error_set(error, ERROR_CONFLICT, "needs-restart",
                             "%s changed, which a reload cannot do; restart the node", fixed[i]);
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if ((json_object_get(old, roles[i]) == NULL) != (json_object_get(new, roles[i]) == NULL))
            return error_set(error, ERROR_CONFLICT, "needs-restart",
                             "role %s came or went, which a reload cannot do; restart the node",
                             roles[i]);
    return true;
}

// Whether a role has anything to take over.
static bool concerns(const struct role *role, const json_t *old, const json_t *new)
{
    return role->reads_files || !same(old, new, role->name);
}

// Takes back what the first `count` roles took over.
static void roll_back(struct node *node, size_t count, const struct config *old, const json_t *a,
                      const json_t *b)
{
    struct error error = {0};
    while (count-- > 0) {
        const struct role *role = node_role_at(node, count);
        if (concerns(role, a, b) && !role->reload(role->state, old, &error))
            log_error(role->name, "did not take its old config back: %s", error.text);
    }
}

bool reload_roles(struct node *node, const struct config *old, const struct config *config,
                  struct error *error)
{
    json_t *a = config_describe(old);
    json_t *b = config_describe(config);
    bool good = check_fixed(a, b, error);
    for (size_t i = 0; good && i < node_role_count(node); i++) {
        const struct role *role = node_role_at(node, i);
        if (!concerns(role, a, b))
            continue;
        if (role->reload == NULL)
            good = error_set(error, ERROR_CONFLICT, "needs-restart",
                             "the %s cannot change its config while it runs; restart the node",
                             role->name);
        else
            good = role->reload(role->state, config, error);
        if (!good) {
            if (error != NULL && strncmp(error->text, role->name, strlen(role->name)) != 0)
                error_prefix(error, "%s", role->name);
            roll_back(node, i, old, a, b);
        }
    }
    json_decref(a);
    json_decref(b);
    return good;
}

bool reload_changes_nothing(const struct config *old, const struct config *config)
{
    json_t *a = config_describe(old);
    json_t *b = config_describe(config);
    bool equal = json_equal(a, b) == 1;
    json_decref(a);
    json_decref(b);
    return equal;
}
