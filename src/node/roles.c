// SPDX-License-Identifier: BSD-2-Clause
#include "node/roles.h"

#include "base/log.h"
#include "node/authority/role_ruas.h"
#include "node/query/role_qsa.h"
#include "node/query/role_qsr.h"
#include "node/tunnel/role_etr.h"
#include "node/tunnel/role_itr.h"

typedef bool start_role(struct node *node, struct error *error);

bool roles_start(struct node *node, struct error *error)
{
    const struct config *config = node_config(node);
    const struct {
        const char *name;
        bool configured;
        start_role *start;
    } roles[] = {
        {"ruas", config->ruas != NULL, role_ruas_start},
        {"qsa", config->qsa != NULL, role_qsa_start},
        {"qsr", config->qsr != NULL, role_qsr_start},
        {"itr", config->itr != NULL, role_itr_start},
        {"etr", config->etr != NULL, role_etr_start},
    };
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (!roles[i].configured)
            continue;
        if (!roles[i].start(node, error)) {
            error_prefix(error, "%s", roles[i].name);
            return false;
        }
        log_debug("node", "%s started", roles[i].name);
    }
    return true;
}
