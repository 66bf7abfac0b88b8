// SPDX-License-Identifier: BSD-2-Clause
#include "node/privileges.h"

#include "base/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

// Leak detection of the sanitizers looks into its own process as a debugger would.
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

// Looks the account up; uid and gid of the process where none is configured.
static bool find_account(const struct config *config, uid_t *uid, gid_t *gid, struct error *error)
{
    *uid = geteuid();
    *gid = getegid();
    if (config->user[0] == '\0')
        return true;
    errno = 0;
    const struct passwd *entry = getpwnam(config->user); // NOLINT(concurrency-mt-unsafe)
    if (entry == NULL)
        return error_set(error, ERROR_NOT_FOUND, "no-such-user",
                         "user: there is no account \"%s\" on this machine%s%s", config->user,
                         errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return true;
}

// Makes a directory and those above it; the ones made here are given to the account.
static bool make_directory(const char *path, mode_t mode, uid_t uid, gid_t gid, struct error *error)
{
    char partial[4096];
    size_t length = strlen(path);
    if (length >= sizeof(partial))
        return error_set(error, ERROR_INPUT, "bad-path", "the path %.80s... is too long", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, i == length ? mode : 0755) == 0) {
            if (geteuid() == 0 && chown(partial, uid, gid) != 0)
                return error_set(error, ERROR_SYSTEM, "no-directory",
                                 "directory %s cannot be given to the node's account: %s", partial,
                                 strerror(errno));
        } else if (errno != EEXIST) {
            return error_set(error, ERROR_SYSTEM, "no-directory", "directory %s cannot be made: %s",
                             partial, strerror(errno));
        }
    }
    return true;
}

// A directory that was there already must belong to the account, or nothing could be stored in it.
static bool check_owner(const char *path, uid_t uid, const char *account, struct error *error)
{
    struct stat status;
    if (geteuid() != 0 || uid == 0 || stat(path, &status) != 0 || status.st_uid == uid)
        return true;
    return error_set(error, ERROR_DENIED, "wrong-owner",
                     "state: %s does not belong to the account that the node runs as; `chown -R %s "
                     "%s`",
                     path, account, path);
}

bool privileges_prepare(const struct config *config, struct error *error)
{
    uid_t uid = 0;
    gid_t gid = 0;
    if (!find_account(config, &uid, &gid, error))
        return false;
    if (!make_directory(config->state, 0700, uid, gid, error) ||
        !check_owner(config->state, uid, config->user, error))
        return false;
    char directory[4096];
    (void)snprintf(directory, sizeof(directory), "%s", config->control);
    char *slash = strrchr(directory, '/');
    if (slash == NULL || slash == directory)
        return true;
    *slash = '\0';
    return make_directory(directory, 0755, uid, gid, error);
}

static bool is_privileged(const struct endpoint *listen)
{
    return listen->address.family != FAMILY_NONE && listen->port > 0 && listen->port < 1024;
}

static bool needs_low_port(const struct config *config)
{
    return is_privileged(&config->metrics) ||
           (config->ruas != NULL && (is_privileged(&config->ruas->listen) ||
                                     is_privileged(&config->ruas->public_listen))) ||
           (config->qsa != NULL &&
            (is_privileged(&config->qsa->listen) || is_privileged(&config->qsa->feed))) ||
           (config->qsr != NULL && is_privileged(&config->qsr->listen));
}

// The capabilities that the configured roles work with.
static bool choose_capabilities(const struct config *config)
{
    capng_clear(CAPNG_SELECT_BOTH);
    const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
    bool good = true;
    if (config->itr != NULL || config->etr != NULL)
        good = capng_updatev(CAPNG_ADD, sets, CAP_NET_ADMIN, CAP_NET_RAW, -1) == 0;
    if (good && needs_low_port(config))
        good = capng_update(CAPNG_ADD, sets, CAP_NET_BIND_SERVICE) == 0;
    return good;
}

static bool take_capabilities(const struct config *config, struct error *error)
{
    uid_t uid = 0;
    gid_t gid = 0;
    if (!find_account(config, &uid, &gid, error))
        return false;
    bool good = choose_capabilities(config);
    if (good && uid != 0)
        good = capng_change_id((int)uid, (int)gid, CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0;
    else if (good)
        good = capng_apply(CAPNG_SELECT_BOTH) == 0;
    return good || error_set(error, ERROR_SYSTEM, "privileges-stay",
                             "privileges cannot be dropped to account \"%s\": %s",
                             uid == 0 ? "root" : config->user, strerror(errno));
}

// System calls that start programs, change the machine or look into other processes. A node makes
// none of them, so somebody who got hold of one shall not either.
static bool forbid_system_calls(struct error *error)
{
    static const int forbidden[] = {
        SCMP_SYS(execve),        SCMP_SYS(execveat),     SCMP_SYS(ptrace),
        SCMP_SYS(mount),         SCMP_SYS(umount2),      SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),        SCMP_SYS(swapon),       SCMP_SYS(swapoff),
        SCMP_SYS(reboot),        SCMP_SYS(kexec_load),   SCMP_SYS(kexec_file_load),
        SCMP_SYS(init_module),   SCMP_SYS(finit_module), SCMP_SYS(delete_module),
        SCMP_SYS(setns),         SCMP_SYS(unshare),      SCMP_SYS(keyctl),
        SCMP_SYS(add_key),       SCMP_SYS(request_key),  SCMP_SYS(settimeofday),
        SCMP_SYS(clock_settime), SCMP_SYS(sethostname),  SCMP_SYS(process_vm_readv),
        SCMP_SYS(acct),          SCMP_SYS(quotactl),     SCMP_SYS(process_vm_writev),
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool good = filter != NULL;
    for (size_t i = 0; good && i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
#ifdef SANITIZED
        if (forbidden[i] == SCMP_SYS(ptrace))
            continue;
#endif
        good = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0) == 0;
    }
    good = good && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good || error_set(error, ERROR_SYSTEM, "no-seccomp",
                             "the filter of system calls could not be set");
}

bool privileges_drop(const struct config *config, struct error *error)
{
    if (geteuid() == 0) {
        if (!take_capabilities(config, error))
            return false;
    } else if (config->user[0] != '\0') {
        log_warning("node", "not started as root, so the account stays as it is, not \"%s\"",
                    config->user);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set(error, ERROR_SYSTEM, "privileges-stay", "no_new_privs cannot be set: %s",
                         strerror(errno));
    return forbid_system_calls(error);
}
