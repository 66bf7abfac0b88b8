// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"
#include "node/key_file.h"

#include <sodium.h>
#include <stdio.h>

static int print_public(const struct arguments *arguments)
{
    char text[128] = {0};
    if (fgets(text, sizeof(text), stdin) == NULL)
        text[0] = '\0';
    struct secret_key secret = {0};
    struct error error = {0};
    bool good = key_seed_parse(text, "standard input", &secret, &error);
    sodium_memzero(text, sizeof(text));
    if (!good)
        return report_error(&error, arguments->json);
    struct public_key public = key_public(&secret);
    key_wipe(&secret);
    char printed[KEY_TEXT_MAX];
    (void)key_print(&public, printed);
    if (arguments->json)
        return print_json(json_pack("{s:i, s:s}", "v", 1, "public", printed));
    (void)puts(printed);
    return STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
    if (option_value(arguments, "public") != NULL)
        return print_public(arguments);
    struct error error = {0};
    if (!output_close_to_others(&error))
        return report_error(&error, arguments->json);
    struct secret_key secret;
    char text[KEY_TEXT_MAX];
    char public_text[KEY_TEXT_MAX];
    key_generate(&secret);
    struct public_key public = key_public(&secret);
    (void)key_print(&public, public_text);
    (void)key_seed_print(&secret, text);
    key_wipe(&secret);
    if (arguments->json)
        (void)print_json(
            json_pack("{s:i, s:s, s:s}", "v", 1, "secret", text, "public", public_text));
    else
        (void)puts(text);
    sodium_memzero(text, sizeof(text));
    return STATUS_DONE;
}

static const struct command_option options[] = {
    {"public", NULL, "print the public half of the secret key on standard input"},
    {0},
};

const struct cli_command cli_key = {
    .name = "key",
    .synopsis = "[--public]",
    .summary = "make a node's key, or show its public half",
    .help = "Prints a new secret key (44 characters of base64), for the file that \"key\" in a\n"
            "config names. The file is made readable by its owner alone. With --public, reads a\n"
            "secret key and prints the public key, by which others know the node.\n\n"
            "Examples:\n"
            "  ivip key > /etc/ivip/ruas.key\n"
            "  ivip key --public < /etc/ivip/ruas.key\n",
    .read_on = "man ivip, docs/configuration.md",
    .options = options,
    .run = run,
};
