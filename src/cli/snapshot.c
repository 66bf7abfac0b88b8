// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/snapshot.h"

#include "base/memory.h"
#include "cli/command.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct mapped_file {
    void *bytes;
    size_t length;
};

static bool map_file(const char *path, struct mapped_file *mapped, struct error *error)
{
    struct stat status;
    *mapped = (struct mapped_file){0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool good = file >= 0 && fstat(file, &status) == 0;
    if (good && (!S_ISREG(status.st_mode) || status.st_size == 0)) {
        (void)close(file);
        return error_set(error, ERROR_INPUT, "bad-snapshot", "%s is empty, or no file", path);
    }
    if (good) {
        mapped->length = (size_t)status.st_size;
        mapped->bytes = mmap(NULL, mapped->length, PROT_READ, MAP_PRIVATE, file, 0);
        good = mapped->bytes != MAP_FAILED;
    }
    if (!good)
        error_set(error, ERROR_SYSTEM, "no-file", "%s cannot be read: %s", path, strerror(errno));
    if (file >= 0)
        (void)close(file);
    return good;
}

static const char *print_time(struct wall_time time, char buffer[32])
{
    time_t seconds = (time_t)(time.ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(buffer, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(buffer, 32, "?");
    return buffer;
}

static void print_micronets(const struct mapping *mapping)
{
    struct unit from = {0};
    struct micronet micronet;
    while (mapping_next(mapping, from, &micronet)) {
        char range[RANGE_TEXT_MAX];
        char etr[ADDRESS_TEXT_MAX];
        (void)printf("%s %s\n", range_print(&micronet.range, range),
                     address_print(&micronet.etr, etr));
        from.index = range_last(&micronet.range).index + 1;
        if (from.index == 0)
            break;
    }
}

static int print_info(const struct arguments *arguments, const struct snapshot_info *info,
                      size_t bytes, bool verified)
{
    char mab[PREFIX_TEXT_MAX];
    char time[32];
    char ruas[20];
    char hash[40];
    (void)prefix_print(&info->mab, mab);
    (void)print_time(info->time, time);
    (void)snprintf(ruas, sizeof(ruas), "%016" PRIx64, info->ruas);
    (void)snprintf(hash, sizeof(hash), "%016" PRIx64 "%016" PRIx64, info->hash.lanes[0],
                   info->hash.lanes[1]);
    if (arguments->json)
        return print_json(json_pack("{s:i, s:s, s:s, s:I, s:I, s:s, s:I, s:s, s:I, s:b}", "v", 1,
                                    "mab", mab, "ruas", ruas, "epoch", (json_int_t)info->epoch,
                                    "sequence", (json_int_t)info->sequence, "time", time,
                                    "micronets", (json_int_t)info->micronets, "hash", hash, "bytes",
                                    (json_int_t)bytes, "verified", (int)verified));
    (void)printf("MAB        %s\nsequence   %" PRIu64 "\ntime       %s\nmicronets  %" PRIu64 "\n",
                 mab, info->sequence, time, info->micronets);
    (void)printf("RUAS       %s\nepoch      %" PRIu64 "\nhash       %s\nsize       %zu bytes\n",
                 ruas, info->epoch, hash, bytes);
    (void)printf("signature  %s\n", verified ? "good, and the whole database is in it"
                                             : "not checked; --verify KEY does it");
    return STATUS_DONE;
}

static int inspect(const struct arguments *arguments, const struct mapped_file *file)
{
    struct snapshot_info info;
    struct error error = {0};
    if (!snapshot_inspect(file->bytes, file->length, &info, &error)) {
        error_prefix(&error, "%s", arguments->words[0]);
        return report_error(&error, arguments->json);
    }
    return print_info(arguments, &info, file->length, false);
}

static int verify(const struct arguments *arguments, const struct mapped_file *file)
{
    struct public_key key;
    struct snapshot_info info;
    struct mapping *mapping = NULL;
    struct error error = {0};
    if (!key_parse(option_value(arguments, "verify"), &key, &error))
        return usage_error(arguments, "%s", error.text);
    if (!snapshot_read(file->bytes, file->length, &key, &info, &mapping, &error)) {
        error_prefix(&error, "%s", arguments->words[0]);
        return report_error(&error, arguments->json);
    }
    int status = STATUS_DONE;
    if (option_value(arguments, "list") != NULL)
        print_micronets(mapping);
    else
        status = print_info(arguments, &info, file->length, true);
    mapping_free(mapping);
    return status;
}

static int run(const struct arguments *arguments)
{
    bool list = option_value(arguments, "list") != NULL;
    if (list && option_value(arguments, "verify") == NULL)
        return usage_error(arguments, "--list shows only what --verify KEY has checked");
    if (list && arguments->json)
        return usage_error(arguments, "--list prints lines, not JSON");
    struct mapped_file file;
    struct error error = {0};
    if (!map_file(arguments->words[0], &file, &error))
        return report_error(&error, arguments->json);
    int status = option_value(arguments, "verify") != NULL ? verify(arguments, &file)
                                                           : inspect(arguments, &file);
    (void)munmap(file.bytes, file.length);
    return status;
}

static const struct command_option options[] = {
    {"verify", "KEY", "check signature and contents by the RUAS's public key"},
    {"list", NULL, "with --verify: print all micronets, a line each"},
    {0},
};

const struct cli_command cli_snapshot = {
    .name = "snapshot",
    .synopsis = "FILE [--verify KEY [--list]]",
    .summary = "inspect or verify a snapshot",
    .help =
        "Shows what a snapshot says of itself: the MAB, the sequence number of the last set in\n"
        "it, when it was made, how many micronets it holds. With --verify it builds the whole\n"
        "database from it and checks the signature and the running hash.\n\n"
        "Examples:\n"
        "  curl -O http://192.0.2.1:4747/v1/snapshots/20.0.0.0-14/latest\n"
        "  ivip snapshot latest\n"
        "  ivip snapshot latest --verify \"$(ivip key --public < ruas.key)\" --list | head\n",
    .read_on = "docs/protocol.md (Snapshot)",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
