// SPDX-License-Identifier: BSD-2-Clause
// What a process that dropped its privileges is refused, and what it still may do. Each attempt is
// a child of its own, since there is no way back.
#include "../check.h"
#include "node/privileges.h"
#include "test_node.h"

#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_program(void)
{
    static char name[] = "/bin/true";
    char *const words[] = {name, NULL};
    char *const none[] = {NULL};
    return execve(name, words, none);
}

static int try_user_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}

static int try_child_in_namespace(void)
{
    return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
}

static int try_bpf(void)
{
    union bpf_attr attributes = {0};
    return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes));
}

static int try_io_uring(void)
{
    uint8_t parameters[256] = {0};
    return (int)syscall(SYS_io_uring_setup, 1, parameters);
}

static int try_odd_socket(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int try_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static void *do_nothing(void *state)
{
    return state;
}

// Threads, sockets and files.
static int try_daily_work(void)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (socket(families[i], families[i] == AF_UNIX ? SOCK_STREAM : SOCK_DGRAM, 0) < 0)
            return -1;
    char path[] = "/tmp/ivip-test-privileges-XXXXXX";
    int file = mkstemp(path);
    return file < 0 || fsync(file) != 0 || unlink(path) != 0 ? -1 : 0;
}

// The errno that the attempt ended with after the drop, 0 where it was let do.
static int refusal(int (*attempt)(void))
{
    struct error error = {0};
    struct config *config =
        config_load(test_file("name: test\netr: {serves: [20.1.0.0/28]}\n"), &error);
    assert_non_null(config);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!privileges_drop(config, &error))
            _exit(255);
        _exit(attempt() >= 0 ? 0 : errno);
    }
    config_free(config);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    assert_int_equal(refusal(try_program), EPERM);
    assert_int_equal(refusal(try_user_namespace), EPERM);
    assert_int_equal(refusal(try_child_in_namespace), EPERM);
    assert_int_equal(refusal(try_bpf), EPERM);
    assert_int_equal(refusal(try_io_uring), EPERM);
    assert_int_equal(refusal(try_odd_socket), EAFNOSUPPORT);
    assert_int_equal(refusal(try_packet_socket), EAFNOSUPPORT);
    test_files_remove();
}

static void test_what_is_not(void **state)
{
    (void)state;
    assert_int_equal(refusal(try_daily_work), 0);
    test_files_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
