// SPDX-License-Identifier: BSD-2-Clause
// What the process may do. It starts as root, to open packet sockets, TUN devices and the control
// socket, and then gives up all that it needs no more, before the first packet is read.
//
// Ivip's nodes do likewise (src/node/privileges.c). The few lines are here again because sipp/ and
// src/node share nothing but src/base, which should not need libcap-ng for them.
#include "sipp/daemon/sippd.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

bool privileges_account(struct sippd *sippd, const char *user, struct error *error)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user); // NOLINT(concurrency-mt-unsafe)
    if (entry == NULL || strlen(user) >= sizeof(sippd->user))
        return error_set(error, ERROR_NOT_FOUND, "no-such-user",
                         "there is no account \"%.60s\" on this machine%s%s", user,
                         errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
    (void)snprintf(sippd->user, sizeof(sippd->user), "%s", user);
    sippd->uid = entry->pw_uid;
    sippd->gid = entry->pw_gid;
    return true;
}

bool privileges_drop(const struct sippd *sippd, struct error *error)
{
    bool good = true;
    if (sippd->uid != 0 && !control_give(sippd, error))
        return false;
    if (geteuid() == 0) {
        capng_clear(CAPNG_SELECT_BOTH);
        if (kernel_has_offers(sippd))
            good = capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
                                CAP_NET_ADMIN) == 0;
        if (good && sippd->uid != 0)
            good = capng_change_id((int)sippd->uid, (int)sippd->gid,
                                   CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0;
        else if (good)
            good = capng_apply(CAPNG_SELECT_BOTH) == 0;
    }
    if (good && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "privileges-stay", "privileges cannot be dropped%s%s",
                     sippd->user[0] == '\0' ? "" : " to the account ", sippd->user);
}
