// SPDX-License-Identifier: BSD-2-Clause
#include "cli/password.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

// Reads a line into `text`, without its end; false where it is too long or there is none.
static bool read_line(char text[PASSWORD_TEXT_MAX])
{
    if (fgets(text, PASSWORD_TEXT_MAX, stdin) == NULL)
        return false;
    size_t length = strcspn(text, "\r\n");
    bool whole = text[length] != '\0' || feof(stdin) != 0;
    text[length] = '\0';
    return whole;
}

static volatile sig_atomic_t interrupted; // the signal that came while a password was typed

static void on_signal(int number)
{
    interrupted = number;
}

// What ends or stops the program on other days waits until the terminal is as it was.
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

struct signals_before {
    sigset_t mask;
    struct sigaction actions[SIGNALS];
};

// From now on they come only where `before->mask` lets them. Who ignored one, as nohup does, goes
// on with that.
static void catch_signals(struct signals_before *before)
{
    struct sigaction caught = {.sa_handler = on_signal};
    sigset_t blocked;
    (void)sigemptyset(&caught.sa_mask);
    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaddset(&blocked, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &blocked, &before->mask);
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)sigaction(signals[i], NULL, &before->actions[i]);
        if (before->actions[i].sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &caught, NULL);
    }
}

static void release_signals(const struct signals_before *before)
{
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &before->actions[i], NULL);
    (void)sigprocmask(SIG_SETMASK, &before->mask, NULL);
    if (interrupted != 0)
        (void)raise(interrupted);
}

// Reads a line from the terminal, which gives one at a time. Signals come while it waits and at no
// other moment, so none is lost between a look at `interrupted` and the wait.
static bool read_typed(char text[PASSWORD_TEXT_MAX], const sigset_t *mask)
{
    struct pollfd terminal = {.fd = STDIN_FILENO, .events = POLLIN};
    if (ppoll(&terminal, 1, NULL, mask) != 1)
        return false;
    ssize_t length = read(STDIN_FILENO, text, PASSWORD_TEXT_MAX);
    if (length <= 0 || length == PASSWORD_TEXT_MAX)
        return false;
    text[length] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return true;
}

// Asks at the terminal, with its echo off.
static bool ask(const char *question, const char *user, char text[PASSWORD_TEXT_MAX])
{
    struct termios shown;
    (void)fprintf(stderr, "%s %s: ", question, user);
    (void)fflush(stderr);
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    struct termios hidden = shown;
    struct signals_before before;
    hidden.c_lflag &= (tcflag_t)~ECHO;
    catch_signals(&before);
    bool good = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 && read_typed(text, &before.mask);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)fputc('\n', stderr);
    release_signals(&before);
    return good && interrupted == 0;
}

// The password travels in JSON, which is UTF-8.
static bool check_text(const char *password, struct error *error)
{
    json_t *text = json_string(password);
    json_decref(text);
    return text != NULL || error_set(error, ERROR_INPUT, "no-password",
                                     "a password must be text in UTF-8; is the terminal set so?");
}

bool password_read(const char *user, char password[PASSWORD_TEXT_MAX], struct error *error)
{
    if (isatty(STDIN_FILENO) == 0)
        return read_line(password)
                   ? check_text(password, error)
                   : error_set(error, ERROR_INPUT, "no-password",
                               "a password of at most %d characters was expected on standard input",
                               PASSWORD_TEXT_MAX - 2);
    char again[PASSWORD_TEXT_MAX];
    bool good = ask("Password for", user, password) && ask("Once more, for", user, again);
    bool equal = good && strcmp(password, again) == 0;
    sodium_memzero(again, sizeof(again));
    if (!good)
        return error_set(error, ERROR_INPUT, "no-password", "no password was typed");
    if (!equal)
        return error_set(error, ERROR_INPUT, "no-password",
                         "the two were not the same; nothing was changed");
    return check_text(password, error);
}
