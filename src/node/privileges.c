// SPDX-License-Identifier: BSD-2-Clause
#include "node/privileges.h"

#include "base/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

// Gives a directory that was just made to the account. Who may write in the one above it could have
// put a link to another in its place: that is not followed.
static bool give_away(const char *path, uid_t uid, gid_t gid)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return false;
    bool given = fchown(directory, uid, gid) == 0;
    int reason = errno;
    (void)close(directory);
    errno = reason;
    return given;
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
            if (geteuid() == 0 && !give_away(partial, uid, gid))
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
           (config->ruas != NULL &&
            (is_privileged(&config->ruas->listen) || is_privileged(&config->ruas->web) ||
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

// System calls that start programs, change the machine, look into other processes, or open parts of
// the kernel that are new and large. A node makes none of them, so somebody who got hold of one
// shall not either.
static const int forbidden[] = {
    // programs and other processes
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
    // file systems and namespaces
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns),
    SCMP_SYS(unshare), SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(quotactl),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
    // the machine
    SCMP_SYS(reboot), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
    SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname), SCMP_SYS(syslog), SCMP_SYS(ioperm), SCMP_SYS(iopl),
    SCMP_SYS(personality),
    // the kernel's larger doors
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key),
    SCMP_SYS(request_key)};

// Refuses a call whose first argument compares so to `a` (masked: with `a` as the mask, to `b`).
static bool forbid_argument(scmp_filter_ctx filter, int call, uint16_t cause,
                            enum scmp_compare comparison, uint64_t a, uint64_t b)
{
    const struct scmp_arg_cmp condition = {0, comparison, a, b};
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(cause), call, 1, &condition) == 0;
}

// Namespaces of its own would give a process all capabilities in them. clone3 has its flags where
// no filter can read them: the C library takes clone where there is no clone3.
static bool forbid_namespaces(scmp_filter_ctx filter)
{
    static const uint64_t flags[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,   CLONE_NEWPID,
                                     CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};
    bool good = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
    for (size_t i = 0; good && i < sizeof(flags) / sizeof(flags[0]); i++)
        good =
            forbid_argument(filter, SCMP_SYS(clone), EPERM, SCMP_CMP_MASKED_EQ, flags[i], flags[i]);
    return good;
}

// Sockets other than AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK.
static bool forbid_families(scmp_filter_ctx filter)
{
    bool good = forbid_argument(filter, SCMP_SYS(socket), EAFNOSUPPORT, SCMP_CMP_GT, AF_NETLINK, 0);
    for (unsigned family = AF_UNIX; good && family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            good = forbid_argument(filter, SCMP_SYS(socket), EAFNOSUPPORT, SCMP_CMP_EQ, family, 0);
    return good;
}

static bool forbid_system_calls(struct error *error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool good = filter != NULL;
    for (size_t i = 0; good && i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
#ifdef SANITIZED
        if (forbidden[i] == SCMP_SYS(ptrace))
            continue;
#endif
        good = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0) == 0;
    }
    good =
        good && forbid_namespaces(filter) && forbid_families(filter) && seccomp_load(filter) == 0;
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
