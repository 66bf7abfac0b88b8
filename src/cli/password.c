// SPDX-License-Identifier: BSD-2-Clause
#include "cli/password.h"

#include <jansson.h>
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

// What ends the program on other days waits until the terminal is as it was.
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

// Without SA_RESTART, so that reading ends.
static void catch_signals(struct sigaction before[SIGNALS])
{
    struct sigaction caught = {.sa_handler = on_signal};
    (void)sigemptyset(&caught.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &caught, &before[i]);
}

static void release_signals(const struct sigaction before[SIGNALS])
{
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &before[i], NULL);
    if (interrupted != 0)
        (void)raise(interrupted);
}

// Reads from the terminal with its echo off.
static bool ask(const char *question, const char *user, char text[PASSWORD_TEXT_MAX])
{
    struct termios before;
    (void)fprintf(stderr, "%s %s: ", question, user);
    (void)fflush(stderr);
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    struct termios hidden = before;
    struct sigaction actions[SIGNALS];
    hidden.c_lflag &= (tcflag_t)~ECHO;
    catch_signals(actions);
    bool good = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 && read_line(text);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputc('\n', stderr);
    release_signals(actions);
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
